// The fused kernel: one dense layer with its activation, written once for all instruction sets.
//
// Arithmetic, which every path keeps to the bit: an output starts as its bias and takes
// fma(input, weight, sum) for each input in order; then the activation, whose operations are listed
// at Tanh. Vectors run over outputs, so their width does not matter, and a row never meets another.
//
// An instruction set is a Vector class with kLanes, Type and static functions:
//   Load(const float*), Store(float*, Type), Set(float), Fma(a, b, c) = a * b + c rounded once,
//   Mul(a, b), Div(a, b), Max(a, b) = a > b ? a : b, Min(a, b) = a < b ? a : b.
// It must be local to the file that instantiates ForwardLayer: that gives every function made from
// it internal linkage. The linker keeps one copy of a function with external linkage, and it must
// never be one with instructions that the processor may lack.
#pragma once

#include <cstdint>

namespace shoal {

enum class LayerActivation { kNone, kTanh, kRelu };

// Weights of a dense layer as the kernel reads them. Outputs are padded with zero weights to a
// multiple of 8 and cut into panels of 32, then at most one of 16, then at most one of 8. A panel
// that begins at output c lies at weights + c * in, as [in, width].
struct PackedLayer {
  int64_t in;
  int64_t padded_out;
  const float* weights;  // [in * padded_out], aligned to 64 bytes.
  const float* bias;     // [padded_out].
  LayerActivation activation;
};

// x: [rows, in] with x_stride floats from row to row. y: [rows, padded_out], without gaps.
using LayerFunction = void (*)(const PackedLayer& layer, const float* x, int64_t x_stride,
                               int64_t rows, float* y);

// Width of the panel that begins at output `begin`.
static constexpr int64_t PanelWidth(int64_t padded_out, int64_t begin) {
  const int64_t left = padded_out - begin;
  return left >= 32 ? 32 : left >= 16 ? 16 : 8;
}

void ForwardPortable(const PackedLayer& layer, const float* x, int64_t x_stride, int64_t rows,
                     float* y);
#if defined(__x86_64__)
void ForwardAvx2(const PackedLayer& layer, const float* x, int64_t x_stride, int64_t rows,
                 float* y);
void ForwardAvx512(const PackedLayer& layer, const float* x, int64_t x_stride, int64_t rows,
                   float* y);
#endif

// tanh by x P(x^2) / Q(x^2) on |x| <= 8.5, fitted for the least greatest error (1.1e-8 before
// rounding; below 4e-7 as computed). Beyond, tanh is within 1e-7 of its value at 8.5.
template <typename V>
inline typename V::Type Tanh(typename V::Type x) {
  x = V::Min(V::Max(x, V::Set(-8.5f)), V::Set(8.5f));
  const typename V::Type u = V::Mul(x, x);
  typename V::Type p = V::Set(1.40994842802e-8f);
  p = V::Fma(p, u, V::Set(2.11218038928e-5f));
  p = V::Fma(p, u, V::Set(0.00352583607719f));
  p = V::Fma(p, u, V::Set(0.134062210996f));
  p = V::Fma(p, u, V::Set(0.999999945705f));
  typename V::Type q = V::Set(8.07373511677e-7f);
  q = V::Fma(q, u, V::Set(0.000333571594654f));
  q = V::Fma(q, u, V::Set(0.0259912022681f));
  q = V::Fma(q, u, V::Set(0.467395325404f));
  q = V::Fma(q, u, V::Set(1.0f));
  return V::Div(V::Mul(x, p), q);
}

// kRows rows by kVectors vectors of outputs, held in registers over all inputs.
template <typename V, int kRows, int kVectors>
inline void ForwardBlock(int64_t in, const float* x, int64_t x_stride, const float* weights,
                         int64_t width, const float* bias, float* y, int64_t y_stride) {
  typename V::Type sums[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) sums[r][v] = V::Load(bias + v * V::kLanes);
  }
  for (int64_t k = 0; k < in; ++k, weights += width) {
    typename V::Type w[kVectors];
    for (int v = 0; v < kVectors; ++v) w[v] = V::Load(weights + v * V::kLanes);
    for (int r = 0; r < kRows; ++r) {
      const typename V::Type value = V::Set(x[r * x_stride + k]);
      for (int v = 0; v < kVectors; ++v) sums[r][v] = V::Fma(value, w[v], sums[r][v]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) V::Store(y + r * y_stride + v * V::kLanes, sums[r][v]);
  }
}

// All rows of one strip of outputs: blocks of kRows, then one block of what is left.
template <typename V, int kRows, int kVectors, bool kWhole = true>
inline void ForwardStrip(int64_t in, const float* x, int64_t x_stride, int64_t rows,
                         const float* weights, int64_t width, const float* bias, float* y,
                         int64_t y_stride) {
  if constexpr (kWhole) {
    for (; rows >= kRows; rows -= kRows, x += kRows * x_stride, y += kRows * y_stride) {
      ForwardBlock<V, kRows, kVectors>(in, x, x_stride, weights, width, bias, y, y_stride);
    }
  } else if (rows == kRows) {
    ForwardBlock<V, kRows, kVectors>(in, x, x_stride, weights, width, bias, y, y_stride);
    return;
  }
  if constexpr (kRows > 1) {
    if (rows > 0) {
      ForwardStrip<V, kRows - 1, kVectors, false>(in, x, x_stride, rows, weights, width, bias, y,
                                                  y_stride);
    }
  }
}

// In place; count is a multiple of V::kLanes.
template <typename V>
inline void Activate(LayerActivation activation, int64_t count, float* y) {
  if (activation == LayerActivation::kTanh) {
    for (int64_t i = 0; i < count; i += V::kLanes) V::Store(y + i, Tanh<V>(V::Load(y + i)));
  } else if (activation == LayerActivation::kRelu) {
    const typename V::Type zero = V::Set(0.0f);
    for (int64_t i = 0; i < count; i += V::kLanes) V::Store(y + i, V::Max(V::Load(y + i), zero));
  }
}

// Strips are kVectors Wide vectors, one Wide vector or, for 8 outputs, one Narrow vector.
template <typename Wide, typename Narrow, int kRows, int kVectors>
inline void ForwardLayer(const PackedLayer& layer, const float* x, int64_t x_stride, int64_t rows,
                         float* y) {
  static_assert(Narrow::kLanes == 8 && Wide::kLanes * kVectors <= 32);
  const int64_t in = layer.in;
  const int64_t out = layer.padded_out;
  for (int64_t begin = 0; begin < out;) {
    const int64_t width = PanelWidth(out, begin);
    const float* panel = layer.weights + begin * in;
    for (int64_t c = 0; c < width;) {
      const float* weights = panel + c;
      const float* bias = layer.bias + begin + c;
      float* to = y + begin + c;
      if (width - c >= Wide::kLanes * kVectors) {
        ForwardStrip<Wide, kRows, kVectors>(in, x, x_stride, rows, weights, width, bias, to, out);
        c += Wide::kLanes * kVectors;
      } else if (width - c >= Wide::kLanes) {
        ForwardStrip<Wide, kRows, 1>(in, x, x_stride, rows, weights, width, bias, to, out);
        c += Wide::kLanes;
      } else {
        ForwardStrip<Narrow, kRows, 1>(in, x, x_stride, rows, weights, width, bias, to, out);
        c += Narrow::kLanes;
      }
    }
    begin += width;
  }
  const int64_t count = rows * out;
  const int64_t whole = count / Wide::kLanes * Wide::kLanes;
  Activate<Wide>(layer.activation, whole, y);
  Activate<Narrow>(layer.activation, count - whole, y + whole);
}

}  // namespace shoal
