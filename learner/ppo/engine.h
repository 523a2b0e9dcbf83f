// One minibatch: loss, gradient and Adam step of both networks, on the CPU or a CUDA device. All
// use of LibTorch is behind this interface; rows, epochs and statistics are the trainer's
// (trainer.h).
//
// How a gradient is made. A minibatch is cut into slices of kSliceRows rows. A task is one network
// on one slice: forward, head (heads.h), backward, written by hand since the networks are plain:
//   X_0 = observations, X_l = act(X_{l-1} W_l^T + b_l), head linear;
//   dW_l = dZ_l^T X_{l-1}, db_l = sum over rows of dZ_l, dX_{l-1} = dZ_l W_l,
//   dZ_l = dX_l * act'(X_l), with tanh' = 1 - X^2 and relu' = [X > 0]
// (back-propagation: Rumelhart, Hinton, Williams, "Learning representations by back-propagating
// errors", 1986). Policy and value network share no weights, so their tasks are independent.
// Tasks go to own threads, with LibTorch's and OpenMP's threads at 1 in each; slices' gradients are
// added in slice order. So the bits do not depend on the number of threads. Products of hidden
// layers are LibTorch's; thin products, activations, sums and Adam are host_kernels.h's.
//
// On a CUDA device all is in LibTorch's operations on the whole minibatch, but for the heads, which
// are computed on the host; there is one thread.
//
// Not thread safe. Everything LibTorch throws comes back as kInternal. LibTorch's number of threads
// becomes 1 in every thread that calls this, and in those that begin to use LibTorch later.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "actor/policy/weights.h"
#include "learner/ppo/layout.h"
#include "learner/ppo/rows.h"

namespace shoal {

inline constexpr int64_t kSliceRows = 256;

struct EngineOptions {
  int obs_dim = 11;
  std::vector<int> hidden_sizes;
  Activation activation = Activation::kTanh;
  int64_t batch_size = 1024;
  double clip_range = 0.2;
  double vf_coef = 0.5;
  double max_grad_norm = 0.5;
  double adam_epsilon = 1e-5;
  int threads = 1;
  std::string device = "auto";  // auto, cpu, cuda or cuda:n.

  // For tests: all arithmetic in double; and the way of a device whose memory the host cannot read,
  // with the host's memory standing in for it.
  bool float64 = false;
  bool separate_device_memory = false;
};

// Of one minibatch, before the step. Means over its rows.
struct MinibatchLosses {
  double policy_loss = 0;
  double value_loss = 0;  // Without vf_coef.
  double entropy = 0;
  double approx_kl = 0;
  double clip_fraction = 0;
  double total_loss = 0;     // policy_loss + vf_coef value_loss - entropy_coef entropy.
  double gradient_norm = 0;  // Of both networks together, before clipping.
};

// Parameters and Adam's moments are [layout().size] each.
struct EngineState {
  std::vector<double> parameters;
  std::vector<double> first_moment;
  std::vector<double> second_moment;
  int64_t adam_steps = 0;
};

class Engine {
 public:
  virtual ~Engine() = default;

  virtual const ParameterLayout& layout() const = 0;

  // The losses of the rows batch[indices], 2 to batch_size of them, and their gradient, kept for
  // ApplyGradient. Advantages are normalised over these rows: minus their mean, over their unbiased
  // standard deviation + 1e-8. Numbers that are not finite in the rows give losses or a norm that
  // are not finite.
  virtual absl::StatusOr<MinibatchLosses> ComputeGradient(const RowBatch& batch,
                                                          absl::Span<const uint32_t> indices,
                                                          double entropy_coef) = 0;

  // One Adam step along the last gradient. Each network's part is scaled by
  // min(1, max_grad_norm / (its norm + 1e-6)), as PyTorch's clip_grad_norm_ does: the networks share
  // no weights, and a value loss of large returns should not hold the policy's steps down.
  virtual absl::Status ApplyGradient(double learning_rate) = 0;

  // The last gradient, not clipped; between ComputeGradient and ApplyGradient.
  virtual std::vector<double> Gradient() const noexcept = 0;

  // Exact copies: a float survives the way through double unchanged. Gradient and State end the
  // program where a device fails under them: there is nothing left to save then.
  virtual EngineState State() const noexcept = 0;
  virtual absl::Status SetState(const EngineState& state) = 0;

  virtual std::string device_description() const = 0;
};

// Parameters are zero. kInvalidArgument: a device name that is none of the four forms.
// kFailedPrecondition: a CUDA device that this build or machine does not have.
absl::StatusOr<std::unique_ptr<Engine>> MakeEngine(const EngineOptions& options);

}  // namespace shoal
