// Adam's state as a safetensors file: tensors "first_moment" and "second_moment", F32 [parameters],
// in the order of layout.h; metadata format "shoal-adam", format_version "1", steps (decimal).
// Equal states give equal bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace shoal {

struct OptimizerMoments {
  std::vector<double> first;   // Values that float32 holds exactly.
  std::vector<double> second;  // Of the same size; >= 0.
  int64_t steps = 0;
};

absl::StatusOr<std::string> SerializeOptimizerState(const OptimizerMoments& moments);

// kInvalidArgument: bytes that are no such file, another number of parameters than `parameters`,
// values that are not finite, a second moment or number of steps below 0, more than 2^53 steps.
absl::StatusOr<OptimizerMoments> ParseOptimizerState(std::string_view bytes, int64_t parameters);

}  // namespace shoal
