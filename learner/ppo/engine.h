// The steps of one update: loss, gradient and Adam step of both networks by minibatch, on the CPU
// or a CUDA device. All use of LibTorch is behind this interface; permutations and checks are the
// trainer's (trainer.h).
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
// On a CUDA device (device_engine.cc) all is in LibTorch's operations on the whole minibatch, from
// one thread. Rows go there once an update; nothing is read back before its end, the rule for
// minibatches that are not finite included.
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
  // Minibatches whose loss or gradient is not finite, after which an update makes no step; >= 1.
  int64_t max_skipped = 3;
  int threads = 1;
  std::string device = "auto";  // auto, cpu, cuda or cuda:n.
  bool tf32 = false;            // Of a CUDA device's matrix products; one setting for the process.

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
  double gradient_norm = 0;  // Of both networks together, before clipping.
};

// Of the minibatches of one update.
struct UpdateSums {
  MinibatchLosses losses;   // Added over those that made a step.
  int64_t minibatches = 0;  // That made a step.
  int64_t skipped = 0;      // At most max_skipped.
  // Of the one skipped last: policy_loss + vf_coef value_loss - entropy_coef entropy, and the norm.
  double skipped_loss = 0;
  double skipped_norm = 0;
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

  // An update is BeginUpdate, RunEpoch any number of times, EndUpdate. After an error the next is
  // BeginUpdate again.
  //
  // Takes the rows to where the engine works. `batch` must stay as it is until EndUpdate: its
  // columns fit its number of rows, its actions are some.
  virtual absl::Status BeginUpdate(const RowBatch& batch) = 0;

  // A step for each minibatch: the next batch_size of `order`, which names rows of the batch; a
  // rest of 2 or more makes a shorter one. Advantages are normalised over the minibatch: minus
  // their mean, over their unbiased standard deviation + 1e-8. One Adam step along the gradient;
  // each network's part is scaled by min(1, max_grad_norm / (its norm + 1e-6)), as PyTorch's
  // clip_grad_norm_ does: the networks share no weights, and a value loss of large returns should
  // not hold the policy's steps down. A minibatch whose total loss or gradient norm is not finite
  // changes nothing and is counted; with max_skipped of them nothing changes any more in this
  // update. Does not wait for a device.
  virtual absl::Status RunEpoch(absl::Span<const uint32_t> order, double learning_rate,
                                double entropy_coef) = 0;

  // Waits until all is done.
  virtual absl::StatusOr<UpdateSums> EndUpdate() = 0;

  // Of the last minibatch, not clipped.
  virtual std::vector<double> Gradient() const noexcept = 0;

  // Exact copies: a float survives the way through double unchanged. Gradient and State end the
  // program where a device fails under them: there is nothing left to save then.
  virtual EngineState State() const noexcept = 0;
  virtual absl::Status SetState(const EngineState& state) = 0;

  // For people: the device, how it works, and why it is this one.
  virtual std::string device_description() const = 0;
};

// Parameters are zero. kInvalidArgument: a device name that is none of the four forms.
// kFailedPrecondition: a CUDA device that this build or machine does not have.
absl::StatusOr<std::unique_ptr<Engine>> MakeEngine(const EngineOptions& options);

}  // namespace shoal
