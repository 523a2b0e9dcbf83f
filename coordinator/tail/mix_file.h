// Reading velocities from files: mixes for the tail queue, and recorded step-one deaths that mixes
// are made from. Every error is InvalidArgument and names the path.
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/tail/velocity.h"

namespace shoal {

// A mix file's velocities in its order: those of `velocities` ([vx, vy] pairs), then those of
// summary.clusters[].sample.predator_velocity. Refused: no velocity at all, a value that is not a
// finite number, a speed above 10, more than 10 million velocities.
absl::StatusOr<std::vector<Velocity>> ReadMix(std::string_view text, std::string_view path);

// The predator velocities of recorded deaths, from a file of one JSON object or of one object a
// line (step_one_worst_seeds.json, step_one_clusters.jsonl, eval_multi_history.jsonl or a mix):
// those of step_one_deaths[].predator_velocity; else those of `velocities`; else of each cluster's
// sample.predator_velocity (in `summary.clusters`, `step_one_clusters.clusters` or `clusters`), as
// often as the cluster's `count` says. Refused as above.
absl::StatusOr<std::vector<Velocity>> ReadDeaths(std::string_view text, std::string_view path);

}  // namespace shoal
