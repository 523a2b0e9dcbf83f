// Peers of a coordinator: what they say, and well-behaved ones.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "shoal/v1/learner.grpc.pb.h"
#include "shoal/v1/run.grpc.pb.h"
#include "shoal/v1/worker.grpc.pb.h"
#include "tests/run/fakes.h"
#include "tests/service/raw_call.h"
#include "tests/service/run_server.h"

namespace shoal {

inline constexpr char kWork[] = "/shoal.v1.WorkerService/Work";
inline constexpr char kLearn[] = "/shoal.v1.LearnerService/Learn";

inline v1::WorkRequest WorkerHello(const std::string& name = "worker") {
  v1::WorkRequest request;
  v1::WorkerHello* hello = request.mutable_hello();
  hello->set_name(name);
  hello->set_build("build");
  hello->set_cpu("cpu");
  hello->set_kernel_id("kernel");
  hello->set_protocol(v1::PROTOCOL_CURRENT);
  return request;
}

inline v1::LearnRequest LearnerHello() {
  v1::LearnRequest request;
  v1::LearnerHello* hello = request.mutable_hello();
  hello->set_build("build");
  hello->set_cpu("cpu");
  hello->set_device("none");
  hello->set_address("unix:/nowhere");
  hello->set_session("session");
  hello->set_protocol(v1::PROTOCOL_CURRENT);
  return request;
}

inline v1::WorkRequest Beat(uint64_t sequence) {
  v1::WorkRequest request;
  request.mutable_heartbeat()->set_sequence(sequence);
  return request;
}

inline v1::WorkRequest ResultOf(const v1::Lease& lease) {
  v1::WorkRequest request;
  v1::WorkResult* result = request.mutable_result();
  result->set_fencing(lease.fencing());
  result->set_rollout(FakeRecord(lease.rollout()).SerializeAsString());
  result->set_learner_session("session");
  return request;
}

// A learner that is ready and learns nothing, for as long as it lives.
class GoodLearner {
 public:
  explicit GoodLearner(const std::string& address) : call_(address, kLearn) {
    EXPECT_TRUE(call_.SendMessage(LearnerHello()));
    const auto welcome = call_.Receive<v1::LearnResponse>();
    EXPECT_TRUE(welcome && welcome->has_welcome());
    v1::LearnRequest ready;
    ready.mutable_ready()->set_policy_sha256(FakePolicy(0));
    EXPECT_TRUE(call_.SendMessage(ready));
  }

 private:
  RawCall call_;
};

// Status and health come, an actor is welcomed, gets a lease and has its result taken: the server
// serves. Needs a learner that is ready.
inline testing::AssertionResult Serves(const RunServer& server) {
  RawCall status(server.address(), "/shoal.v1.RunService/GetStatus");
  if (!status.Send("") || !status.Receive<v1::GetStatusResponse>()) {
    return testing::AssertionFailure() << "no status";
  }
  RawCall worker(server.address(), kWork);
  if (!worker.SendMessage(WorkerHello("honest"))) {
    return testing::AssertionFailure() << "no hello could be sent";
  }
  std::optional<v1::WorkResponse> response = worker.Receive<v1::WorkResponse>();
  if (!response || !response->has_welcome()) return testing::AssertionFailure() << "no welcome";
  response = worker.Receive<v1::WorkResponse>();
  if (!response || !response->has_lease()) return testing::AssertionFailure() << "no lease";
  const int done = server.Status().shards_done();
  if (!worker.SendMessage(ResultOf(response->lease())) ||
      !Eventually([&] { return server.Status().shards_done() != done; })) {
    return testing::AssertionFailure() << "the result is not taken";
  }
  return testing::AssertionSuccess();
}

}  // namespace shoal
