#include "learner/ppo/host_network.h"

namespace shoal {
namespace {

// to[c][r] = from[r][c]
template <typename T>
void Transpose(int64_t rows, int64_t columns, const T* from, T* to) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) to[c * rows + r] = from[r * columns + c];
  }
}

}  // namespace

template <typename T>
void HostPass<T>::Forward(const std::vector<LayerViews>& weights, int64_t rows) {
  const size_t head = weights.size() - 1;
  const int64_t outs = weights[head].weight.size(0);
  const T* head_weight = Data(weights[head].weight);
  const T* head_bias = Data(weights[head].bias);
  if (head == 0) {
    kernels_.contract(rows, outs, obs_dim_, observations(), head_weight, head_bias, outputs());
    return;
  }
  Transpose(weights[0].weight.size(0), obs_dim_, Data(weights[0].weight), first_transposed_.data());
  for (size_t l = 0; l < head; ++l) {
    if (l > 0) {
      at::Tensor out = Rows(hidden_[l], rows);
      at::mm_out(out, Rows(hidden_[l - 1], rows), weights[l].weight_transposed);
    }
    const int64_t width = hidden_[l].size(1);
    T* hidden = Data(hidden_[l]);
    const T* bias = Data(weights[l].bias);
    ForBlocks(rows, [&](int64_t begin, int64_t count) {
      T* block = hidden + begin * width;
      if (l == 0) {
        kernels_.expand(count, obs_dim_, width, observations() + begin * obs_dim_,
                        first_transposed_.data(), block);
      }
      activate_(count, width, bias, block);
      if (l + 1 == head) {
        kernels_.contract(count, outs, width, block, head_weight, head_bias,
                          outputs() + begin * outs);
      }
    });
  }
}

template <typename T>
void HostPass<T>::Backward(const std::vector<LayerViews>& weights, int64_t rows,
                           std::vector<LayerViews>& gradient) {
  const size_t head = weights.size() - 1;
  const int64_t outs = weights[head].weight.size(0);
  const T* head_weight = Data(weights[head].weight);
  T* head_gradient = Data(gradient[head].weight);
  std::fill_n(head_gradient, gradient[head].weight.numel(), T{0});
  T* head_bias_gradient = Data(gradient[head].bias);
  std::fill_n(head_bias_gradient, outs, T{0});
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t s = 0; s < outs; ++s) head_bias_gradient[s] += output_gradients_[r * outs + s];
  }
  if (head == 0) {
    kernels_.collect(rows, outs, obs_dim_, output_gradients(), observations(), head_gradient);
    return;
  }
  std::fill(first_transposed_.begin(), first_transposed_.end(), T{0});
  for (size_t l = head; l-- > 0;) {
    if (l + 1 < head) {
      const at::Tensor above = Rows(deltas_[l + 1], rows);
      at::mm_out(gradient[l + 1].weight, above.t(), Rows(hidden_[l], rows));
      at::Tensor below = Rows(deltas_[l], rows);
      at::mm_out(below, above, weights[l + 1].weight);
    }
    const int64_t width = hidden_[l].size(1);
    T* bias_gradient = Data(gradient[l].bias);
    std::fill_n(bias_gradient, width, T{0});
    const T* all_hidden = Data(hidden_[l]);
    T* all_deltas = Data(deltas_[l]);
    ForBlocks(rows, [&](int64_t begin, int64_t count) {
      const T* hidden = all_hidden + begin * width;
      T* delta = all_deltas + begin * width;
      if (l + 1 == head) {
        const T* output_gradient = output_gradients() + begin * outs;
        kernels_.collect(count, outs, width, output_gradient, hidden, head_gradient);
        kernels_.expand(count, outs, width, output_gradient, head_weight, delta);
      }
      differentiate_(count, width, hidden, delta, bias_gradient);
      if (l == 0) {
        kernels_.collect(count, obs_dim_, width, observations() + begin * obs_dim_, delta,
                         first_transposed_.data());
      }
    });
  }
  Transpose(obs_dim_, weights[0].weight.size(0), first_transposed_.data(),
            Data(gradient[0].weight));
}

template class HostPass<float>;
template class HostPass<double>;

}  // namespace shoal
