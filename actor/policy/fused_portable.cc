// The fused kernel in standard C++. std::fma rounds once by definition, so its bits are those of
// the vector paths; where the processor has no such instruction it is slow.
#include <cmath>

#include "actor/policy/fused_layer.h"

namespace shoal {
namespace {

struct PortableVector {
  static constexpr int kLanes = 8;
  struct Type {
    float lane[kLanes];
  };

  template <typename Operation>
  static Type Each(Operation operation) {
    Type result;
    for (int i = 0; i < kLanes; ++i) result.lane[i] = operation(i);
    return result;
  }

  static Type Load(const float* p) {
    return Each([&](int i) { return p[i]; });
  }
  static void Store(float* p, const Type& a) {
    for (int i = 0; i < kLanes; ++i) p[i] = a.lane[i];
  }
  static Type Set(float a) {
    return Each([&](int) { return a; });
  }
  static Type Fma(const Type& a, const Type& b, const Type& c) {
    return Each([&](int i) { return std::fma(a.lane[i], b.lane[i], c.lane[i]); });
  }
  static Type Mul(const Type& a, const Type& b) {
    return Each([&](int i) { return a.lane[i] * b.lane[i]; });
  }
  static Type Div(const Type& a, const Type& b) {
    return Each([&](int i) { return a.lane[i] / b.lane[i]; });
  }
  static Type Max(const Type& a, const Type& b) {
    return Each([&](int i) { return a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]; });
  }
  static Type Min(const Type& a, const Type& b) {
    return Each([&](int i) { return a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]; });
  }
};

}  // namespace

void ForwardPortable(const PackedLayer& layer, const float* x, int64_t x_stride, int64_t rows,
                     float* y) {
  ForwardLayer<PortableVector, PortableVector, 1, 1>(layer, x, x_stride, rows, y);
}

}  // namespace shoal
