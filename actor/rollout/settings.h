// What a rollout reads from a run's options, checked and in the rollout's own types.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "actor/world/constants.h"
#include "actor/world/options.h"
#include "shoal/v1/config.pb.h"

namespace shoal {

// Fish of a scene, at most.
inline constexpr int kMaxFish = 4096;

// Whose trajectories teach (WORLD: "Who learns").
enum class TrainingMode {
  kPerFish,
  kFocal,
  kBroadcast,
};

struct RolloutSettings {
  uint64_t seed = 0;
  TrainingMode mode = TrainingMode::kPerFish;
  // per_fish and focal: trajectories an environment has at a time; 0: one for every living fish.
  int tracked_fish = 1;
  // Steps of each environment in one rollout, 1 .. 65535.
  int n_steps = 1;
  // Steps after which a training episode is cut, 1 .. kHorizon.
  int episode_limit = kHorizon;
  // Fresh episodes have a first limit drawn from 1 .. episode_limit.
  bool staggered_episodes = true;
  RewardKind reward = RewardKind::kShaped;
  double gamma = 0;
  double gae_lambda = 0;
  // The share of the quiet rows that the row filter keeps.
  double row_filter_keep = 0;
  WorldOptions world;
};

// InvalidArgument, naming the option, its value and what would be right.
absl::StatusOr<RolloutSettings> ReadRolloutSettings(const v1::RunOptions& options);

}  // namespace shoal
