// Whole runs one after another within one process: coordinator, learner and actor are made, do a
// run, and are gone.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "actor/actor_loop.h"
#include "common/logging.h"
#include "common/rpc.h"
#include "coordinator/run/run_loop.h"
#include "coordinator/service/peer_services.h"
#include "coordinator/service/run_host.h"
#include "coordinator/service/run_service.h"
#include "learner/learner_loop.h"
#include "tests/common/temporary_directory.h"
#include "tests/fake_learner/fake_trainer.h"
#include "tests/processes/program_set.h"
#include "tests/soak/figures.h"

namespace shoal {
namespace {

constexpr int kWarmUp = 20;
constexpr absl::Duration kPatience = absl::Seconds(120);

v1::RunOptions ShortRun(const std::string& folder) {
  v1::RunOptions options = SmallRun(folder, 3);
  options.set_num_envs(4);
  options.set_envs_per_shard(2);
  options.set_n_steps(12);
  options.set_multi_eval_interval(1);
  options.set_policy_lag(1);
  return options;
}

// As shoal-coordinator's main, with both peers in threads of this process.
void PlayRun(const std::string& run_dir, const std::string& socket) {
  RunLoopOptions run;
  run.run_dir = run_dir;
  auto loop = RunLoop::Open(run, absl::Now());
  ASSERT_TRUE(loop.ok()) << loop.status();
  RunHost host(*std::move(loop));
  WorkerServiceImpl workers(&host);
  LearnerServiceImpl learners(&host);
  RunServiceImpl runs(&host);
  ServerOptions server_options;
  server_options.listen = "unix:" + socket;
  auto server = StartServer(server_options, {&workers, &learners, &runs});
  ASSERT_TRUE(server.ok()) << server.status();

  LearnerOptions learner_options;
  learner_options.coordinator = (*server)->address();
  learner_options.run_dir = run_dir;
  learner_options.server.listen = absl::StrCat("unix:", socket, ".learner");
  auto learner = LearnerLoop::Create(learner_options, CreateFakeTrainer);
  ASSERT_TRUE(learner.ok()) << learner.status();
  ActorOptions actor_options;
  actor_options.coordinator = (*server)->address();
  actor_options.name = "actor";
  auto actor = ActorLoop::Create(actor_options);
  ASSERT_TRUE(actor.ok()) << actor.status();
  std::thread learner_thread([&] { EXPECT_TRUE((*learner)->Run().ok()); });
  std::thread actor_thread([&] { EXPECT_TRUE((*actor)->Run().ok()); });

  EXPECT_TRUE(host.WaitUntilOver(absl::Now() + kPatience));
  EXPECT_FALSE(host.failed()) << host.Status().message();
  // The dismissal sends both away.
  learner_thread.join();
  actor_thread.join();
  EXPECT_TRUE((*learner)->Drain(kPatience));
  (*server)->Drain(absl::Now() + kPatience);
}

TEST(Soak, ManyRunsInOneProcess) {
  const TemporaryDirectory place;
  LogOptions log;
  log.component = "soak";
  log.file = place / "log";
  log.level = LogLevel::kWarning;
  ASSERT_TRUE(SetUpLogging(log).ok());
  std::string outcome;
  const auto cycle = [&](int number) {
    const std::string name = absl::StrCat("run-", number);
    const std::string run_dir = MakeRun(place.path(), name, ShortRun(place.path()));
    PlayRun(run_dir, place / "s");
    const auto said = Outcome(run_dir);
    ASSERT_TRUE(said.ok()) << said.status();
    // And always the same.
    if (outcome.empty()) outcome = *said;
    EXPECT_EQ(*said, outcome);
    std::filesystem::remove_all(run_dir);
  };

  for (int i = 0; i < kWarmUp && !testing::Test::HasFailure(); ++i) cycle(i);
  SoakLine line{"all in one", SoakCycles(60), FiguresAtRest(ThisProcess()), {}, {}};
  for (int i = 0; i < line.cycles && !testing::Test::HasFailure(); ++i) {
    cycle(kWarmUp + i);
    line.Sample(i + 1, ThisProcess());
  }
  line.end = AwaitFiguresDownTo(line.warm, ThisProcess());
  PrintTable({line});
  // A run holds some hundred KiB (SQLite's pages, streams, policies, rows). What is left of each must
  // be less than half of the smallest of these things, a stream of 1 KiB.
  ExpectFlat(line, 0.5);
}

}  // namespace
}  // namespace shoal
