// The stages of the tail queue: what the options name, and the files behind them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/tail/velocity.h"
#include "shoal/v1/config.pb.h"

namespace shoal {

// A stage as the options name it: iterations * num_envs slots from one mix file.
struct TailStageSpec {
  int64_t iterations = 0;
  std::string path;
};

// "iterations:path;...": a path may contain ':' but not ';'. "" has no stage. InvalidArgument
// names the entry.
absl::StatusOr<std::vector<TailStageSpec>> ParseStageSpec(std::string_view value);

// The stages of a run, from tail_seed_stage_spec, or tail_seed_replay_path with
// tail_seed_prewarm_iterations; empty without either. InvalidArgument where both are given, or one
// half of the latter.
absl::StatusOr<std::vector<TailStageSpec>> TailStageSpecs(const v1::RunOptions& options);

// A stage with its velocities, shared between stages of one file. Never empty.
struct TailStage {
  int64_t iterations = 0;
  // For messages.
  std::string path;
  std::shared_ptr<const std::vector<Velocity>> velocities;
};

// Reads the files of TailStageSpecs(). Errors are the file's own (NotFound, ...) or ReadMix()'s.
absl::StatusOr<std::vector<TailStage>> LoadTailStages(const v1::RunOptions& options);

}  // namespace shoal
