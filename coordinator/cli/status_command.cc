// shoal status: how a run stands, from its coordinator, or from its folder where there is none.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/rpc.h"
#include "coordinator/cli/commands.h"
#include "coordinator/cli/connection_options.h"
#include "coordinator/cli/exit_codes.h"
#include "coordinator/cli/prepare_run.h"
#include "coordinator/cli/status_text.h"
#include "coordinator/run/address_file.h"
#include "shoal/v1/run.grpc.pb.h"

namespace shoal {
namespace {

struct StatusArguments {
  std::string run;
  std::string coordinator;
  std::string out = "runs";
  double timeout = 5;
  std::string output = "table";
};

absl::StatusOr<v1::RunStatus> Ask(const std::string& address, double timeout) {
  auto channel = ConnectChannel(address);
  if (!channel.ok()) return channel.status();
  const auto stub = v1::RunService::NewStub(*channel);
  const auto context = MakeContext(absl::Seconds(timeout));
  v1::GetStatusResponse response;
  const absl::Status status =
      FromGrpc(stub->GetStatus(context.get(), v1::GetStatusRequest(), &response));
  if (status.ok()) return std::move(*response.mutable_status());
  if (!absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status)) return status;
  return absl::UnavailableError(absl::StrFormat("the coordinator at %s does not answer (%s)", address,
                                                std::string(status.message())));
}

int Print(const v1::RunStatus& status, bool now_known, const std::string& output) {
  if (output == "table") {
    std::fputs(StatusTable(status, now_known).c_str(), stdout);
    return kExitDone;
  }
  auto json = StatusJson(status);
  if (!json.ok()) return ReportError(json.status());
  std::fputs(json->c_str(), stdout);
  return kExitDone;
}

int RunStatusCommand(const StatusArguments& arguments) {
  if (arguments.run.empty() == arguments.coordinator.empty()) {
    return ReportError(absl::InvalidArgumentError(
        "shoal status needs a run (its name or folder) or --coordinator ADDRESS, and not both"));
  }
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
  auto arguments = std::make_shared<StatusArguments>();
  CLI::App* status = app.add_subcommand(
      "status", "how a run stands: its state, who is there and who is missing");
  status->add_option("run", arguments->run, "the run's name or folder")->type_name("RUN");
  status->add_option("--coordinator", arguments->coordinator,
                     "ask the coordinator there: unix:/path or host:port")
      ->type_name("ADDRESS");
  status->add_option("--out", arguments->out, "folder of all runs")
      ->type_name("DIR")
      ->capture_default_str();
  status->add_option("--timeout", arguments->timeout, "wait so long for an answer, seconds")
      ->check(CLI::Range(0.01, 3600.0))
      ->capture_default_str();
  status->add_option("-o,--output", arguments->output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  AddConnectionOptions(*status);
  return Command{status, [arguments] { return RunStatusCommand(*arguments); }};
}

}  // namespace shoal
