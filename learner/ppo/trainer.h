// PPO's update: rows of an iteration in, the next version's weights out. Nothing else goes in or
// comes out, so the same rows, state and options give the same bits: on the CPU with any number of
// threads, for one build and one kind of CPU.
//
// (Schulman et al., "Proximal Policy Optimization Algorithms", 2017; details as in RUN.md's
// paragraph on PPO. Losses and gradients are written out in heads.h and engine.h.)
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "actor/policy/weights.h"
#include "learner/ppo/rows.h"

namespace shoal {

// Minibatches that may be skipped in one update before it fails.
inline constexpr int64_t kMaxSkippedMinibatches = 3;

struct TrainerOptions {
  // What the policy is made for; the neighbour values only travel with the weights.
  int obs_dim = 18;
  bool include_neighbor_features = true;
  double neighbor_radius = 3.0;
  int64_t neighbor_average_count = 6;

  std::vector<int> hidden_sizes = {384, 384};  // Of policy and value network alike.
  Activation activation = Activation::kTanh;

  int64_t batch_size = 1024;  // Rows of a minibatch, >= 2.
  int64_t n_epochs = 10;
  double clip_range = 0.2;
  double vf_coef = 0.5;
  double max_grad_norm = 0.5;
  double adam_epsilon = 1e-5;
  uint64_t seed = 0;  // Of the initial weights and of the permutations.

  std::string device = "auto";  // auto (CUDA if there is one), cpu, cuda or cuda:n.
  bool tf32 = false;            // Matrix products of a CUDA device in TF32.
  int threads = 1;              // On the CPU, the calling thread included. Not part of the result.
};

struct UpdateOptions {
  int64_t iteration = 1;  // From 1; names the permutations, with the seed and the epoch.
  double learning_rate = 3e-4;
  double entropy_coef = 0;
};

// Of one update. Losses, approx_kl, clip_fraction and gradient_norm are means over the minibatches
// that made a step, of all epochs, each as it was before its step; 0 if there was none.
struct UpdateStats {
  double policy_loss = 0;
  double value_loss = 0;  // Mean squared error, without vf_coef.
  double entropy = 0;     // Nats.
  double approx_kl = 0;   // Mean of (r - 1) - log r, nats.
  double clip_fraction = 0;
  // 1 - Var(return - value) / Var(return), value being the one when the row was made, which is
  // return - advantage. 0 if all returns are equal or a number is not finite.
  double explained_variance = 0;
  double gradient_norm = 0;  // Before clipping.
  double learning_rate = 0;
  int64_t minibatches = 0;          // That made a step.
  int64_t skipped_minibatches = 0;  // Whose loss or gradient was not finite.
  int64_t rows = 0;
  // Until the rows were on their way to the device; near 0 on the CPU. Not part of the result.
  double upload_seconds = 0;
};

// Not thread safe, but not bound to one thread either. LibTorch's own number of threads becomes 1
// in every thread that calls this, and in those that begin to use LibTorch later. Keeps its worker
// threads until it is destroyed.
class PpoTrainer {
 public:
  // With version 0's weights (initialization.h) and an Adam that has made no step.
  // kInvalidArgument: an option out of range, with its name. kFailedPrecondition: a CUDA device
  // that is not there. kInternal: what LibTorch reports, lack of memory for example.
  static absl::StatusOr<std::unique_ptr<PpoTrainer>> Create(const TrainerOptions& options);
  virtual ~PpoTrainer() = default;

  // n_epochs passes over the rows in minibatches of batch_size, each epoch in a permutation of its
  // own. A last, shorter minibatch is used if it has at least 2 rows; fewer than 2 rows in all make
  // no step, which is no error. A minibatch whose loss or gradient is not finite is left out and
  // counted.
  // kInvalidArgument: columns of the wrong length, an action that is none, options out of range;
  // nothing has changed then. kAborted: kMaxSkippedMinibatches minibatches were left out; the
  // weights are those after the last step, finite, and the run should stop. kInternal: LibTorch.
  virtual absl::StatusOr<UpdateStats> Update(const RowBatch& batch,
                                             const UpdateOptions& options) = 0;

  virtual PolicyWeights Weights() const = 0;

  // Adam's moments and number of steps, as a safetensors file (optimizer_state.h).
  virtual std::string OptimizerState() const = 0;

  // Goes on from Weights() and OptimizerState() of another trainer of the same options: updates
  // then give the same bits as that one's would have. kInvalidArgument: weights of another shape,
  // activation or observation than this trainer's, or bytes that are no optimizer state of this
  // size; nothing has changed then.
  virtual absl::Status Restore(const PolicyWeights& weights, std::string_view optimizer_state) = 0;

  // For people: device and why this one, threads, LibTorch's version.
  virtual std::string device_description() const = 0;
};

}  // namespace shoal
