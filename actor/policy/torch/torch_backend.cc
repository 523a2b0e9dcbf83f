#include "actor/policy/torch/torch_backend.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <c10/core/InferenceMode.h>
#include <dlfcn.h>
#include <torch/version.h>

#include <exception>
#include <memory>
#include <vector>

namespace shoal {
namespace {

// OpenMP keeps its number of threads for each thread; a new one begins with as many as there are
// cores.
void UseOneThread() {
  thread_local bool done = false;
  if (done) return;
  at::set_num_threads(1);
  done = true;
}

// The instruction set that LibTorch's own kernels use, as its description of itself says.
std::string CpuCapability() {
  const std::string config = at::show_config();
  const std::string label = "CPU capability usage: ";
  const size_t at = config.find(label);
  if (at == std::string::npos) return "cpu-unknown";
  const size_t begin = at + label.size();
  return config.substr(begin, config.find_first_of(" \n", begin) - begin);
}

struct Layer {
  at::Tensor weight;
  at::Tensor bias;
};

at::Tensor FromFloats(const float* values, at::IntArrayRef shape) {
  return at::from_blob(const_cast<float*>(values), shape, at::TensorOptions().dtype(at::kFloat));
}

class TorchBackend : public PolicyBackend {
 public:
  explicit TorchBackend(const PolicyWeights& weights)
      : obs_dim_(weights.obs_dim), activation_(weights.activation) {
    policy_ = Copy(weights.policy);
    value_ = Copy(weights.value);
  }

  void Logits(const float* observations, int64_t rows, float* logits) override {
    Run(policy_, observations, rows, kPolicyActions, logits);
  }
  void Values(const float* observations, int64_t rows, float* values) override {
    Run(value_, observations, rows, 1, values);
  }

  // Activations go by LibTorch's own instruction set, matrix products by BLAS's choice of core.
  std::string kernel_id() const override {
    using CoreName = char*();
    std::string id = std::string("torch-") + TORCH_VERSION + "-" + CpuCapability();
    auto* core = reinterpret_cast<CoreName*>(dlsym(RTLD_DEFAULT, "openblas_get_corename"));
    return id + (core != nullptr ? std::string("-openblas-") + core() : "-blas-unknown");
  }

 private:
  static std::vector<Layer> Copy(const std::vector<DenseLayer>& layers) {
    std::vector<Layer> copies;
    for (const DenseLayer& layer : layers) {
      copies.push_back({FromFloats(layer.weight.data(), {layer.out, layer.in}).clone(),
                        FromFloats(layer.bias.data(), {layer.out}).clone()});
    }
    return copies;
  }

  // Shapes were checked when the backend was made, so that only want of memory can fail here, and
  // that ends the program.
  void Run(const std::vector<Layer>& layers, const float* observations, int64_t rows,
           int64_t outputs, float* out) noexcept {
    if (rows == 0) return;
    UseOneThread();
    const c10::InferenceMode guard;
    at::Tensor x = FromFloats(observations, {rows, obs_dim_});
    for (size_t i = 0; i < layers.size(); ++i) {
      x = at::linear(x, layers[i].weight, layers[i].bias);
      if (i + 1 == layers.size()) break;
      activation_ == Activation::kTanh ? x.tanh_() : x.relu_();
    }
    FromFloats(out, {rows, outputs}).copy_(x);
  }

  int64_t obs_dim_;
  Activation activation_;
  std::vector<Layer> policy_;
  std::vector<Layer> value_;
};

}  // namespace
}  // namespace shoal

extern "C" shoal::PolicyBackend* ShoalCreateTorchBackend1(const shoal::PolicyWeights& weights,
                                                          std::string& error) {
  try {
    shoal::UseOneThread();
    const c10::InferenceMode guard;
    return std::make_unique<shoal::TorchBackend>(weights).release();
  } catch (const std::exception& e) {
    error = e.what();
    return nullptr;
  }
}
