// One learner and one actor that see many coordinators.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/common/temporary_directory.h"
#include "tests/processes/program_set.h"
#include "tests/soak/figures.h"

namespace shoal {
namespace {

constexpr int kWarmUp = 10;

v1::RunOptions LongRun() {
  v1::RunOptions options;
  options.set_curriculum("6:1000000");
  options.set_num_envs(4);
  options.set_envs_per_shard(2);
  options.set_n_steps(32);
  options.set_policy_hidden_sizes("4");
  options.set_batch_size(64);
  // Learner and actor are to see evaluations of old versions as well.
  options.set_multi_eval_interval(3);
  options.set_multi_eval_probe_episodes(1);
  options.set_eval_multi_fish(6);
  options.set_policy_lag(1);
  options.set_seed(3);
  return options;
}

TEST(Soak, OneLearnerAndOneActorAndManyCoordinators) {
  const TemporaryDirectory place;
  ProgramSet::Options options;
  options.run_dir = MakeRun(place.path(), "long", LongRun());
  const auto ports = ServeMetrics({"learner", "actor"}, options);
  ProgramSet set(options);
  set.Start("learner");
  set.Start("actor");
  const Watched the_learner{set.Pid("learner"), ports.at("learner")};
  const Watched the_actor{set.Pid("actor"), ports.at("actor")};
  int64_t committed = 0;
  // A coordinator comes, commits, and is killed with a lease and an update on their way.
  const auto cycle = [&] {
    set.Start("coordinator");
    ASSERT_TRUE(set.AwaitCommitted(committed + 2));
    committed = set.Status()->committed_iteration();
    set.Kill("coordinator");
    ASSERT_TRUE(set.Runs("learner") && set.Runs("actor"));
  };

  for (int i = 0; i < kWarmUp && !testing::Test::HasFailure(); ++i) cycle();
  const int cycles = SoakCycles(25);
  SoakLine learner{"learner", cycles, FiguresAtRest(the_learner), {}, {}};
  SoakLine actor{"actor", cycles, FiguresAtRest(the_actor), {}, {}};
  const int64_t warm_committed = committed;
  for (int i = 0; i < cycles && !testing::Test::HasFailure(); ++i) {
    cycle();
    learner.Sample(i + 1, the_learner);
    actor.Sample(i + 1, the_actor);
  }
  learner.end = AwaitFiguresDownTo(learner.warm, the_learner);
  actor.end = AwaitFiguresDownTo(actor.warm, the_actor);
  PrintTable({learner, actor});
  std::printf("iterations %d\n", static_cast<int>(committed - warm_committed));
  // A stream with its connection costs some 20 KiB (coordinator_soak_test prints it), a policy of
  // this run with its backend more than 2.
  ExpectFlat(learner, 0.5);
  ExpectFlat(actor, 0.5);
  // Dismissed, both leave by themselves. One that is not there is not dismissed, and what the killed
  // coordinator committed last says nothing about who has come to this one.
  set.Start("coordinator");
  ASSERT_TRUE(set.Await("both have come", [](const v1::RunStatus& status) {
    return status.learner_connected() &&
           std::any_of(status.workers().begin(), status.workers().end(),
                       [](const auto& worker) { return worker.connected(); });
  }));
  set.End("coordinator");
  EXPECT_TRUE(set.AwaitEnd());
}

}  // namespace
}  // namespace shoal
