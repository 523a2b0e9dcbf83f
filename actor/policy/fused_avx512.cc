// The fused kernel in AVX-512. Compiled with -mavx512f -mavx512vl -mfma; reached only on processors
// that have them.
#include "actor/policy/fused_layer.h"

#if defined(__x86_64__)

#include <immintrin.h>

namespace shoal {
namespace {

struct Avx512Vector {
  using Type = __m512;
  static constexpr int kLanes = 16;
  static Type Load(const float* p) { return _mm512_loadu_ps(p); }
  static void Store(float* p, Type a) { _mm512_storeu_ps(p, a); }
  static Type Set(float a) { return _mm512_set1_ps(a); }
  static Type Fma(Type a, Type b, Type c) { return _mm512_fmadd_ps(a, b, c); }
  static Type Mul(Type a, Type b) { return _mm512_mul_ps(a, b); }
  static Type Div(Type a, Type b) { return _mm512_div_ps(a, b); }
  // GCC 12 takes _mm512_max_ps and _mm512_min_ps for uses of an uninitialised value (bug 105593).
  static Type Max(Type a, Type b) { return a > b ? a : b; }
  static Type Min(Type a, Type b) { return a < b ? a : b; }
};

// For the last 8 outputs.
struct Avx512HalfVector {
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

// 8 x 2 sums, 2 weights and inputs of the 32 registers.
void ForwardAvx512(const PackedLayer& layer, const float* x, int64_t x_stride, int64_t rows,
                   float* y) {
  ForwardLayer<Avx512Vector, Avx512HalfVector, 8, 2>(layer, x, x_stride, rows, y);
}

}  // namespace shoal

#endif
