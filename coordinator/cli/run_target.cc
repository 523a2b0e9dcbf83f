#include "coordinator/cli/run_target.h"

#include <google/protobuf/util/json_util.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "coordinator/cli/connection_options.h"
#include "coordinator/cli/exit_codes.h"
#include "coordinator/cli/prepare_run.h"
#include "coordinator/run/address_file.h"

namespace shoal {

void AddRunTarget(CLI::App& command, RunTarget& target, bool output) {
  command.add_option("run", target.run, "the run's name or folder")->type_name("RUN");
  command
      .add_option("--coordinator", target.coordinator,
                  "ask the coordinator there: unix:/path or host:port")
      ->type_name("ADDRESS");
  command.add_option("--out,--runs", target.out, "folder of all runs")
      ->type_name("DIR")
      ->capture_default_str();
  command.add_option("--timeout", target.timeout, "wait so long for an answer, seconds")
      ->check(CLI::Range(0.01, 3600.0))
      ->capture_default_str();
  AddConnectionOptions(command);
  if (!output) return;
  command.add_option("-o,--output", target.output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
}

absl::Status CheckRunTarget(const RunTarget& target, const std::string& command) {
  if (target.run.empty() != target.coordinator.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "shoal ", command, " needs a run (its name or folder) or --coordinator ADDRESS, and not both"));
}

absl::StatusOr<std::string> CoordinatorAddress(const RunTarget& target) {
  if (!target.coordinator.empty()) return target.coordinator;
  auto folder = FindRun(target.out, target.run);
  if (!folder.ok()) return folder.status();
  auto address = ReadAddressFile(*folder);
  if (absl::IsNotFound(address.status())) {
    return absl::NotFoundError(absl::StrCat("the run in ", *folder,
                                            " has no coordinator: it is not running (`shoal train "
                                            "--resume ",
                                            *folder, "` continues it)"));
  }
  return address;
}

absl::StatusOr<std::unique_ptr<v1::RunService::Stub>> ConnectRunService(const std::string& address) {
  auto channel = ConnectChannel(address);
  if (!channel.ok()) return channel.status();
  return v1::RunService::NewStub(*channel);
}

absl::StatusOr<RunStore> OpenRunStore(const RunTarget& target) {
  auto folder = FindRun(target.out, target.run);
  if (!folder.ok()) return folder.status();
  auto store = RunStore::OpenReadOnly(absl::StrCat(*folder, "/run.db"));
  if (absl::IsNotFound(store.status())) {
    return absl::NotFoundError(absl::StrCat("the run in ", *folder, " was never started"));
  }
  return store;
}

absl::StatusOr<std::string> MessageJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  // A reader need not know which fields are zero.
  options.always_print_primitive_fields = true;
  std::string json;
  const auto done = google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!done.ok()) {
    return absl::InternalError(absl::StrCat("the answer cannot be written as JSON: ",
                                            std::string(done.message())));
  }
  return json;
}

int PrintJson(const google::protobuf::Message& message) {
  auto json = MessageJson(message);
  if (!json.ok()) return ReportError(json.status());
  std::fputs(json->c_str(), stdout);
  return kExitDone;
}

}  // namespace shoal
