// The forms of the fused CPU kernel, for tests and benchmarks; backend.h is what programs use.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "actor/policy/backend.h"

namespace shoal {

// The same arithmetic in different instructions.
enum class KernelPath {
  kPortable,  // Any processor; slow where it has no fused multiply-add.
  kAvx2,      // x86-64-v3.
  kAvx512,
};

// The paths that this processor can run, slowest first; never empty.
std::vector<KernelPath> AvailableKernelPaths();

// "portable", "avx2" or "avx512".
std::string_view KernelPathName(KernelPath path);

// As CreateFusedBackend(weights), on this path. FailedPrecondition: it is not available.
absl::StatusOr<std::unique_ptr<PolicyBackend>> CreateFusedBackend(const PolicyWeights& weights,
                                                                  KernelPath path);

}  // namespace shoal
