// A minibatch in LibTorch's operations: for CUDA, and for any device whose memory the host cannot
// reach.
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/sqrt.h>
#include <torch/version.h>

#include <array>
#include <cmath>

#include "absl/strings/str_format.h"
#include "learner/ppo/engines.h"
#include "learner/ppo/flat_state.h"
#include "learner/ppo/heads.h"
#include "learner/ppo/minibatch.h"
#include "learner/ppo/torch_network.h"
#include "learner/ppo/torch_scope.h"

namespace shoal {
namespace {

template <typename T>
class DeviceEngine final : public Engine {
 public:
  DeviceEngine(const EngineOptions& options, c10::Device device)
      : options_(options),
        layout_(MakeParameterLayout(options.obs_dim, options.hidden_sizes)),
        device_(device),
        state_(layout_.size, device),
        advantages_(options.batch_size),
        actions_(options.batch_size),
        targets_(options.batch_size) {
    for (int network = 0; network < kNetworks; ++network) {
      const std::vector<LayerLayout>& layers = layout_.networks[network];
      Network& one = networks_[network];
      one.weights = MakeViews(state_.parameters, layers);
      one.gradient = MakeViews(state_.gradient, layers);
      one.all = MakeActivations(layers, options.batch_size, state_.options);
      const auto on_host = state_.options.device(at::kCPU);
      one.observations = at::empty(one.all.inputs[0].sizes(), on_host);
      one.output = at::empty(one.all.output.sizes(), on_host);
      one.output_gradient = at::empty(one.all.output.sizes(), on_host);
    }
  }

  const ParameterLayout& layout() const override { return layout_; }

  absl::StatusOr<MinibatchLosses> ComputeGradient(const RowBatch& batch,
                                                  absl::Span<const uint32_t> indices,
                                                  double entropy_coef) override {
    MinibatchLosses losses;
    absl::Status status = RunTorch("gradient", [&] {
      NormaliseAdvantages(batch, indices, advantages_.data());
      PolicySums sums;
      double squared_error = 0;
      const auto rows = static_cast<int64_t>(indices.size());
      const T scale = static_cast<T>(1.0 / rows);
      RunNetwork(batch, indices, kPolicyNetwork, [&](const T* output, T* gradient) {
        sums = PolicyHead<T>(output, actions_.data(), targets_.data(), advantages_.data(), rows,
                             scale, static_cast<T>(options_.clip_range),
                             static_cast<T>(entropy_coef), gradient);
      });
      RunNetwork(batch, indices, kValueNetwork, [&](const T* output, T* gradient) {
        squared_error = ValueHead<T>(output, targets_.data(), rows, scale,
                                     static_cast<T>(options_.vf_coef), gradient);
      });
      losses = MeanLosses(sums, squared_error, rows, options_.vf_coef, entropy_coef);
      for (int network = 0; network < kNetworks; ++network) {
        norms_[network] = at::linalg_vector_norm(PartOf(state_.gradient, network), 2,
                                                 at::OptionalIntArrayRef(), false, at::kDouble)
                              .template item<double>();
      }
      losses.gradient_norm = std::hypot(norms_[kPolicyNetwork], norms_[kValueNetwork]);
    });
    if (!status.ok()) return status;
    return losses;
  }

  absl::Status ApplyGradient(double learning_rate) override {
    return RunTorch("Adam step", [&] {
      ++state_.adam_steps;
      for (int network = 0; network < kNetworks; ++network) {
        Step(network, ClippedStep(state_.adam_steps, learning_rate, norms_[network], options_));
      }
    });
  }

  std::vector<double> Gradient() const noexcept override { return state_.ToHost(state_.gradient); }
  EngineState State() const noexcept override { return state_.Read(); }
  absl::Status SetState(const EngineState& state) override {
    return RunTorch("setting the weights", [&] { state_.Write(state); });
  }

  std::string device_description() const override {
    return absl::StrFormat("%s, minibatches as a whole, LibTorch %s", device_.str(),
                           TORCH_VERSION);
  }

 private:
  // The last three are the host's copies of the device's tensors.
  struct Network {
    std::vector<LayerViews> weights;
    std::vector<LayerViews> gradient;
    Activations all;
    at::Tensor observations;
    at::Tensor output;
    at::Tensor output_gradient;
  };

  static T* Data(const at::Tensor& tensor) { return tensor.data_ptr<T>(); }

  // head(output, output_gradient) fills the second from the first, on the host.
  template <typename Head>
  void RunNetwork(const RowBatch& batch, absl::Span<const uint32_t> indices, int network,
                  Head&& head) {
    Network& one = networks_[network];
    const auto rows = static_cast<int64_t>(indices.size());
    GatherRows(batch, indices, network, Data(one.observations), actions_.data(),
               targets_.data());
    Activations part = FirstRows(one.all, rows);
    part.inputs[0].copy_(one.observations.narrow(0, 0, rows));
    Forward(one.weights, options_.activation, part);
    one.output.narrow(0, 0, rows).copy_(part.output);
    head(Data(one.output), Data(one.output_gradient));
    part.output_gradient.copy_(one.output_gradient.narrow(0, 0, rows));
    Backward(one.weights, options_.activation, part, one.gradient);
  }

  // A network's part of a flat vector; shares its memory.
  at::Tensor PartOf(const at::Tensor& flat, int network) const {
    return flat.narrow(0, layout_.begin(network), layout_.end(network) - layout_.begin(network));
  }

  // ApplyAdam (adam.h) in the device's own operations. Overwrites the gradient.
  void Step(int network, const AdamStep& step) {
    at::Tensor gradient = PartOf(state_.gradient, network);
    at::Tensor first = PartOf(state_.first_moment, network);
    at::Tensor second = PartOf(state_.second_moment, network);
    gradient.mul_(step.gradient_scale);
    first.mul_(kAdamBeta1).add_(gradient, 1 - kAdamBeta1);
    second.mul_(kAdamBeta2).addcmul_(gradient, gradient, 1 - kAdamBeta2);
    at::sqrt_out(gradient, second);
    gradient.mul_(step.root_correction).add_(step.epsilon);
    PartOf(state_.parameters, network).addcdiv_(first, gradient, -step.step_size);
  }

  const EngineOptions options_;
  const ParameterLayout layout_;
  const c10::Device device_;
  FlatState<T> state_;
  std::array<Network, kNetworks> networks_;
  std::vector<T> advantages_;  // Normalised, of one minibatch.
  std::vector<uint8_t> actions_;
  std::vector<float> targets_;                // Behaviour log-probabilities or returns.
  std::array<double, kNetworks> norms_ = {};  // Of the last gradient, by network.
};

}  // namespace

template <typename T>
std::unique_ptr<Engine> MakeDeviceEngine(const EngineOptions& options, c10::Device device) {
  return std::make_unique<DeviceEngine<T>>(options, device);
}

template std::unique_ptr<Engine> MakeDeviceEngine<float>(const EngineOptions&, c10::Device);
template std::unique_ptr<Engine> MakeDeviceEngine<double>(const EngineOptions&, c10::Device);

}  // namespace shoal
