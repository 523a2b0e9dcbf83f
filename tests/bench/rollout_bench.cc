// Fish-steps a second through whole rollout items, on one thread: world, inference, values, rows.
#include <benchmark/benchmark.h>

#include <memory>
#include <utility>

#include "actor/rollout/rollout.h"
#include "tests/policy/random_policy.h"

namespace shoal {
namespace {

// Arguments: width of the two hidden layers, tracked fish (0: all), neighbour features.
void Rollout(benchmark::State& state) {
  const int width = static_cast<int>(state.range(0));
  const bool neighbors = state.range(2) != 0;
  v1::RunOptions options;
  options.set_n_steps(128);
  options.set_train_fish_per_env(state.range(1));
  options.set_include_neighbor_features(neighbors);
  options.set_reward("death_only");
  v1::RolloutItem item;
  item.mutable_plan()->set_iteration(1);
  item.mutable_plan()->set_num_fish(22);
  item.mutable_plan()->set_escape_boost_speed(0.8);
  // A filter that finds every row quiet unless the predator is visible.
  item.mutable_plan()->set_row_filter_active(state.range(1) == 0);
  item.mutable_plan()->set_advantage_std(1e6);
  for (int i = 0; i < 8; ++i) item.add_environments();
  absl::StatusOr<std::unique_ptr<PolicyBackend>> backend =
      CreateFusedBackend(RandomPolicy({width, width}, neighbors, Activation::kRelu, 1));
  int64_t fish_steps = 0;
  for (auto _ : state) {
    absl::StatusOr<RolloutResult> result = ComputeRollout(options, item, **backend);
    fish_steps += result->record.fish_steps();
    benchmark::DoNotOptimize(result);
  }
  state.SetItemsProcessed(fish_steps);
}
BENCHMARK(Rollout)
    ->Args({1, 0, 0})
    ->Args({64, 0, 0})
    ->Args({64, 1, 0})
    ->Args({64, 1, 1})
    ->Args({384, 1, 1})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace shoal
