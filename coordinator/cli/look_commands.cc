// shoal actors, describe, watch: a run from outside.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "common/shutdown.h"
#include "coordinator/cli/look_commands.h"
#include "coordinator/cli/exit_codes.h"
#include "coordinator/cli/progress.h"
#include "coordinator/cli/run_target.h"
#include "coordinator/cli/status_text.h"
#include "coordinator/cli/terminal.h"
#include "coordinator/run/orders.h"
#include "coordinator/run/run_reports.h"

namespace shoal {
namespace {

int RunActors(const RunTarget& target) {
  if (absl::Status s = CheckRunTarget(target, "actors"); !s.ok()) return ReportError(s);
  auto address = CoordinatorAddress(target);
  if (!address.ok()) return ReportError(address.status());
  auto response = AskCoordinator(*address, target.timeout, &v1::RunService::Stub::GetStatus,
                                 v1::GetStatusRequest());
  if (!response.ok()) return ReportError(response.status());
  const v1::RunStatus& status = response->status();
  if (target.output == "json") {
    v1::RunStatus peers;
    *peers.mutable_workers() = status.workers();
    *peers.mutable_missing() = status.missing();
    peers.set_run_name(status.run_name());
    return PrintJson(peers);
  }
  size_t width = 4;
  for (const v1::WorkerStatus& worker : status.workers()) width = std::max(width, worker.name().size());
  std::printf("%-*s  %-9s  %7s  %7s  %s\n", static_cast<int>(width), "name", "state", "items",
              "heard s", "cpu, build");
  for (const v1::WorkerStatus& worker : status.workers()) {
    std::printf("%-*s  %-9s  %7lld  %7.1f  %s, %s\n", static_cast<int>(width), worker.name().c_str(),
                worker.connected() ? "connected" : "gone",
                static_cast<long long>(worker.items_done()), worker.silent_seconds(),
                worker.cpu().c_str(), worker.build().c_str());
  }
  return kExitDone;
}

int RunDescribe(const RunTarget& target) {
  if (absl::Status s = CheckRunTarget(target, "describe run"); !s.ok()) return ReportError(s);
  auto run = AskOrRead(target, &v1::RunService::Stub::DescribeRun, RunDescription);
  if (!run.ok()) return ReportError(run.status());
  if (target.output == "json") return PrintJson(*run);
  std::printf("run         %s (%s)\nstate       %s%s%s\ncreated     %s by %s\n",
              run->run_name().c_str(), run->run_id().c_str(), run->state().c_str(),
              run->message().empty() ? "" : ": ", run->message().c_str(), run->created_at().c_str(),
              run->build().c_str());
  std::printf("iterations  %lld of %lld committed\npolicy      %s\nkernel      %s\n",
              static_cast<long long>(run->committed_iteration()),
              static_cast<long long>(run->total_iterations()), run->policy_sha256().c_str(),
              run->kernel_id().c_str());
  std::printf("options that differ from the defaults:\n");
  for (const v1::OptionDifference& option : run->differences()) {
    std::printf("  %s: %s (default %s)\n", option.name().c_str(), option.value().c_str(),
                option.default_value().c_str());
  }
  std::printf("orders:%s\n", run->orders_size() == 0 ? " none" : "");
  for (const v1::Order& order : run->orders()) {
    const std::string when = order.iteration() > 0 ? absl::StrCat("iteration ", order.iteration())
                                                   : std::string("waits");
    std::printf("  %lld  %-12s  %s\n", static_cast<long long>(order.id()), when.c_str(),
                OrderText(order).c_str());
  }
  return kExitDone;
}

int ExitOf(const v1::RunStatus& status) {
  return status.state() == v1::RunStatus::STATE_FAILED ? kExitFailed : kExitDone;
}

bool Over(const v1::RunStatus& status) {
  return status.state() == v1::RunStatus::STATE_DONE ||
         status.state() == v1::RunStatus::STATE_STOPPED ||
         status.state() == v1::RunStatus::STATE_FAILED;
}

constexpr absl::Duration kPollInterval = absl::Milliseconds(500);

// Follows until the run is over, the user interrupts, or the coordinator does not answer.
int Follow(const std::string& address, const RunTarget& target) {
  absl::Notification interrupted;
  // Signals are taken over before any thread starts; a second one ends the program.
  ShutdownSignal signal{{[&interrupted] { interrupted.Notify(); }, nullptr}};
  const bool live = isatty(STDOUT_FILENO) != 0;
  const bool colours = WantsColours(STDOUT_FILENO);
  ProgressPrinter lines(/*live=*/false);
  while (true) {
    auto response = AskCoordinator(address, target.timeout, &v1::RunService::Stub::GetStatus,
                                   v1::GetStatusRequest());
    if (!response.ok()) return ReportError(response.status());
    const v1::RunStatus& status = response->status();
    if (live) {
      std::printf("\033[H\033[J%s", StatusTable(status, true, colours).c_str());
      std::fflush(stdout);
    } else {
      lines.Show(status);
    }
    if (Over(status)) return ExitOf(status);
    if (interrupted.WaitForNotificationWithTimeout(kPollInterval)) return kExitInterrupted;
  }
}

// How a run stands that has no coordinator: nothing will change any more.
int ShowStored(const RunTarget& target) {
  auto store = OpenRunStore(target);
  if (!store.ok()) return ReportError(store.status());
  auto status = StoredStatus(*store);
  if (!status.ok()) return ReportError(status.status());
  std::fputs(StatusTable(*status, false, WantsColours(STDOUT_FILENO)).c_str(), stdout);
  return ExitOf(*status);
}

int RunWatchCommand(const RunTarget& target) {
  if (absl::Status s = CheckRunTarget(target, "watch"); !s.ok()) return ReportError(s);
  auto address = CoordinatorAddress(target);
  if (absl::IsNotFound(address.status())) return ShowStored(target);
  return address.ok() ? Follow(*address, target) : ReportError(address.status());
}

}  // namespace

std::vector<Command> AddLookCommands(CLI::App& app) {
  auto actors = std::make_shared<RunTarget>();
  CLI::App* actors_app = app.add_subcommand("actors", "the actors of a run that is on");
  AddRunTarget(*actors_app, *actors);
  auto describe = std::make_shared<RunTarget>();
  CLI::App* describe_app = app.add_subcommand("describe", "what a run was asked to be");
  describe_app->require_subcommand(1);
  CLI::App* run_app = describe_app->add_subcommand(
      "run", "its build, the options that differ from the defaults, and the orders since");
  AddRunTarget(*run_app, *describe);
  auto watch = std::make_shared<RunTarget>();
  CLI::App* watch_app = app.add_subcommand(
      "watch", "follow a run: the status on a terminal, elsewhere a line an iteration");
  AddRunTarget(*watch_app, *watch, /*output=*/false);
  return {Command{actors_app, [actors] { return RunActors(*actors); }},
          Command{describe_app, [describe] { return RunDescribe(*describe); }},
          Command{watch_app, [watch] { return RunWatchCommand(*watch); }}};
}

}  // namespace shoal
