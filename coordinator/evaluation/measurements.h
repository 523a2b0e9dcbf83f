// What is measured of every iteration: folded from the records of its shards, completed by the
// coordinator, and written as one JSON object whose names are those of the original's files.
//
// Everything here is pure and thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"
#include "shoal/v1/items.pb.h"
#include "shoal/v1/learner.pb.h"

namespace shoal {

// A training death at step one and the episode it happened in.
struct TrainingDeath {
  int32_t environment = 0;
  int64_t episode = 0;
  v1::StepOneDeath death;
};

// An optional is empty where nothing was there to be measured; in JSON it is null, in CSV an empty
// cell. Shares and ratios lie in 0..1, lengths and death steps are in steps.
struct IterationMeasurements {
  // --- Of the plan ---
  int64_t iteration = 0;
  int32_t phase = 0;
  int32_t num_fish = 0;
  int64_t policy_version = 0;
  double density_penalty_coef = 0;
  double entropy_coef = 0;
  double escape_boost_speed = 0;
  double learning_rate = 0;
  int32_t gate_phase_limit = 0;  // from 0

  // --- Of the episodes that ended in the iteration ---
  int64_t episodes_ended = 0;
  std::optional<double> survival_rate;     // mean of final_alive / num_fish
  std::optional<double> avg_reward;        // mean of reward_sum
  std::optional<double> episode_length;    // mean
  std::optional<double> avg_num_alive;     // mean of alive_sum / length
  std::optional<double> final_num_alive;   // mean of final_alive
  std::optional<double> first_death_step;  // mean over the episodes with a death
  std::optional<double> first_death_p10;   // over the same, linear interpolation
  int64_t first_death_sample_size = 0;     // episodes with a death
  // In (environment, episode, fish) order.
  std::vector<TrainingDeath> step_one_deaths;
  std::optional<double> step_one_top_share;  // of the largest cluster
  std::optional<double> step_one_ne_high_speed_share;

  // --- Of all environments ---
  // overrides / episodes begun; 0 where none began and slots are left, none where neither.
  std::optional<double> prewarm_override_ratio;
  int64_t prewarm_override_hits = 0;
  int64_t prewarm_override_episodes = 0;
  int64_t tail_forced_resets = 0;
  int64_t rows = 0;  // for the learner, after the row filter
  int64_t unfiltered_rows = 0;
  double advantage_sum = 0;
  double advantage_square_sum = 0;
  int64_t environment_steps = 0;
  int64_t fish_steps = 0;

  // --- Completed by the coordinator ---
  // Of the tail queue; empty where there is none.
  std::optional<int64_t> tail_stage_index;  // from 1
  std::optional<double> tail_stage_progress;
  std::optional<int64_t> tail_queue_remaining;
  std::optional<double> tail_queue_remaining_ratio;
  std::optional<double> tail_schedule_ratio;
  int64_t tail_refills = 0;
  // Of the update; empty where there was none (no rows).
  std::optional<v1::UpdateStats> update;
  int64_t policy_lag = 0;
  // Times, which no decision uses and no two runs share.
  double rows_per_second = 0;
  double rollout_seconds = 0;
  double update_seconds = 0;
  double evaluation_seconds = 0;
  double waiting_seconds = 0;
};

// Folds the records of all shards of an iteration, which come in shard order from 0: sums and lists
// run in (shard, environment, episode) order. `tail_slots_left`: when the iteration began, some
// environment had a slot of the tail queue left.
//
// kInvalidArgument names the shard and what is wrong: no records, a gap, another iteration or
// policy than its neighbours, an environment or episode out of order, counts that contradict each
// other or that no shard has, sums that are not finite or that no rows have.
absl::StatusOr<IterationMeasurements> FoldIteration(const v1::IterationPlan& plan,
                                                    std::span<const v1::RolloutRecord> records,
                                                    bool tail_slots_left);

// Mean and population standard deviation of the advantages of all rows before the filter; 0 where
// there are none. They make the next plan's thresholds.
struct AdvantageMoments {
  double mean = 0;
  double std = 0;
};
AdvantageMoments MomentsOfAdvantages(const IterationMeasurements& measurements);

// One flat object but for `step_one_clusters` (step_one.h), in a fixed order of names. Numbers that
// are not finite become null.
nlohmann::ordered_json ToJson(const IterationMeasurements& measurements);

// The names of the numbers in ToJson's object, in its order: all but `step_one_clusters`.
const std::vector<std::string>& MeasurementNames();

// One of these names is a time: it differs between two runs of the same configuration.
bool IsTimeMeasurement(std::string_view name);

}  // namespace shoal
