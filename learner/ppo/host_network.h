// One thread's forward and backward pass on the CPU: LibTorch's matrix products (OpenBLAS) where a
// matrix is large, and host_kernels.h for all else, over blocks of rows that stay in the cache from
// one operation to the next. For host_engine.cc: this header includes LibTorch's.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "actor/policy/weights.h"
#include "learner/ppo/host_kernels.h"
#include "learner/ppo/layout.h"
#include "learner/ppo/torch_network.h"

namespace shoal {

// Room for a pass of either network over up to `max_rows` rows. Allocates nothing after its
// construction but LibTorch's views where a pass has fewer rows. One thread at a time.
template <typename T>
class HostPass {
 public:
  // `layers`: of a network; those of the other differ in the last one's width alone.
  HostPass(const std::vector<LayerLayout>& layers, int64_t max_rows, Activation activation,
           const HostKernels<T>& kernels)
      : kernels_(kernels),
        activate_(activation == Activation::kTanh ? kernels.tanh : kernels.relu),
        differentiate_(activation == Activation::kTanh ? kernels.tanh_backward
                                                       : kernels.relu_backward),
        max_rows_(max_rows),
        obs_dim_(layers[0].in),
        observations_(max_rows * layers[0].in),
        outputs_(max_rows * kPolicyActions),
        output_gradients_(max_rows * kPolicyActions) {
    const auto type = at::TensorOptions().dtype(c10::CppTypeToScalarType<T>::value);
    for (size_t l = 1; l < layers.size(); ++l) {
      hidden_.push_back(at::empty({max_rows, layers[l].in}, type));
      deltas_.push_back(at::empty({max_rows, layers[l].in}, type));
    }
    first_transposed_.resize(layers[0].in * layers[0].out);
  }

  // [rows, obs_dim], to be filled before Forward.
  T* observations() { return observations_.data(); }
  // [rows, the head's width]: Forward's result, and what Backward begins with.
  T* outputs() { return outputs_.data(); }
  T* output_gradients() { return output_gradients_.data(); }

  void Forward(const std::vector<LayerViews>& weights, int64_t rows);
  // Overwrites `gradient`. After Forward on the same weights and rows.
  void Backward(const std::vector<LayerViews>& weights, int64_t rows,
                std::vector<LayerViews>& gradient);

 private:
  // Rows a block has: a few hidden values of them fit into the first-level cache beside the thin
  // layers' weights.
  static constexpr int64_t kBlockRows = 16;

  static T* Data(const at::Tensor& tensor) { return tensor.data_ptr<T>(); }
  at::Tensor Rows(const at::Tensor& tensor, int64_t rows) const {
    return rows == max_rows_ ? tensor : tensor.narrow(0, 0, rows);
  }
  // code(first row, rows)
  template <typename Code>
  static void ForBlocks(int64_t rows, Code&& code) {
    for (int64_t begin = 0; begin < rows; begin += kBlockRows) {
      code(begin, std::min(kBlockRows, rows - begin));
    }
  }
  const HostKernels<T>& kernels_;
  const typename HostKernels<T>::Activate activate_;
  const typename HostKernels<T>::Differentiate differentiate_;
  const int64_t max_rows_;
  const int64_t obs_dim_;
  std::vector<T> observations_;
  std::vector<at::Tensor> hidden_;  // hidden_[l] is what layer l gives and layer l + 1 takes.
  std::vector<at::Tensor> deltas_;  // The loss's gradient by hidden_[l] before its activation.
  std::vector<T> outputs_;
  std::vector<T> output_gradients_;
  std::vector<T> first_transposed_;  // [obs_dim, first width]: weight, then its gradient.
};

}  // namespace shoal
