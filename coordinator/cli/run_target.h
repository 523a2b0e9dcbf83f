// Which run a command is about, and how it is asked: its coordinator over gRPC, or its run.db.
#pragma once

#include <CLI/App.hpp>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/rpc.h"
#include "coordinator/store/run_store.h"
#include "shoal/v1/run.grpc.pb.h"

namespace shoal {

struct RunTarget {
  // Exactly one of these is given: a run's name or folder, or its coordinator's address.
  std::string run;
  std::string coordinator;
  std::string out = "runs";
  // Seconds to wait for an answer.
  double timeout = 5;
  // "table" or "json".
  std::string output = "table";
};

// RUN, --coordinator, --out, --timeout and, with `output`, -o.
void AddRunTarget(CLI::App& command, RunTarget& target, bool output = true);

// InvalidArgument unless one of run and coordinator is given.
absl::Status CheckRunTarget(const RunTarget& target, const std::string& command);

// Of the coordinator that is given, or else of the one that the run's folder names. NotFound: no such
// run, or it has no coordinator.
absl::StatusOr<std::string> CoordinatorAddress(const RunTarget& target);

absl::StatusOr<std::unique_ptr<v1::RunService::Stub>> ConnectRunService(const std::string& address);

// One call with the deadline of `target`. Unavailable says who does not answer; the coordinator's own
// words come as they are.
template <class Request, class Response>
absl::StatusOr<Response> AskCoordinator(
    const std::string& address, double timeout,
    grpc::Status (v1::RunService::Stub::*call)(grpc::ClientContext*, const Request&, Response*),
    const Request& request) {
  auto stub = ConnectRunService(address);
  if (!stub.ok()) return stub.status();
  const auto context = MakeContext(absl::Seconds(timeout));
  Response response;
  const absl::Status status = FromGrpc(((**stub).*call)(context.get(), request, &response));
  if (status.ok()) return response;
  if (!absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status)) return status;
  return absl::UnavailableError(absl::StrCat("the coordinator at ", address, " does not answer (",
                                             status.message(), ")"));
}

// The run.db of target.run. NotFound: no such run, or it was never started.
absl::StatusOr<RunStore> OpenRunStore(const RunTarget& target);

// An answer that run.db has, too: from the coordinator where that is given, else from run.db.
template <class Request, class Response>
absl::StatusOr<Response> AskOrRead(
    const RunTarget& target,
    grpc::Status (v1::RunService::Stub::*call)(grpc::ClientContext*, const Request&, Response*),
    absl::StatusOr<Response> (*read)(const RunStore&)) {
  if (!target.coordinator.empty()) {
    return AskCoordinator(target.coordinator, target.timeout, call, Request());
  }
  auto store = OpenRunStore(target);
  if (!store.ok()) return store.status();
  return read(*store);
}

// The proto's JSON mapping with every field, as one indented object.
absl::StatusOr<std::string> MessageJson(const google::protobuf::Message& message);

// Prints the message as JSON and returns the exit code.
int PrintJson(const google::protobuf::Message& message);

}  // namespace shoal
