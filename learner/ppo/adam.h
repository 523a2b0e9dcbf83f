// Adam over one flat parameter vector (Kingma and Ba, "Adam: A Method for Stochastic Optimization",
// 2015, algorithm 1, with epsilon added to the square root of the corrected second moment).
//
// Pure; element by element, so any division into ranges gives the same bits. T is float or double.
#pragma once

#include <cmath>
#include <cstdint>

namespace shoal {

inline constexpr double kAdamBeta1 = 0.9;
inline constexpr double kAdamBeta2 = 0.999;

// The numbers of one step that all elements share.
struct AdamStep {
  // `step` counts from 1; the gradient is multiplied by `gradient_scale` first (norm clipping).
  AdamStep(int64_t step, double learning_rate, double epsilon, double gradient_scale)
      : step_size(learning_rate / (1 - std::pow(kAdamBeta1, static_cast<double>(step)))),
        root_correction(1 / std::sqrt(1 - std::pow(kAdamBeta2, static_cast<double>(step)))),
        epsilon(epsilon),
        gradient_scale(gradient_scale) {}

  double step_size;        // Learning rate over the first moment's bias correction.
  double root_correction;  // Of the square root of the second moment.
  double epsilon;
  double gradient_scale;
};

// `Linkage` is for files that compile this for other instruction sets: a type that is local to them
// (host_kernels_impl.h).
template <typename Linkage = void, typename T>
void ApplyAdam(const AdamStep& step, int64_t count, const T* __restrict gradient,
               T* __restrict first, T* __restrict second, T* __restrict parameters) {
  const T beta1 = static_cast<T>(kAdamBeta1), keep1 = static_cast<T>(1 - kAdamBeta1);
  const T beta2 = static_cast<T>(kAdamBeta2), keep2 = static_cast<T>(1 - kAdamBeta2);
  const T step_size = static_cast<T>(step.step_size);
  const T root_correction = static_cast<T>(step.root_correction);
  const T epsilon = static_cast<T>(step.epsilon);
  const T scale = static_cast<T>(step.gradient_scale);
  for (int64_t i = 0; i < count; ++i) {
    const T g = gradient[i] * scale;
    const T m = beta1 * first[i] + keep1 * g;
    const T v = beta2 * second[i] + keep2 * (g * g);
    first[i] = m;
    second[i] = v;
    T root;  // Not std::sqrt, which is a function with external linkage.
    if constexpr (sizeof(T) == sizeof(float)) {
      root = __builtin_sqrtf(v);
    } else {
      root = __builtin_sqrt(v);
    }
    parameters[i] -= step_size * m / (root * root_correction + epsilon);
  }
}

}  // namespace shoal
