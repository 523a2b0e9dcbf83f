#include "actor/rollout/world_options.h"

#include <string>
#include <string_view>

#include "absl/strings/str_format.h"
#include "common/options.h"

namespace shoal {
namespace {

constexpr double kMaxHeading = 360;  // Degrees.
// As for the velocities of tail files: no predator of this world is faster.
constexpr double kMaxPredatorSpeed = 10;

// A table whose ranges end at `most` or below.
absl::Status ReadTable(std::string_view name, std::string_view text, double most,
                       BiasTable* table) {
  absl::StatusOr<BiasTable> parsed = ParseBiasTable(text);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("--%s \"%s\": %s", name, text, parsed.status().message()));
  }
  for (const BiasTable::Bin& bin : parsed->bins) {
    if (bin.end <= most) continue;
    return absl::InvalidArgumentError(
        absl::StrFormat("--%s \"%s\": the bin %g-%g ends above %g, which is the most", name, text,
                        bin.start, bin.end, most));
  }
  *table = *std::move(parsed);
  return absl::OkStatus();
}

// Options may come from another program, and a world takes them as they are.
absl::Status CheckNumbers(const v1::RunOptions& options) {
  for (const char* name :
       {"neighbor_radius", "neighbor_average_count", "escape_jitter_std", "divergence_reward_coef",
        "density_target", "predator_spawn_jitter_radius", "predator_pre_roll_steps",
        "predator_pre_roll_angle_jitter", "predator_pre_roll_speed_jitter"}) {
    absl::StatusOr<const google::protobuf::FieldDescriptor*> field = FindRunOption(name);
    if (!field.ok()) return field.status();
    if (absl::Status status = CheckOptionValue(options, *field); !status.ok()) return status;
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
  absl::Status status = ReadTable("predator_heading_bias", options.predator_heading_bias(), kMaxHeading,
                                  &world.predator_heading_bias);
  status.Update(ReadTable("predator_pre_roll_speed_bias", options.predator_pre_roll_speed_bias(),
                          kMaxPredatorSpeed, &world.predator_pre_roll_speed_bias));
  if (!status.ok()) return status;
  return world;
}

}  // namespace shoal
