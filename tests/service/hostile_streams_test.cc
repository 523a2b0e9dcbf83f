// Peers that know the protocol and do not keep to it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <vector>

#include "tests/service/peers.h"
#include "tests/service/run_server.h"

namespace shoal {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;

std::optional<v1::WorkResponse> Arrive(RawCall& worker, const std::string& name = "hostile") {
  if (!worker.SendMessage(WorkerHello(name))) return std::nullopt;
  return worker.Receive<v1::WorkResponse>();
}

// What a stream that sends these bytes is told.
grpc::Status Told(const RunServer& server, const char* method,
                  const std::vector<std::string>& messages) {
  RawCall call(server.address(), method);
  for (const std::string& message : messages) {
    if (!call.Send(message)) break;
  }
  return call.Finish();
}

std::string Bytes(const google::protobuf::MessageLite& message) {
  return message.SerializeAsString();
}

// Short for a test, and long enough for the hello of an honest peer on a slow machine.
constexpr absl::Duration kHelloLimit = absl::Seconds(2);

TEST(HostileStreams, AStreamWithoutAHelloIsClosed) {
  PeerLimits limits;
  limits.hello = kHelloLimit;
  RunServer server(limits);
  const GoodLearner learner(server.address());
  RawCall work(server.address(), kWork), learn(server.address(), kLearn);
  for (RawCall* call : {&work, &learn}) {
    const grpc::Status status = call->Finish();
    EXPECT_EQ(status.error_code(), StatusCode::DEADLINE_EXCEEDED);
    EXPECT_EQ(status.error_message(), "no hello within 2s");
  }
  EXPECT_TRUE(server.Refused("no_hello", 2));
  EXPECT_TRUE(Serves(server));
}

TEST(HostileStreams, AStreamWithAHelloMayLast) {
  PeerLimits limits;
  limits.hello = kHelloLimit;
  RunServer server(limits);
  const GoodLearner learner(server.address());
  RawCall worker(server.address(), kWork);
  ASSERT_TRUE(Arrive(worker));
  // Another that began later comes too late meanwhile.
  EXPECT_EQ(Told(server, kWork, {}).error_code(), StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(server.Refused("no_hello", 1));
  EXPECT_TRUE(worker.SendMessage(Beat(7)));
  std::optional<v1::WorkResponse> response;
  while ((response = worker.Receive<v1::WorkResponse>()) && !response->has_heartbeat()) continue;
  ASSERT_TRUE(response);
  EXPECT_EQ(response->heartbeat().sequence(), 7u);
}

TEST(HostileStreams, MessagesOutOfOrderAreRefused) {
  RunServer server;
  const GoodLearner learner(server.address());
  const std::string hello = Bytes(WorkerHello());
  v1::WorkRequest result;
  result.mutable_result()->set_fencing(1);
  const struct {
    const char* method;
    std::vector<std::string> messages;
    const char* says;
  } cases[] = {
      {kWork, {Bytes(result)}, "a worker opens with its hello"},
      {kWork, {Bytes(Beat(1))}, "a worker opens with its hello"},
      {kWork, {""}, "a worker opens with its hello"},
      {kWork, {hello, hello}, "a worker says hello once"},
      {kWork, {hello, ""}, "a message of no kind that this coordinator knows"},
      // Field 99, of a later protocol.
      {kWork, {hello, "\x9a\x06\x01x"}, "a message of no kind that this coordinator knows"},
      {kWork, {"\xff\xff\xff"}, "a message that cannot be read"},
      {kWork, {hello, "\xff\xff\xff"}, "a message that cannot be read"},
      {kLearn, {""}, "a learner opens with its hello"},
      {kLearn, {"\x0a\x05\x0a\xff"}, "a message that cannot be read"},
      {kLearn, {Bytes(LearnerHello())}, "the run has a learner at unix:/nowhere"},
  };
  for (const auto& [method, messages, says] : cases) {
    EXPECT_THAT(Told(server, method, messages).error_message(), HasSubstr(says));
    EXPECT_TRUE(Eventually([&] { return server.Lines({"stream refused", says}) > 0; })) << says;
  }
  EXPECT_TRUE(Serves(server));
  server.Close();
  EXPECT_EQ(server.Lines({"stream refused"}) + server.Lines({"more streams refused"}), 11);
}

TEST(HostileStreams, HellosThatPeopleShouldNotSeeAreRefused) {
  RunServer server;
  const GoodLearner learner(server.address());
  for (const std::string& name :
       {std::string("\x1b[2Jx"), std::string("a\nb"), std::string(257, 'x'), std::string("\xe2\x80\xae")}) {
    const grpc::Status status = Told(server, kWork, {Bytes(WorkerHello(name))});
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr("name "));
  }
  EXPECT_TRUE(server.Refused("bad_hello", 4));
  EXPECT_THAT(server.Log(), testing::Not(HasSubstr("\x1b")));
  EXPECT_TRUE(Serves(server));
}

TEST(HostileStreams, FailuresAreLoggedWithoutTheirControlCharacters) {
  RunServer server;
  const GoodLearner learner(server.address());
  RawCall worker(server.address(), kWork);
  ASSERT_TRUE(Arrive(worker));
  const auto lease = worker.Receive<v1::WorkResponse>();
  ASSERT_TRUE(lease && lease->has_lease());
  v1::WorkRequest failure;
  failure.mutable_failure()->set_fencing(lease->lease().fencing());
  failure.mutable_failure()->set_code(static_cast<int>(absl::StatusCode::kUnavailable));
  failure.mutable_failure()->set_message("\x1b[2J\nforged");
  ASSERT_TRUE(worker.SendMessage(failure));
  EXPECT_TRUE(Eventually([&] { return server.Lines({"item failed", "033[2J"}) == 1; }));
  EXPECT_THAT(server.Log(), testing::Not(HasSubstr("\x1b")));
  EXPECT_TRUE(Serves(server));
}

TEST(HostileStreams, LargeMessagesAreRefusedUnread) {
  RunServer server;
  const size_t most = PeerLimits().message_bytes;
  // Without a learner there are no leases, so nothing large can be meant.
  const std::string large(most + 1, '\0');
  EXPECT_EQ(Told(server, kWork, {large}).error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(Told(server, kWork, {Bytes(WorkerHello()), large}).error_code(),
            StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(Told(server, kLearn, {large}).error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(server.Refused("too_large", 3));
  const GoodLearner learner(server.address());
  RawCall worker(server.address(), kWork);
  ASSERT_TRUE(Arrive(worker));
  const auto lease = worker.Receive<v1::WorkResponse>();
  ASSERT_TRUE(lease && lease->has_lease());
  // What the lease may need passes this limit (and is no record); more does not.
  const std::string huge(16 << 20, '\0');
  worker.Send(huge);
  EXPECT_EQ(worker.Finish().error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(server.Refused("too_large", 4));
  EXPECT_TRUE(Serves(server));
}

TEST(HostileStreams, AFloodOfHeartbeatsEndsTheStream) {
  RunServer server;
  const GoodLearner learner(server.address());
  RawCall worker(server.address(), kWork);
  ASSERT_TRUE(Arrive(worker));
  uint64_t sent = 0;
  while (sent < 100000 && worker.SendMessage(Beat(sent))) ++sent;
  EXPECT_LT(sent, 100000u);
  const grpc::Status status = worker.Finish();
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(status.error_message(), "more messages than heartbeats need");
  EXPECT_TRUE(server.Refused("too_fast", 1));
  EXPECT_TRUE(Serves(server));
}

TEST(HostileStreams, AnswersWithoutALeaseAreRefusedAndTheRunGoesOn) {
  RunServer server;
  const GoodLearner learner(server.address());
  RawCall honest(server.address(), kWork);
  ASSERT_TRUE(Arrive(honest, "honest"));
  const auto lease = honest.Receive<v1::WorkResponse>();
  ASSERT_TRUE(lease && lease->has_lease());
  {
    // Another one's lease, with a record that would have ended the run.
    v1::WorkRequest stolen;
    stolen.mutable_result()->set_fencing(lease->lease().fencing());
    stolen.mutable_result()->set_evaluation("\xff");
    EXPECT_EQ(Told(server, kWork, {Bytes(WorkerHello()), Bytes(stolen)}).error_code(),
              StatusCode::INVALID_ARGUMENT);
    EXPECT_TRUE(server.Refused("bad_answer", 1));
  }
  {
    RawCall garbage(server.address(), kWork);
    ASSERT_TRUE(Arrive(garbage));
    const auto own = garbage.Receive<v1::WorkResponse>();
    ASSERT_TRUE(own && own->has_lease());
    v1::WorkRequest result;
    result.mutable_result()->set_fencing(own->lease().fencing());
    result.mutable_result()->set_rollout("\xff\xff");
    garbage.SendMessage(result);
    EXPECT_THAT(garbage.Finish().error_message(), HasSubstr("cannot be read"));
    EXPECT_TRUE(server.Refused("bad_answer", 2));
  }
  // The same answer twice: the first counts.
  ASSERT_TRUE(honest.SendMessage(ResultOf(lease->lease())));
  honest.SendMessage(ResultOf(lease->lease()));
  EXPECT_THAT(honest.Finish().error_message(), HasSubstr("is answered already"));
  EXPECT_TRUE(server.Refused("bad_answer", 3));
  EXPECT_EQ(server.Status().shards_done(), 1);
  EXPECT_NE(server.Status().state(), v1::RunStatus::STATE_FAILED);
  EXPECT_TRUE(Serves(server));
}

TEST(HostileStreams, ALearnerIsReadyOnce) {
  RunServer server;
  RawCall learner(server.address(), kLearn);
  ASSERT_TRUE(learner.SendMessage(LearnerHello()));
  v1::LearnRequest ready;
  ready.mutable_ready()->set_policy_sha256(FakePolicy(0));
  ASSERT_TRUE(learner.SendMessage(ready));
  learner.SendMessage(ready);
  EXPECT_EQ(learner.Finish().error_message(), "a learner answers a welcome once");
  EXPECT_TRUE(Eventually([&] { return !server.Status().learner_connected(); }));
  const GoodLearner next(server.address());
  EXPECT_TRUE(Serves(server));
}

TEST(HostileStreams, StreamsAreCounted) {
  PeerLimits limits;
  limits.workers = 3;
  RunServer server(limits);
  const GoodLearner learner(server.address());
  std::vector<std::unique_ptr<RawCall>> workers;
  for (int i = 0; i < 3; ++i) {
    workers.push_back(std::make_unique<RawCall>(server.address(), kWork));
    ASSERT_TRUE(Arrive(*workers.back()));
  }
  EXPECT_EQ(Told(server, kWork, {}).error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(server.Refused("too_many", 1));
  workers.clear();
  EXPECT_TRUE(Eventually([&] { return server.Actors() == 0; }));
  EXPECT_TRUE(Serves(server));
}

TEST(HostileStreams, APeerThatDoesNotReadIsCutOff) {
  PeerLimits limits;
  // Within its budget, so that only not reading is wrong.
  limits.burst = 1e9;
  limits.close = absl::Milliseconds(50);
  RunServer server(limits);
  const GoodLearner learner(server.address());
  RawCall worker(server.address(), kWork);
  ASSERT_TRUE(worker.SendMessage(WorkerHello()));
  // Every heartbeat is answered. The network takes some 64 KiB of answers.
  uint64_t sent = 0;
  while (sent < 1000000 && worker.SendMessage(Beat(~uint64_t{0} - sent))) ++sent;
  EXPECT_LT(sent, 1000000u);
  EXPECT_TRUE(server.Refused("not_reading", 1));
  EXPECT_TRUE(Eventually([&] { return server.Actors() == 0; }));
  EXPECT_TRUE(Serves(server));
}

TEST(HostileStreams, AFloodOfBadStreamsIsAFewLines) {
  constexpr int kStreams = 400;
  RunServer server;
  auto learner = std::make_unique<GoodLearner>(server.address());
  const auto channel = ConnectChannel(server.address()).value();
  for (int i = 0; i < kStreams; ++i) {
    RawCall call(channel, kWork);
    call.Send(i % 4 == 0 ? "\xff" : "");
    EXPECT_EQ(call.Finish().error_code(), StatusCode::INVALID_ARGUMENT);
  }
  EXPECT_TRUE(Serves(server));
  learner.reset();
  server.Close();
  // Ten at once and one a second; this takes a second or so, on a slow machine some more.
  EXPECT_GE(server.Lines({"stream refused"}), 10);
  EXPECT_LT(server.Lines({"stream refused"}), kStreams / 4);
  EXPECT_GE(server.Lines({"more streams refused", "malformed:", "no_hello:"}), 1);
}

// Bytes of good messages with some changed, in any order: nothing but refusals may come of it.
TEST(HostileStreams, RandomStreamsHarmNobody) {
  constexpr int kStreams = 300;
  RunServer server;
  const GoodLearner learner(server.address());
  const auto channel = ConnectChannel(server.address()).value();
  std::mt19937 random(20240501);
  const auto below = [&](size_t end) { return std::uniform_int_distribution<size_t>(0, end - 1)(random); };
  v1::WorkRequest result, failure;
  result.mutable_result()->set_fencing(12345);
  result.mutable_result()->set_rollout("record");
  failure.mutable_failure()->set_code(3);
  v1::LearnRequest done, failed;
  done.mutable_update_done()->set_iteration(1);
  failed.mutable_update_failed()->add_missing_shards(-5);
  const std::vector<std::string> seeds = {
      Bytes(WorkerHello()), Bytes(Beat(1)), Bytes(result), Bytes(failure),
      Bytes(LearnerHello()), Bytes(done), Bytes(failed), ""};
  for (int i = 0; i < kStreams; ++i) {
    SCOPED_TRACE(i);
    RawCall call(channel, below(4) == 0 ? kLearn : kWork);
    if (below(2) == 0) call.Send(seeds[0]);
    const size_t messages = 1 + below(6);
    for (size_t m = 0; m < messages; ++m) {
      std::string bytes = seeds[below(seeds.size())];
      for (size_t flips = below(4); flips > 0 && !bytes.empty(); --flips) {
        bytes[below(bytes.size())] = static_cast<char>(below(256));
      }
      if (below(8) == 0) bytes.resize(below(bytes.size() + 1));
      if (!call.Send(bytes)) break;
    }
    switch (below(3)) {
      case 0:
        call.HalfClose();
        call.Finish();
        break;
      case 1:
        call.Cancel();
        break;
      default:
        break;  // The destructor cancels.
    }
  }
  EXPECT_NE(server.Status().state(), v1::RunStatus::STATE_FAILED) << server.Status().message();
  EXPECT_TRUE(Eventually([&] { return server.Actors() == 0; }));
  EXPECT_TRUE(Serves(server));
}

}  // namespace
}  // namespace shoal
