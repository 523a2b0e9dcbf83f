// Inference: the one seam between those who need logits and values and whatever computes them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "actor/policy/weights.h"

namespace shoal {

// A policy ready to be evaluated. It holds its own copy of the weights.
//
// Observations are [rows, obs_dim], float32, row-major and finite; rows may be 0. Pointers are
// borrowed for the call and need no alignment; outputs may not overlap inputs.
// Not thread safe: one backend per thread.
// The fused backend computes every row as if it were alone: its bits depend neither on the other
// rows of a call nor on their number. Other backends may differ in the last bits with `rows`.
class PolicyBackend {
 public:
  virtual ~PolicyBackend() = default;

  // logits: [rows, 5].
  virtual void Logits(const float* observations, int64_t rows, float* logits) = 0;

  // values: [rows].
  virtual void Values(const float* observations, int64_t rows, float* values) = 0;

  // What decides the bits of the results: backends with equal ids and weights give equal bits for
  // equal calls.
  virtual std::string kernel_id() const = 0;
};

// The project's own CPU kernel, in the fastest form this processor has. The environment variable
// SHOAL_KERNEL (portable, avx2, avx512) chooses a form; all give the same bits.
// InvalidArgument: weights that ValidatePolicy refuses, an unknown SHOAL_KERNEL.
// FailedPrecondition: a SHOAL_KERNEL that this processor cannot run.
absl::StatusOr<std::unique_ptr<PolicyBackend>> CreateFusedBackend(const PolicyWeights& weights);

// A backend by name: "fused", or "torch" for LibTorch, whose module is loaded on first use.
// Creating a torch backend sets the number of LibTorch's threads to 1 for the calling thread, and
// so does the first call on any other thread. InvalidArgument: another name, or as above. NotFound:
// the module is not where it belongs. FailedPrecondition: it does not load. Internal: LibTorch
// refused.
absl::StatusOr<std::unique_ptr<PolicyBackend>> CreateBackend(std::string_view name,
                                                             const PolicyWeights& weights);

}  // namespace shoal
