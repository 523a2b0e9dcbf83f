// heads.h's losses and gradients, and the normalised advantages, in LibTorch's operations on any
// device: the same formulas up to rounding, nothing read back. For the engines: this header
// includes LibTorch's.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/std_mean.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <tuple>

#include "learner/ppo/minibatch.h"

namespace shoal {

// PolicySums as scalars of the device, in double.
struct DevicePolicySums {
  at::Tensor policy_loss;
  at::Tensor entropy;
  at::Tensor approx_kl;
  at::Tensor clipped;
};

// advantages: [rows]. Of the same type; mean and deviation in double.
inline at::Tensor NormaliseOnDevice(const at::Tensor& advantages) {
  const at::Tensor wide = advantages.to(at::kDouble);
  const auto [deviation, mean] = at::std_mean(wide, /*unbiased=*/true);
  return ((wide - mean) / (deviation + kDeviationEpsilon)).to(advantages.scalar_type());
}

// logits, gradient: [rows, actions] of type T; chosen: the same shape, bool, true at the action
// that was taken; log_probs, advantages: [rows]; entropy_coef: a scalar.
template <typename T>
DevicePolicySums PolicyHeadOnDevice(const at::Tensor& logits, const at::Tensor& chosen,
                                    const at::Tensor& log_probs, const at::Tensor& advantages,
                                    T clip_range, const at::Tensor& entropy_coef,
                                    at::Tensor& gradient) {
  const double scale = static_cast<T>(1.0 / static_cast<double>(logits.size(0)));
  const at::Tensor log_p = at::log_softmax(logits, 1);
  const at::Tensor p = log_p.exp();
  const at::Tensor entropy = -(p * log_p).sum(1);
  const at::Tensor zero = at::zeros_like(log_p);
  const at::Tensor log_ratio = at::where(chosen, log_p, zero).sum(1) - log_probs;
  const at::Tensor ratio = log_ratio.exp();
  const at::Tensor plain = ratio * advantages;
  const at::Tensor clipped = at::clamp(ratio, T{1} - clip_range, T{1} + clip_range) * advantages;
  const at::Tensor slope = at::where(plain.le(clipped), plain * -scale, at::zeros_like(plain));
  gradient.copy_(slope.unsqueeze(1) * (chosen.to(p.scalar_type()) - p) +
                 entropy_coef * scale * p * (log_p + entropy.unsqueeze(1)));
  return {-at::minimum(plain, clipped).sum(at::kDouble), entropy.sum(at::kDouble),
          (ratio - 1 - log_ratio).sum(at::kDouble),
          (ratio - 1).abs().gt(clip_range).sum(at::kDouble)};
}

// values, gradient: [rows, 1]; returns: [rows]. The sum of squared errors, in double.
template <typename T>
at::Tensor ValueHeadOnDevice(const at::Tensor& values, const at::Tensor& returns, T vf_coef,
                             at::Tensor& gradient) {
  const double scale = static_cast<T>(1.0 / static_cast<double>(values.size(0)));
  const at::Tensor error = values - returns.unsqueeze(1);
  gradient.copy_(error * (vf_coef * 2 * scale));
  return error.to(at::kDouble).square().sum();
}

}  // namespace shoal
