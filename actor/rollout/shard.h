// A shard of environments played for one rollout.
#pragma once

#include <cstdint>
#include <vector>

#include "actor/policy/backend.h"
#include "actor/rollout/environment.h"
#include "actor/rollout/row_collector.h"
#include "actor/rollout/settings.h"
#include "actor/world/world.h"
#include "common/rng.h"
#include "shoal/v1/items.pb.h"

namespace shoal {

// Plays n_steps of every environment, all of them together: one inference call a step for all fish
// that act. Episodes begin lazily, so that none begins after the last step.
//
// Every random number is named by (seed, purpose, environment, episode, step of the episode, fish),
// hence an environment's course depends neither on the others of its shard nor on where rollouts
// are cut. Borrows everything it is given, for its lifetime. Not thread safe.
class Shard {
 public:
  // environments[i] is environment i of `world`, restored or waiting for its first episode.
  Shard(const RolloutSettings& settings, const v1::IterationPlan& plan, PolicyBackend* backend,
        World* world, std::vector<Environment>* environments, RowCollector* collector);

  // Once.
  void Run();

  // Living fish that acted, summed over steps.
  int64_t fish_steps() const { return fish_steps_; }

 private:
  // The stages of one step.
  void BeginEpisode(int env);
  void Observe();
  void ObserveEnvironment(int env);
  void Decide();
  void CollectRows(int env);
  void Conclude(int env);

  // Parts of Conclude.
  v1::EpisodeRecord::End EndOfStep(int env) const;
  void UpdateRecord(int env, double mean_reward);
  void FinishFishRows(int env, bool cut);
  void FinishBroadcastRow(int env, double mean_reward, v1::EpisodeRecord::End end, bool cut);

  // Whether every living fish's trajectory teaches.
  bool all_teach() const {
    return settings_.mode == TrainingMode::kPerFish && settings_.tracked_fish == 0;
  }

  const RolloutSettings& settings_;
  const v1::IterationPlan& plan_;
  PolicyBackend& backend_;
  World& world_;
  std::vector<Environment>& environments_;
  RowCollector& collector_;
  const KeyedRandom scene_random_;
  const KeyedRandom action_random_;
  const KeyedRandom tracked_random_;
  const KeyedRandom limit_random_;

  int step_ = 0;  // of the rollout
  int64_t fish_steps_ = 0;

  // The fish that are looked through in the current step, one row each, by environment:
  // first_row_[env] .. first_row_[env + 1].
  std::vector<int32_t> first_row_;
  std::vector<int32_t> row_fish_;
  std::vector<float> observations_;
  std::vector<float> logits_;
  std::vector<float> uniforms_;
  std::vector<uint8_t> row_actions_;
  std::vector<float> row_log_probs_;
  // [environments, stride]: what every fish does, and the row of a fish that is looked through.
  std::vector<uint8_t> actions_;
  std::vector<int32_t> row_of_fish_;
  // Where in the collector each environment's rows of the step begin, and their end.
  std::vector<int32_t> first_collected_;

  // Scratch for one environment, over fish.
  std::vector<float> rewards_;
  std::vector<int32_t> cut_fish_;
};

}  // namespace shoal
