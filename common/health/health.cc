#include "common/health/health.h"

#include <grpcpp/channel.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/rpc.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace shoal {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

absl::Status NotServing(const std::string& address) {
  return absl::FailedPreconditionError(absl::StrCat("the server at ", address, " does not serve"));
}

// Asks once, for the whole server.
absl::Status Check(Health::Stub& stub, const HealthOptions& options, absl::Time deadline) {
  HealthCheckResponse response;
  const absl::Status status = FromGrpc(
      stub.Check(MakeContext(deadline).get(), HealthCheckRequest(), &response));
  if (absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status)) {
    return absl::UnavailableError(absl::StrCat("the server at ", options.address,
                                               " does not answer (", status.message(), ")"));
  }
  if (!status.ok()) return status;
  return response.status() == HealthCheckResponse::SERVING ? absl::OkStatus()
                                                           : NotServing(options.address);
}

// Follows its answers until it serves.
absl::Status Wait(Health::Stub& stub, const HealthOptions& options, absl::Time deadline) {
  absl::Status last;
  while (true) {
    const auto context = MakeContext(deadline, /*wait_for_ready=*/true);
    const auto answers = stub.Watch(context.get(), HealthCheckRequest());
    HealthCheckResponse response;
    bool answered = false;
    while (answers->Read(&response)) {
      answered = true;
      if (response.status() == HealthCheckResponse::SERVING) {
        context->TryCancel();
        return absl::OkStatus();
      }
    }
    const absl::Status status = FromGrpc(answers->Finish());
    // One that goes away while it is asked may come back; the channel waits before it connects again.
    if (absl::Now() >= deadline) {
      return answered ? NotServing(options.address)
                      : absl::UnavailableError(absl::StrCat("the server at ", options.address,
                                                            " does not answer (", status.message(), ")"));
    }
    if (!absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status)) return status;
  }
}

}  // namespace

void AddHealthOptions(CLI::App& app, HealthOptions& options) {
  app.add_option("address", options.address, "where the server listens: unix:/path or host:port")
      ->required()
      ->type_name("ADDRESS");
  app.add_option("--server", options.server, "what its certificate must say it is: coordinator or learner")
      ->check(CLI::IsMember({"coordinator", "learner"}))
      ->capture_default_str();
  app.add_option("--timeout", options.timeout, "wait so long for an answer, seconds")
      ->check(CLI::Range(0.01, 3600.0))
      ->capture_default_str();
  app.add_flag("--wait", options.wait, "wait for a server that is not there yet, until the timeout");
}

absl::Status CheckHealth(const HealthOptions& options) {
  ChannelOptions with;
  with.server = options.server == "learner" ? Role::kLearner : Role::kCoordinator;
  auto channel = ConnectChannel(options.address, with);
  if (!channel.ok()) return channel.status();
  const auto stub = Health::NewStub(*channel);
  const absl::Time deadline = absl::Now() + absl::Seconds(options.timeout);
  return options.wait ? Wait(*stub, options, deadline) : Check(*stub, options, deadline);
}

}  // namespace shoal
