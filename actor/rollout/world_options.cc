#include "actor/rollout/world_options.h"

#include <cmath>
#include <string>
#include <string_view>

#include "absl/strings/str_format.h"

namespace shoal {
namespace {

absl::Status ReadTable(std::string_view name, std::string_view text, BiasTable* table) {
  absl::StatusOr<BiasTable> parsed = ParseBiasTable(text);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("--%s \"%s\": %s", name, text, parsed.status().message()));
  }
  *table = *std::move(parsed);
  return absl::OkStatus();
}

absl::Status CheckNumbers(const v1::RunOptions& options) {
  const struct {
    const char* name;
    double value;
  } numbers[] = {
      {"neighbor_radius", options.neighbor_radius()},
      {"escape_jitter_std", options.escape_jitter_std()},
      {"divergence_reward_coef", options.divergence_reward_coef()},
      {"density_target", options.density_target()},
      {"predator_spawn_jitter_radius", options.predator_spawn_jitter_radius()},
      {"predator_pre_roll_angle_jitter", options.predator_pre_roll_angle_jitter()},
      {"predator_pre_roll_speed_jitter", options.predator_pre_roll_speed_jitter()},
  };
  for (const auto& number : numbers) {
    if (!std::isfinite(number.value)) {
      return absl::InvalidArgumentError(
          absl::StrFormat("--%s %f: a finite number is right", number.name, number.value));
    }
  }
  if (options.neighbor_radius() <= 0) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "--neighbor_radius %g: a number above 0 is right", options.neighbor_radius()));
  }
  if (options.neighbor_average_count() < 1) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "--neighbor_average_count %d: at least 1 is right", options.neighbor_average_count()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<WorldOptions> ReadWorldOptions(const v1::RunOptions& options) {
  if (absl::Status status = CheckNumbers(options); !status.ok()) return status;
  WorldOptions world;
  world.include_neighbor_features = options.include_neighbor_features();
  world.neighbor_radius = static_cast<float>(options.neighbor_radius());
  world.neighbor_average_count = static_cast<int>(options.neighbor_average_count());
  world.initial_escape_boost = options.initial_escape_boost();
  world.escape_jitter_std = options.escape_jitter_std();
  world.divergence_reward_coef = static_cast<float>(options.divergence_reward_coef());
  world.density_target = static_cast<float>(options.density_target());
  world.predator_spawn_jitter_radius = options.predator_spawn_jitter_radius();
  world.predator_pre_roll_steps = static_cast<int>(options.predator_pre_roll_steps());
  world.predator_pre_roll_angle_jitter = options.predator_pre_roll_angle_jitter();
  world.predator_pre_roll_speed_jitter = options.predator_pre_roll_speed_jitter();
  absl::Status status = ReadTable("predator_heading_bias", options.predator_heading_bias(),
                                  &world.predator_heading_bias);
  status.Update(ReadTable("predator_pre_roll_speed_bias", options.predator_pre_roll_speed_bias(),
                          &world.predator_pre_roll_speed_bias));
  if (!status.ok()) return status;
  return world;
}

}  // namespace shoal
