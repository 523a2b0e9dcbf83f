#include "actor/rollout/settings.h"

#include <cmath>
#include <string_view>

#include "absl/strings/str_format.h"
#include "actor/rollout/world_options.h"

namespace shoal {
namespace {

absl::Status CheckRange(std::string_view name, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("--%s %d: %d to %d are right", name, value, least, most));
}

absl::Status CheckShare(std::string_view name, double value) {
  if (value >= 0 && value <= 1) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat("--%s %g: 0 to 1 are right", name, value));
}

absl::StatusOr<TrainingMode> ParseTrainingMode(std::string_view name) {
  if (name == "per_fish") return TrainingMode::kPerFish;
  if (name == "focal") return TrainingMode::kFocal;
  if (name == "broadcast") return TrainingMode::kBroadcast;
  return absl::InvalidArgumentError(
      absl::StrFormat("--training_mode %s: accepted are per_fish, focal, broadcast", name));
}

absl::Status CheckNumbers(const v1::RunOptions& options) {
  // The limits are those of the options' table; what is beyond them has no meaning here either.
  absl::Status status = CheckRange("n_steps", options.n_steps(), 1, 65535);
  status.Update(CheckRange("episode_limit", options.episode_limit(), 1, kHorizon));
  status.Update(CheckRange("train_fish_per_env", options.train_fish_per_env(), 0, kMaxFish));
  status.Update(CheckShare("gamma", options.gamma()));
  status.Update(CheckShare("gae_lambda", options.gae_lambda()));
  status.Update(CheckShare("row_filter_keep", options.row_filter_keep()));
  return status;
}

}  // namespace

absl::StatusOr<RolloutSettings> ReadRolloutSettings(const v1::RunOptions& options) {
  if (absl::Status status = CheckNumbers(options); !status.ok()) return status;
  absl::StatusOr<TrainingMode> mode = ParseTrainingMode(options.training_mode());
  if (!mode.ok()) return mode.status();
  absl::StatusOr<RewardKind> reward = ParseRewardKind(options.reward());
  if (!reward.ok()) return reward.status();
  absl::StatusOr<WorldOptions> world = ReadWorldOptions(options);
  if (!world.ok()) return world.status();

  RolloutSettings settings;
  settings.seed = static_cast<uint64_t>(options.seed());
  settings.mode = *mode;
  settings.tracked_fish =
      *mode == TrainingMode::kPerFish ? static_cast<int>(options.train_fish_per_env()) : 1;
  settings.n_steps = static_cast<int>(options.n_steps());
  settings.episode_limit = static_cast<int>(options.episode_limit());
  settings.staggered_episodes = options.staggered_episodes();
  settings.reward = *reward;
  settings.gamma = options.gamma();
  settings.gae_lambda = options.gae_lambda();
  settings.row_filter_keep = options.row_filter_keep();
  settings.world = *std::move(world);
  return settings;
}

}  // namespace shoal
