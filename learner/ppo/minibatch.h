// What an engine does with the numbers of one minibatch, whatever computes the networks. Pure.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "absl/types/span.h"
#include "learner/ppo/adam.h"
#include "learner/ppo/engine.h"
#include "learner/ppo/heads.h"
#include "learner/ppo/rows.h"

namespace shoal {

// minibatch(first, rows) for each minibatch of `count` rows, as engine.h says at RunEpoch.
template <typename Minibatch>
void ForMinibatches(int64_t count, int64_t batch_size, Minibatch&& minibatch) {
  for (int64_t first = 0; first + 2 <= count; first += batch_size) {
    minibatch(first, std::min(batch_size, count - first));
  }
}

inline constexpr double kDeviationEpsilon = 1e-8;

// out[i]: the advantage of row indices[i], minus the mean of these rows, over their unbiased
// standard deviation + 1e-8.
template <typename T>
void NormaliseAdvantages(const RowBatch& batch, absl::Span<const uint32_t> indices, T* out) {
  double sum = 0;
  for (uint32_t row : indices) sum += batch.advantages[row];
  const double mean = sum / indices.size();
  double squares = 0;
  for (uint32_t row : indices) {
    const double difference = batch.advantages[row] - mean;
    squares += difference * difference;
  }
  const double deviation = std::sqrt(squares / (indices.size() - 1)) + kDeviationEpsilon;
  for (size_t i = 0; i < indices.size(); ++i) {
    out[i] = static_cast<T>((batch.advantages[indices[i]] - mean) / deviation);
  }
}

// Of rows[i] of the batch: observations, actions and what the network is to come near
// (behaviour log-probabilities or returns), in order.
template <typename T>
void GatherRows(const RowBatch& batch, absl::Span<const uint32_t> rows, int network,
                T* observations, uint8_t* actions, float* targets) {
  const int64_t width = batch.obs_dim;
  const float* columns = (network == kPolicyNetwork ? batch.log_probs : batch.returns).data();
  constexpr size_t kAhead = 8;  // Rows lie anywhere in memory: they are asked for early.
  for (size_t i = 0; i < rows.size(); ++i) {
    if (i + kAhead < rows.size()) {
      const float* ahead = batch.observations.data() + rows[i + kAhead] * width;
      __builtin_prefetch(ahead);
      __builtin_prefetch(ahead + width - 1);
    }
    const float* observation = batch.observations.data() + rows[i] * width;
    for (int64_t c = 0; c < width; ++c) *observations++ = observation[c];
    actions[i] = batch.actions[rows[i]];
    targets[i] = columns[rows[i]];
  }
}

// Everything but the gradient's norm; the sums are over `rows` rows.
inline MinibatchLosses MeanLosses(const PolicySums& sums, double squared_error, int64_t rows) {
  MinibatchLosses losses;
  losses.policy_loss = sums.policy_loss / rows;
  losses.value_loss = squared_error / rows;
  losses.entropy = sums.entropy / rows;
  losses.approx_kl = sums.approx_kl / rows;
  losses.clip_fraction = sums.clipped / rows;
  return losses;
}

inline double TotalLoss(const MinibatchLosses& losses, double vf_coef, double entropy_coef) {
  return losses.policy_loss + vf_coef * losses.value_loss - entropy_coef * losses.entropy;
}

inline constexpr double kNormEpsilon = 1e-6;

// Adam's step number `step` for a network whose gradient has the norm `norm`, clipped as
// engine.h says at RunEpoch.
inline AdamStep ClippedStep(int64_t step, double learning_rate, double norm,
                            const EngineOptions& options) {
  return AdamStep(step, learning_rate, options.adam_epsilon,
                  std::min(1.0, options.max_grad_norm / (norm + kNormEpsilon)));
}

}  // namespace shoal
