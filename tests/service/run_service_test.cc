#include "coordinator/service/run_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "tests/service/peers.h"
#include "tests/service/run_server.h"

namespace shoal {
namespace {

using grpc::StatusCode;

constexpr char kWatch[] = "/shoal.v1.RunService/WatchRun";
constexpr char kReflection[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

TEST(RunService, WatchersBeyondTheLimitAreRefusedAndStatusAnswers) {
  RunServiceOptions options;
  options.watchers = 4;
  RunServer server({}, options);
  const GoodLearner learner(server.address());
  std::vector<std::unique_ptr<RawCall>> watchers;
  for (int i = 0; i < 4; ++i) {
    watchers.push_back(std::make_unique<RawCall>(server.address(), kWatch));
    ASSERT_TRUE(watchers.back()->Send(""));
    ASSERT_TRUE(watchers.back()->Receive<v1::WatchRunResponse>());
  }
  RawCall more(server.address(), kWatch);
  more.Send("");
  EXPECT_EQ(more.Finish().error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(server.Refused("too_many", 1));
  EXPECT_TRUE(Serves(server));
  // Those that leave make room.
  watchers.clear();
  EXPECT_TRUE(Eventually([&] {
    RawCall next(server.address(), kWatch);
    return next.Send("") && next.Receive<v1::WatchRunResponse>().has_value();
  }));
}

TEST(RunService, AHostThatAsksTooOftenIsRefusedAndOthersAreNot) {
  RunServiceOptions options;
  options.calls_burst = 3;
  options.calls_per_second = 0;
  options.watchers_per_host = 1;
  RunServer server({}, options);
  const auto stub = v1::RunService::NewStub(ConnectChannel(server.address()).value());
  const auto ask = [&] {
    v1::GetStatusResponse response;
    return stub->GetStatus(MakeContext(absl::Seconds(60), true).get(), {}, &response).error_code();
  };
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask(), StatusCode::OK);
  EXPECT_EQ(ask(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(server.Refused("too_fast", 1));
  RawCall watcher(server.address(), kWatch);
  ASSERT_TRUE(watcher.Send(""));
  ASSERT_TRUE(watcher.Receive<v1::WatchRunResponse>());
  RawCall second(server.address(), kWatch);
  second.Send("");
  EXPECT_EQ(second.Finish().error_code(), StatusCode::RESOURCE_EXHAUSTED);
  // An order is not the same call as a question.
  v1::StopRunResponse stopped;
  EXPECT_TRUE(stub->StopRun(MakeContext(absl::Seconds(60), true).get(), {}, &stopped).ok());
}

TEST(RunService, AWatcherThatDoesNotReadIsCutOff) {
  RunServiceOptions options;
  options.watchers = 1;
  options.patience = absl::Seconds(1);
  RunServer server({}, options);
  const GoodLearner learner(server.address());
  v1::WatchRunRequest often;
  often.mutable_interval()->set_nanos(50'000'000);
  // Names make the status large, so that the network is soon full.
  std::vector<std::unique_ptr<RawCall>> workers;
  for (int i = 0; i < 200; ++i) {
    workers.push_back(std::make_unique<RawCall>(server.address(), kWork));
    ASSERT_TRUE(workers.back()->SendMessage(WorkerHello(std::string(256, 'n'))));
  }
  ASSERT_TRUE(Eventually([&] { return server.Actors() == 200; }));
  RawCall deaf(server.address(), kWatch);
  ASSERT_TRUE(deaf.SendMessage(often));
  EXPECT_TRUE(server.Refused("idle", 1));
  EXPECT_TRUE(Eventually([&] {
    RawCall next(server.address(), kWatch);
    return next.Send("") && next.Receive<v1::WatchRunResponse>().has_value();
  }));
}

// Every server answers reflection, and a stream of it holds a thread.
TEST(RunService, ReflectionStreamsDoNotTakeAllThreads) {
  ServerOptions options;
  options.max_threads = 32;
  RunServer server({}, {}, options);
  const GoodLearner learner(server.address());
  std::vector<std::unique_ptr<RawCall>> idle;
  for (int i = 0; i < 64; ++i) {
    idle.push_back(std::make_unique<RawCall>(server.address(), kReflection));
    idle.back()->Send("");
  }
  EXPECT_TRUE(Serves(server));
}

}  // namespace
}  // namespace shoal
