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
