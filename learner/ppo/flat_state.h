// The four flat vectors of an engine, as tensors on its device, and their way to and from the host.
// For the engines: this header includes LibTorch's.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "learner/ppo/engine.h"

namespace shoal {

// T is float or double, and the dtype of all four. `size` values each, in ParameterLayout's order,
// on `device`; zeros at first. Not thread safe. LibTorch's errors are thrown: construct and write
// within RunTorch (torch_scope.h).
template <typename T>
struct FlatState {
  FlatState(int64_t size, c10::Device device)
      : options(at::TensorOptions().dtype(c10::CppTypeToScalarType<T>::value).device(device)),
        parameters(at::zeros({size}, options)),
        gradient(at::zeros({size}, options)),
        first_moment(at::zeros({size}, options)),
        second_moment(at::zeros({size}, options)) {}

  EngineState Read(int64_t adam_steps) const {
    return {ToHost(parameters), ToHost(first_moment), ToHost(second_moment), adam_steps};
  }
  // All but the number of steps.
  void Write(const EngineState& state) {
    FromHost(state.parameters, parameters);
    FromHost(state.first_moment, first_moment);
    FromHost(state.second_moment, second_moment);
  }

  static std::vector<double> ToHost(const at::Tensor& flat) {
    c10::InferenceMode no_gradients;
    const at::Tensor host = flat.cpu();
    const T* data = host.data_ptr<T>();
    return std::vector<double>(data, data + host.numel());
  }
  static void FromHost(const std::vector<double>& values, at::Tensor& flat) {
    at::Tensor host = at::empty(flat.sizes(), flat.options().device(at::kCPU));
    std::copy(values.begin(), values.end(), host.data_ptr<T>());
    flat.copy_(host);
  }

  at::TensorOptions options;
  at::Tensor parameters;
  at::Tensor gradient;
  at::Tensor first_moment;
  at::Tensor second_moment;
};

}  // namespace shoal
