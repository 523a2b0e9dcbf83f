// The fused kernel in AVX2 with fused multiply-add. Compiled with -mavx2 -mfma; reached only on
// processors that have both.
#include "actor/policy/fused_layer.h"

#if defined(__x86_64__)

#include <immintrin.h>

namespace shoal {
namespace {

struct Avx2Vector {
  using Type = __m256;
  static constexpr int kLanes = 8;
  static Type Load(const float* p) { return _mm256_loadu_ps(p); }
  static void Store(float* p, Type a) { _mm256_storeu_ps(p, a); }
  static Type Set(float a) { return _mm256_set1_ps(a); }
  static Type Fma(Type a, Type b, Type c) { return _mm256_fmadd_ps(a, b, c); }
  static Type Mul(Type a, Type b) { return _mm256_mul_ps(a, b); }
  static Type Div(Type a, Type b) { return _mm256_div_ps(a, b); }
  static Type Max(Type a, Type b) { return _mm256_max_ps(a, b); }
  static Type Min(Type a, Type b) { return _mm256_min_ps(a, b); }
};

}  // namespace

// 6 x 2 sums, 2 weights and 1 input fill the 16 registers.
void ForwardAvx2(const PackedLayer& layer, const float* x, int64_t x_stride, int64_t rows,
                 float* y) {
  ForwardLayer<Avx2Vector, Avx2Vector, 6, 2>(layer, x, x_stride, rows, y);
}

}  // namespace shoal

#endif
