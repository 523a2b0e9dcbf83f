// One fully connected network, forward and backward, in LibTorch's operations, for any device; and
// views of a flat parameter vector. For the engines: this header includes LibTorch's.
//
// All tensors are made once; a step allocates nothing. Shapes are [rows, width], row-major.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/tanh_backward.h>
#include <ATen/ops/threshold_backward.h>

#include <vector>

#include "actor/policy/weights.h"
#include "learner/ppo/layout.h"

namespace shoal {

// A layer's part of a flat vector, as views of it.
struct LayerViews {
  at::Tensor weight;             // [out, in]
  at::Tensor weight_transposed;  // [in, out], the same memory.
  at::Tensor bias;               // [out]
};

inline std::vector<LayerViews> MakeViews(const at::Tensor& flat,
                                         const std::vector<LayerLayout>& layers) {
  std::vector<LayerViews> views;
  for (const LayerLayout& layer : layers) {
    at::Tensor weight =
        flat.narrow(0, layer.weight, layer.out * layer.in).view({layer.out, layer.in});
    views.push_back({weight, weight.t(), flat.narrow(0, layer.bias, layer.out)});
  }
  return views;
}

// What one pass over some rows needs to keep.
struct Activations {
  std::vector<at::Tensor> inputs;           // Of each layer; inputs[0] are the observations.
  std::vector<at::Tensor> input_gradients;  // Of each layer but the first, where it is undefined.
  at::Tensor output;
  at::Tensor output_gradient;
};

inline Activations MakeActivations(const std::vector<LayerLayout>& layers, int64_t rows,
                                   const at::TensorOptions& options) {
  Activations made;
  for (size_t i = 0; i < layers.size(); ++i) {
    made.inputs.push_back(at::empty({rows, layers[i].in}, options));
    made.input_gradients.push_back(i == 0 ? at::Tensor()
                                          : at::empty({rows, layers[i].in}, options));
  }
  made.output = at::empty({rows, layers.back().out}, options);
  made.output_gradient = at::empty({rows, layers.back().out}, options);
  return made;
}

// The first `rows` rows, as views.
inline Activations FirstRows(const Activations& all, int64_t rows) {
  Activations part;
  for (size_t i = 0; i < all.inputs.size(); ++i) {
    part.inputs.push_back(all.inputs[i].narrow(0, 0, rows));
    part.input_gradients.push_back(i == 0 ? at::Tensor()
                                          : all.input_gradients[i].narrow(0, 0, rows));
  }
  part.output = all.output.narrow(0, 0, rows);
  part.output_gradient = all.output_gradient.narrow(0, 0, rows);
  return part;
}

// inputs[0] -> output.
inline void Forward(const std::vector<LayerViews>& weights, Activation activation,
                    Activations& at) {
  for (size_t i = 0; i < weights.size(); ++i) {
    const bool head = i + 1 == weights.size();
    at::Tensor& out = head ? at.output : at.inputs[i + 1];
    at::addmm_out(out, weights[i].bias, at.inputs[i], weights[i].weight_transposed);
    if (head) break;
    if (activation == Activation::kTanh) {
      at::tanh_out(out, out);
    } else {
      at::relu_(out);
    }
  }
}

// output_gradient -> gradient, after Forward on the same weights.
inline void Backward(const std::vector<LayerViews>& weights, Activation activation, Activations& at,
                     std::vector<LayerViews>& gradient) {
  for (size_t i = weights.size(); i-- > 0;) {
    at::Tensor& delta = i + 1 == weights.size() ? at.output_gradient : at.input_gradients[i + 1];
    at::mm_out(gradient[i].weight, delta.t(), at.inputs[i]);
    at::sum_out(gradient[i].bias, delta, at::IntArrayRef{0});
    if (i == 0) break;
    at::Tensor& below = at.input_gradients[i];
    at::mm_out(below, delta, weights[i].weight);
    if (activation == Activation::kTanh) {
      at::tanh_backward_out(below, below, at.inputs[i]);
    } else {
      at::threshold_backward_out(below, below, at.inputs[i], 0);
    }
  }
}

}  // namespace shoal
