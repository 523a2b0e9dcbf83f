// Speed of the simulation on one thread; items are fish-steps.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

#include "actor/world/rules.h"
#include "actor/world/world.h"

namespace shoal {
namespace {

World FreshScenes(bool neighbors, int num_envs, int num_fish) {
  WorldOptions options;
  options.include_neighbor_features = neighbors;
  World world(options, num_envs, num_fish);
  for (int env = 0; env < num_envs; ++env) {
    world.Reset(env, {static_cast<uint64_t>(env), 0.8, {}});
  }
  return world;
}

// What a rollout does of each step: actions, step, observations of the living, rewards.
void BM_StepObserveReward(benchmark::State& state) {
  const int num_fish = static_cast<int>(state.range(0));
  const bool neighbors = state.range(1) != 0;
  const float penalty = state.range(2) != 0 ? 0.04f : 0.0f;
  constexpr int kEnvs = 8, kSteps = 100;
  World world = FreshScenes(neighbors, kEnvs, num_fish);
  std::vector<uint8_t> actions(static_cast<size_t>(kEnvs) * world.stride());
  for (size_t i = 0; i < actions.size(); ++i) actions[i] = i % 3 == 0 ? kTurnLeft : kHold;
  std::vector<float> rows(static_cast<size_t>(num_fish) * world.obs_dim());
  std::vector<float> rewards(world.stride());
  std::vector<int32_t> ids(num_fish);
  std::vector<EnvironmentState> starts;
  for (int env = 0; env < kEnvs; ++env) starts.push_back(world.Save(env));
  int64_t items = 0;
  for (auto _ : state) {
    for (int env = 0; env < kEnvs; ++env) {
      if (!world.Restore(env, starts[env]).ok()) state.SkipWithError("restore failed");
    }
    for (int step = 0; step < kSteps; ++step) {
      world.Step(actions.data());
      for (int env = 0; env < kEnvs; ++env) {
        items += world.ObserveLiving(env, rows.data(), ids.data());
        world.Rewards(env, RewardKind::kDeathOnly, penalty, rewards.data());
        benchmark::DoNotOptimize(rows.data());
        benchmark::DoNotOptimize(rewards.data());
        benchmark::ClobberMemory();
      }
    }
  }
  // Living fish only: what the dead cost is not worth counting.
  state.SetItemsProcessed(items);
  state.SetLabel(BestKernels().name);
}
BENCHMARK(BM_StepObserveReward)
    ->ArgNames({"fish", "neighbors", "penalty"})
    ->Args({22, 0, 0})
    ->Args({25, 1, 0})
    ->Args({22, 1, 0})
    ->Args({22, 1, 1})
    ->Args({96, 0, 0})
    ->Args({96, 1, 0})
    ->Args({96, 1, 1});

void BM_Step(benchmark::State& state) {
  const int num_fish = static_cast<int>(state.range(0));
  World world = FreshScenes(false, 8, num_fish);
  const std::vector<uint8_t> actions(static_cast<size_t>(8) * world.stride(), kTurnLeft);
  for (auto _ : state) world.Step(actions.data());
  state.SetItemsProcessed(state.iterations() * 8 * num_fish);
}
BENCHMARK(BM_Step)->ArgName("fish")->Arg(22)->Arg(96);

void BM_Reset(benchmark::State& state) {
  World world(WorldOptions(), 1, static_cast<int>(state.range(0)));
  uint64_t seed = 0;
  for (auto _ : state) benchmark::DoNotOptimize(world.Reset(0, {seed++, 0.8, {}}));
}
BENCHMARK(BM_Reset)->ArgName("fish")->Arg(22)->Arg(96);

void BM_FleeLead(benchmark::State& state) {
  World world = FreshScenes(false, 1, 96);
  std::vector<float> rows(96 * kBaseObservation);
  std::vector<int32_t> ids(96);
  std::vector<uint8_t> actions(96);
  const int count = world.ObserveLiving(0, rows.data(), ids.data());
  for (auto _ : state) {
    ChooseActions(Rule::kFleeLead, rows.data(), kBaseObservation, count, nullptr, actions.data());
    benchmark::DoNotOptimize(actions.data());
  }
  state.SetItemsProcessed(state.iterations() * count);
}
BENCHMARK(BM_FleeLead);

}  // namespace
}  // namespace shoal
