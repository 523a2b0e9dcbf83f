#include "tests/fuzz/small_run.h"

#include <utility>

#include "coordinator/schedule/options.h"
#include "tests/fuzz/fuzzing.h"
#include "tests/policy/random_policy.h"

namespace shoal::fuzzing {

v1::RunOptions SmallOptions(uint8_t choice) {
  v1::RunOptions options;
  options.set_curriculum("4:2,6:2");
  options.set_num_envs(kShards * kEnvsPerShard);
  options.set_envs_per_shard(kEnvsPerShard);
  options.set_n_steps(6);
  options.set_episode_limit(40);
  options.set_reward("survival");
  const char* modes[] = {"per_fish", "per_fish", "focal", "broadcast"};
  options.set_training_mode(modes[choice & 3]);
  options.set_train_fish_per_env((choice & 3) == 0 ? 0 : (choice & 3) == 1 ? 2 : 1);
  options.set_include_neighbor_features((choice & 4) != 0);
  options.set_row_filter((choice & 8) != 0 ? "quiet" : "none");
  options.set_tail_seed_stage_spec("2:mix.json");
  options.set_tail_inject("every_rollout");
  options.set_tail_on_exhausted((choice & 16) != 0 ? "loop_stage" : "stop");
  options.set_adaptive_boost_window(2);
  options.set_adaptive_boost_min_iteration(2);
  RequireOk(ResolveOptions(options), "the small run's options");
  return options;
}

std::unique_ptr<Planner> SmallPlanner(const v1::RunOptions& options) {
  const std::vector<Velocity> velocities = {{1, 0.5}, {-0.25, 1}, {0, -1.5}};
  auto planner = Planner::Create(
      options, {TailStage{2, "mix.json", std::make_shared<std::vector<Velocity>>(velocities)}});
  RequireOk(planner.status(), "the small run's planner");
  return *std::move(planner);
}

std::unique_ptr<PolicyBackend> SmallPolicy(const v1::RunOptions& options) {
  auto backend = CreateFusedBackend(
      RandomPolicy({4}, options.include_neighbor_features(), Activation::kTanh, 3));
  RequireOk(backend.status(), "the small run's policy");
  return *std::move(backend);
}

v1::RolloutItem SmallItem(const PlannedIteration& planned, int shard, const std::string& state) {
  v1::RolloutItem item;
  *item.mutable_plan() = planned.plan;
  item.set_shard(shard);
  item.set_first_environment(shard * kEnvsPerShard);
  item.set_policy_sha256("policy");
  item.set_state(state);
  for (int i = 0; i < kEnvsPerShard; ++i) {
    *item.add_environments() = planned.environments[shard * kEnvsPerShard + i];
  }
  return item;
}

}  // namespace shoal::fuzzing
