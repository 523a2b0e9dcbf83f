// shoal status: how a run stands, from its coordinator, or from its folder where there is none.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "coordinator/cli/commands.h"
#include "coordinator/cli/exit_codes.h"
#include "coordinator/cli/prepare_run.h"
#include "coordinator/cli/run_target.h"
#include "coordinator/cli/status_text.h"
#include "coordinator/cli/terminal.h"
#include "coordinator/run/address_file.h"

namespace shoal {
namespace {

absl::StatusOr<v1::RunStatus> Ask(const std::string& address, double timeout) {
  auto response = AskCoordinator(address, timeout, &v1::RunService::Stub::GetStatus,
                                 v1::GetStatusRequest());
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_status());
}

int Print(const v1::RunStatus& status, bool now_known, const std::string& output) {
  if (output == "json") return PrintJson(status);
  std::fputs(StatusTable(status, now_known, WantsColours(STDOUT_FILENO)).c_str(), stdout);
  return kExitDone;
}

int RunStatusCommand(const RunTarget& arguments) {
  const absl::Status usable = CheckRunTarget(arguments, "status");
  if (!usable.ok()) return ReportError(usable);
  if (!arguments.coordinator.empty()) {
    auto status = Ask(arguments.coordinator, arguments.timeout);
    if (!status.ok()) return ReportError(status.status());
    return Print(*status, true, arguments.output);
  }
  auto folder = FindRun(arguments.out, arguments.run);
  if (!folder.ok()) return ReportError(folder.status());
  absl::Status unreachable;
  auto address = ReadAddressFile(*folder);
  if (address.ok()) {
    auto status = Ask(*address, arguments.timeout);
    if (status.ok()) return Print(*status, true, arguments.output);
    if (!absl::IsUnavailable(status.status())) return ReportError(status.status());
    unreachable = status.status();
  } else if (!absl::IsNotFound(address.status())) {
    return ReportError(address.status());
  }
  auto status = StatusFromFolder(*folder);
  if (!status.ok()) {
    return ReportError(absl::IsNotFound(status.status())
                           ? absl::NotFoundError(absl::StrCat("the run in ", *folder,
                                                              " was never started"))
                           : status.status());
  }
  const int code = Print(*status, false, arguments.output);
  // Killed, or cut off: what is printed is the last commit, and more may have happened since.
  return code == kExitDone && !unreachable.ok() ? ReportError(unreachable) : code;
}

}  // namespace

Command AddStatusCommand(CLI::App& app) {
  auto arguments = std::make_shared<RunTarget>();
  CLI::App* status = app.add_subcommand(
      "status", "how a run stands, on one screen: iteration, rates, gate, tail queue, peers, alerts");
  AddRunTarget(*status, *arguments);
  return Command{status, [arguments] { return RunStatusCommand(*arguments); }};
}

}  // namespace shoal
