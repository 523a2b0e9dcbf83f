// The loops of host_kernels.h, for the files that compile them. Each such file instantiates them
// with a Set of its own, a type that is local to it: that gives every function made here internal
// linkage. The linker keeps one copy of a function with external linkage, and it must never be one
// with instructions that the processor may lack. For the same reason nothing of the standard
// library is called.
#pragma once

#include <math.h>

#include <cstdint>

#include "learner/ppo/host_kernels.h"

namespace shoal {

template <typename Set, typename T>
struct HostLoops {
  // Rows, or inner values, that one pass along a row takes together.
  static constexpr int kTogether = 8;

  // y[c] = (kKeep ? y[c] : 0) + sum over n of scales[n * scale_stride] * rows[n * width + c].
  template <int kCount, bool kKeep>
  static void AddScaled(int64_t width, const T* scales, int64_t scale_stride, const T* rows,
                        T* __restrict y) {
    T scale[kCount];
    for (int n = 0; n < kCount; ++n) scale[n] = scales[n * scale_stride];
    for (int64_t c = 0; c < width; ++c) {
      T sum = kKeep ? y[c] : T{0};
      for (int n = 0; n < kCount; ++n) sum += scale[n] * rows[n * width + c];
      y[c] = sum;
    }
  }

  // The same for any count up to kTogether.
  template <bool kKeep, int kCount = kTogether>
  static void AddScaledAny(int64_t count, int64_t width, const T* scales, int64_t scale_stride,
                           const T* rows, T* y) {
    if (count == kCount) {
      AddScaled<kCount, kKeep>(width, scales, scale_stride, rows, y);
    } else if constexpr (kCount > 1) {
      AddScaledAny<kKeep, kCount - 1>(count, width, scales, scale_stride, rows, y);
    }
  }

  static int64_t Least(int64_t a, int64_t b) { return a < b ? a : b; }

  static void Expand(int64_t rows, int64_t inner, int64_t width, const T* thin, const T* weights,
                     T* wide) {
    for (int64_t r = 0; r < rows; ++r, thin += inner, wide += width) {
      AddScaledAny<false>(Least(inner, kTogether), width, thin, 1, weights, wide);
      for (int64_t s = kTogether; s < inner; s += kTogether) {
        AddScaledAny<true>(Least(inner - s, kTogether), width, thin + s, 1, weights + s * width,
                           wide);
      }
    }
  }

  static void Collect(int64_t rows, int64_t inner, int64_t width, const T* thin, const T* wide,
                      T* sums) {
    for (int64_t r = 0; r < rows; r += kTogether) {
      const int64_t count = Least(rows - r, kTogether);
      for (int64_t s = 0; s < inner; ++s) {
        AddScaledAny<true>(count, width, thin + r * inner + s, inner, wide + r * width,
                           sums + s * width);
      }
    }
  }

  static void Contract(int64_t rows, int64_t inner, int64_t width, const T* wide, const T* weights,
                       const T* bias, T* thin) {
    for (int64_t r = 0; r < rows; r += 4) {
      // Past the last row the last one stands in.
      const T* x[4];
      for (int64_t i = 0; i < 4; ++i) x[i] = wide + Least(r + i, rows - 1) * width;
      for (int64_t s = 0; s < inner; ++s) {
        const T* w = weights + s * width;
        const T *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3];
        T sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
#pragma omp simd reduction(+ : sum0, sum1, sum2, sum3)
        for (int64_t c = 0; c < width; ++c) {
          sum0 += x0[c] * w[c];
          sum1 += x1[c] * w[c];
          sum2 += x2[c] * w[c];
          sum3 += x3[c] * w[c];
        }
        const T sums[4] = {sum0, sum1, sum2, sum3};
        for (int64_t i = 0; i < Least(4, rows - r); ++i) {
          thin[(r + i) * inner + s] = bias[s] + sums[i];
        }
      }
    }
  }

  // As inference computes it (actor/policy/fused_layer.h), but what is not a number stays so.
  // There too: the fit, its error below 4e-7, and why it ends at 8.5. In double the real one.
  static T Tanh(T x) {
    if constexpr (sizeof(T) == sizeof(double)) {
      return ::tanh(x);
    } else {
      x = x < T(-8.5f) ? T(-8.5f) : x;
      x = x > T(8.5f) ? T(8.5f) : x;
      const T u = x * x;
      T p = T(1.40994842802e-8f);
      p = p * u + T(2.11218038928e-5f);
      p = p * u + T(0.00352583607719f);
      p = p * u + T(0.134062210996f);
      p = p * u + T(0.999999945705f);
      T q = T(8.07373511677e-7f);
      q = q * u + T(0.000333571594654f);
      q = q * u + T(0.0259912022681f);
      q = q * u + T(0.467395325404f);
      q = q * u + T(1.0f);
      return x * p / q;
    }
  }

  struct TanhFunction {
    static T Value(T z) { return Tanh(z); }
    // d times the slope where the value is `value`.
    static T Backward(T value, T d) { return d * (T{1} - value * value); }
  };
  struct ReluFunction {
    static T Value(T z) { return z < T{0} ? T{0} : z; }
    static T Backward(T value, T d) { return value <= T{0} ? T{0} : d; }
  };

  template <typename Function>
  static void Activate(int64_t rows, int64_t width, const T* __restrict bias, T* __restrict wide) {
    for (int64_t r = 0; r < rows; ++r, wide += width) {
      for (int64_t c = 0; c < width; ++c) wide[c] = Function::Value(wide[c] + bias[c]);
    }
  }

  template <typename Function>
  static void Differentiate(int64_t rows, int64_t width, const T* __restrict activated,
                            T* __restrict delta, T* __restrict bias_sums) {
    for (int64_t r = 0; r < rows; ++r, activated += width, delta += width) {
      for (int64_t c = 0; c < width; ++c) {
        const T d = Function::Backward(activated[c], delta[c]);
        delta[c] = d;
        bias_sums[c] += d;
      }
    }
  }

  static double AddParts(int64_t count, int64_t size, const T* const* parts, bool keep,
                         T* __restrict sum) {
    double squares = 0;
    // Through the first-level cache in pieces, so that a sum is written to memory once.
    constexpr int64_t kPiece = 1024;
    for (int64_t begin = 0; begin < size; begin += kPiece) {
      const int64_t end = Least(begin + kPiece, size);
      for (int64_t n = 0; n < count; ++n) {
        const T* __restrict part = parts[n];
        if (n == 0 && !keep) {
          for (int64_t i = begin; i < end; ++i) sum[i] = part[i];
        } else {
          for (int64_t i = begin; i < end; ++i) sum[i] += part[i];
        }
      }
#pragma omp simd reduction(+ : squares)
      for (int64_t i = begin; i < end; ++i) {
        const double value = sum[i];
        squares += value * value;
      }
    }
    return squares;
  }

  static void Adam(const AdamStep& step, int64_t count, const T* gradient, T* first, T* second,
                   T* parameters) {
    ApplyAdam<Set>(step, count, gradient, first, second, parameters);
  }

  static constexpr HostKernels<T> Table(const char* name) {
    return {name,
            Expand,
            Collect,
            Contract,
            Activate<TanhFunction>,
            Activate<ReluFunction>,
            Differentiate<TanhFunction>,
            Differentiate<ReluFunction>,
            AddParts,
            Adam};
  }
};

}  // namespace shoal
