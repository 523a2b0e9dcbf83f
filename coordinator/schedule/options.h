// A run's options as the run will use them: complete, checked, without contradictions.
#pragma once

#include "absl/status/status.h"
#include "shoal/v1/config.pb.h"

namespace shoal {

// Checks single values, lists and contradictions, then completes `options`: total_iterations and
// multi_eval_seed_base, the curriculum and every list by phase in full, and the default of every
// option that has one. (run_name and written_by are the caller's; ent_coef_final stays off where
// it is not given; with it the default entropy_coef_schedule becomes "".)
//
// Resolved options resolve to themselves. "Given explicitly" means has_x(), so options must be
// resolved once, before defaults are written into them. The neighbour tables
// (predator_heading_bias, predator_pre_roll_speed_bias) are read and checked by the world, tail
// files by LoadTailStages(). On an error `options` is unchanged.
absl::Status ResolveOptions(v1::RunOptions& options);

}  // namespace shoal
