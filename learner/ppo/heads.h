// The losses of PPO at the networks' outputs, and their gradients with respect to these outputs.
//
// Loss of a minibatch of N rows (Schulman et al., "Proximal Policy Optimization Algorithms", 2017,
// equations 7 and 9, with the sign of a loss):
//   L = mean(-min(r A, clip(r, 1 - c, 1 + c) A)) + vf_coef mean((v - R)^2) - ent_coef mean(H)
// with r = exp(log p(a) - behaviour log p(a)), p = softmax(z), H = -sum_j p_j log p_j.
// Gradients, from d p_i / d z_j = p_i (delta_ij - p_j):
//   d r / d z_j = r (delta_aj - p_j)         d H / d z_j = -p_j (log p_j + H)
//   d L / d v   = vf_coef 2 (v - R) / N
// The first term has no gradient where the clipped branch is the smaller one.
//
// Pure functions over rows [0, rows); row-major arrays in host memory; T is float or double. Sums
// are taken in row order in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "actor/policy/weights.h"

namespace shoal {

// Sums over rows, not yet divided by the minibatch's size.
struct PolicySums {
  double policy_loss = 0;
  double entropy = 0;
  double approx_kl = 0;  // Of (r - 1) - log r, an estimate of KL(behaviour, policy) that is >= 0.
  double clipped = 0;    // Rows with |r - 1| > clip_range.
};

// logits, gradient: [rows, kPolicyActions]; advantages: [rows], normalised. `scale` is 1 / N.
template <typename T>
PolicySums PolicyHead(const T* logits, const uint8_t* actions, const float* log_probs,
                      const T* advantages, int64_t rows, T scale, T clip_range, T entropy_coef,
                      T* gradient) {
  PolicySums sums;
  for (int64_t row = 0; row < rows; ++row) {
    const T* z = logits + row * kPolicyActions;
    T* dz = gradient + row * kPolicyActions;
    const T highest = *std::max_element(z, z + kPolicyActions);
    T p[kPolicyActions];
    T total = 0;
    for (int j = 0; j < kPolicyActions; ++j) total += p[j] = std::exp(z[j] - highest);
    const T log_total = std::log(total);
    T log_p[kPolicyActions];
    T entropy = 0;
    for (int j = 0; j < kPolicyActions; ++j) {
      p[j] /= total;
      log_p[j] = z[j] - highest - log_total;
      entropy -= p[j] * log_p[j];
    }
    const int action = actions[row];
    const T log_ratio = log_p[action] - static_cast<T>(log_probs[row]);
    const T ratio = std::exp(log_ratio);
    const T plain = ratio * advantages[row];
    const T clipped = std::clamp(ratio, 1 - clip_range, 1 + clip_range) * advantages[row];
    const T slope = plain <= clipped ? -plain * scale : T{0};  // d L / d log p(a)
    for (int j = 0; j < kPolicyActions; ++j) {
      dz[j] = slope * ((j == action ? T{1} : T{0}) - p[j]) +
              entropy_coef * scale * p[j] * (log_p[j] + entropy);
    }
    sums.policy_loss -= std::min(plain, clipped);
    sums.entropy += entropy;
    sums.approx_kl += (ratio - 1) - log_ratio;
    sums.clipped += std::abs(ratio - 1) > clip_range ? 1 : 0;
  }
  return sums;
}

// values, gradient: [rows, 1]. Returns the sum of squared errors.
template <typename T>
double ValueHead(const T* values, const float* returns, int64_t rows, T scale, T vf_coef,
                 T* gradient) {
  double sum = 0;
  for (int64_t row = 0; row < rows; ++row) {
    const T error = values[row] - static_cast<T>(returns[row]);
    gradient[row] = vf_coef * 2 * error * scale;
    sum += static_cast<double>(error) * error;
  }
  return sum;
}

}  // namespace shoal
