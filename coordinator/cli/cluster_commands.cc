// shoal fetch, and what shoal runs and shoal stop do with a standing coordinator.

#include "coordinator/cli/cluster_commands.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "coordinator/cli/cluster_client.h"
#include "coordinator/cli/commands.h"
#include "coordinator/cli/connection_options.h"
#include "coordinator/cli/exit_codes.h"
#include "coordinator/cli/fetch_run.h"

namespace shoal {
namespace {

struct FetchArguments {
  std::string coordinator;
  double timeout = 10;
  FetchOptions fetch;
};

int RunFetch(FetchArguments& arguments) {
  const ShutdownSignal signal;
  auto client = ClusterClient::Connect(arguments.coordinator, absl::Seconds(arguments.timeout));
  if (!client.ok()) return ReportError(client.status());
  arguments.fetch.cancelled = [&signal] { return signal.count() > 0; };
  const bool live = isatty(STDERR_FILENO) != 0;
  arguments.fetch.progress = [live](size_t done, size_t all) {
    if (live) std::fprintf(stderr, "\r%zu of %zu files%s", done, all, done == all ? "\n" : "");
  };
  auto folder = FetchRun(**client, arguments.fetch);
  if (absl::IsCancelled(folder.status())) {
    std::fprintf(stderr, "shoal: interrupted, %s; the same command goes on\n",
                 std::string(folder.status().message()).c_str());
    return kExitInterrupted;
  }
  if (!folder.ok()) return ReportError(folder.status());
  std::printf("%s\n", folder->c_str());
  return kExitDone;
}

std::string TimeText(bool there, const google::protobuf::Timestamp& time) {
  if (!there) return "";
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(time.seconds()),
                          absl::UTCTimeZone());
}

nlohmann::ordered_json Row(const v1::QueuedRun& run) {
  using Json = nlohmann::ordered_json;
  const auto text = [](const std::string& value) { return value.empty() ? Json() : Json(value); };
  const bool queued = run.state() == v1::QueuedRun::STATE_QUEUED;
  return Json{{"run", run.name()},
              {"state", run.stopping() ? "stopping" : QueuedRunStateName(run.state())},
              {"ahead", queued ? Json(run.ahead()) : Json()},
              {"iteration", run.iteration() > 0 ? Json(run.iteration()) : Json()},
              {"submitted", text(TimeText(run.has_submitted_at(), run.submitted_at()))},
              {"started", text(TimeText(run.has_started_at(), run.started_at()))},
              {"ended", text(TimeText(run.has_ended_at(), run.ended_at()))},
              {"message", text(run.message())},
              {"policy_sha256", text(run.policy_sha256())}};
}

}  // namespace

absl::StatusOr<std::vector<nlohmann::ordered_json>> ListClusterRuns(const std::string& coordinator,
                                                                    double timeout) {
  auto client = ClusterClient::Connect(coordinator, absl::Seconds(timeout));
  if (!client.ok()) return client.status();
  auto runs = (*client)->List();
  if (!runs.ok()) return runs.status();
  std::vector<nlohmann::ordered_json> rows;
  for (const v1::QueuedRun& run : *runs) rows.push_back(Row(run));
  return rows;
}

int StopClusterRun(const RunTarget& target) {
  auto client = ClusterClient::Connect(target.coordinator, absl::Seconds(target.timeout));
  if (!client.ok()) return ReportError(client.status());
  auto stopped = (*client)->Cancel(target.run);
  if (!stopped.ok()) return ReportError(stopped.status());
  if (target.output == "json") return PrintJson(*stopped);
  if (stopped->stopping()) {
    std::printf("%s stops after its next commit\n", target.run.c_str());
  } else {
    std::printf("%s is %s\n", target.run.c_str(), QueuedRunStateName(stopped->state()));
  }
  return kExitDone;
}

Command AddFetchCommand(CLI::App& app) {
  auto arguments = std::make_shared<FetchArguments>();
  CLI::App* fetch =
      app.add_subcommand("fetch", "copy a run's files from the standing coordinator that ran it");
  fetch->add_option("run", arguments->fetch.name, "the run's name")->required()->type_name("RUN");
  fetch->add_option("--coordinator", arguments->coordinator,
                    "the standing coordinator: unix:/path or host:port")
      ->required()
      ->type_name("ADDRESS");
  fetch->add_option("--out", arguments->fetch.out, "the copy is DIR/RUN")
      ->type_name("DIR")
      ->capture_default_str();
  fetch->add_option("--timeout", arguments->timeout, "wait so long for an answer, seconds")
      ->check(CLI::Range(0.01, 3600.0))
      ->capture_default_str();
  AddConnectionOptions(*fetch);
  return Command{fetch, [arguments] { return RunFetch(*arguments); }};
}

}  // namespace shoal
