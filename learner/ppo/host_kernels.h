// What the learner does on the CPU beside large matrix products: thin products (observations of a
// dozen values, heads of 5 and 1), activations, sums of gradients and Adam.
//
// All are loops along the rows of row-major arrays without gaps, written once
// (host_kernels_impl.h) and compiled for several instruction sets; which of them runs is decided
// once by the processor. Sums are taken in a fixed order, which may differ between instruction
// sets. What is not a number stays so. Pure, reentrant.
//
// A "thin" array is [rows, inner], a "wide" one [rows, width]; inner is small.
#pragma once

#include <cstdint>
#include <vector>

#include "learner/ppo/adam.h"

namespace shoal {

// T is float or double; double, which tests use, has the portable form alone.
template <typename T>
struct HostKernels {
  const char* name;

  // wide[r][c] = sum over s of thin[r][s] * weights[s][c].
  void (*expand)(int64_t rows, int64_t inner, int64_t width, const T* thin, const T* weights,
                 T* wide);
  // sums[s][c] += sum over r of thin[r][s] * wide[r][c].
  void (*collect)(int64_t rows, int64_t inner, int64_t width, const T* thin, const T* wide,
                  T* sums);
  // thin[r][s] = bias[s] + sum over c of wide[r][c] * weights[s][c].
  void (*contract)(int64_t rows, int64_t inner, int64_t width, const T* wide, const T* weights,
                   const T* bias, T* thin);

  // wide[r][c] = act(wide[r][c] + bias[c]).
  using Activate = void (*)(int64_t rows, int64_t width, const T* bias, T* wide);
  Activate tanh;
  Activate relu;
  // delta[r][c] *= act'(z) at the z that has act(z) = activated[r][c]; then
  // bias_sums[c] += sum over r of delta[r][c].
  using Differentiate = void (*)(int64_t rows, int64_t width, const T* activated, T* delta,
                                 T* bias_sums);
  Differentiate tanh_backward;
  Differentiate relu_backward;

  // sum[i] = (keep ? sum[i] : 0) + parts[0][i] + parts[1][i] + ..., in this order; returns the sum
  // of sum[i] squared, in double.
  double (*add_parts)(int64_t count, int64_t size, const T* const* parts, bool keep, T* sum);
  // adam.h.
  void (*adam)(const AdamStep& step, int64_t count, const T* gradient, T* first, T* second,
               T* parameters);
};

// Those this processor can run, the fastest last; never empty.
template <typename T>
std::vector<const HostKernels<T>*> AvailableHostKernels();
template <>
std::vector<const HostKernels<float>*> AvailableHostKernels();
template <>
std::vector<const HostKernels<double>*> AvailableHostKernels();

}  // namespace shoal
