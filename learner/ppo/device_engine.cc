// An update in LibTorch's operations, for CUDA and for any device whose memory the host cannot
// reach.
//
// The host only gives orders. Rows are on the device from BeginUpdate on, and so are Adam's number
// of steps, the sums of losses and the decision whether a minibatch makes a step: 0-dimensional
// tensors choose what is kept, by where() and never by a product, which would let a NaN through.
// EndUpdate reads the sums: the one place where the host waits, but for pieces of DeviceUpload.
//
// A minibatch of full size is always the same operations on the same memory, so after a few that
// warm the device's libraries up it is recorded and from then on replayed. Those few are
// minibatches of the update like any other, so warming up leaves no trace.
#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/hypot.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/stack.h>
#include <torch/version.h>

#include <array>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "learner/ppo/adam.h"
#include "learner/ppo/device_heads.h"
#include "learner/ppo/device_stream.h"
#include "learner/ppo/device_upload.h"
#include "learner/ppo/engines.h"
#include "learner/ppo/flat_state.h"
#include "learner/ppo/minibatch.h"
#include "learner/ppo/torch_network.h"
#include "learner/ppo/torch_scope.h"

namespace shoal {
namespace {

// Minibatches before one is recorded: as many as PyTorch's notes on CUDA graphs ask for.
constexpr int kWarmUps = 3;

template <typename T>
class DeviceEngine final : public Engine {
 public:
  // Within stream->Use.
  DeviceEngine(const EngineOptions& options, const ChosenDevice& device,
               std::unique_ptr<DeviceStream> stream)
      : options_(options),
        why_(device.why),
        is_cuda_(device.device.is_cuda()),
        layout_(MakeParameterLayout(options.obs_dim, options.hidden_sizes)),
        stream_(std::move(stream)),
        upload_(*stream_),
        state_(layout_.size, device.device),
        numbers_(at::zeros({kNumbers}, state_.options.dtype(at::kDouble))),
        action_names_(at::arange(kPolicyActions, state_.options.dtype(at::kByte))),
        indices_(at::zeros({options.batch_size}, state_.options.dtype(at::kLong))) {
    // Of the process: nothing else in a learner multiplies on a GPU.
    if (is_cuda_) at::globalContext().setAllowTF32CuBLAS(options.tf32);
    for (int network = 0; network < kNetworks; ++network) {
      const std::vector<LayerLayout>& layers = layout_.networks[network];
      Network& one = networks_[network];
      one.weights = MakeViews(state_.parameters, layers);
      one.gradient = MakeViews(state_.gradient, layers);
      one.all = MakeActivations(layers, options.batch_size, state_.options);
    }
    networks_[kValueNetwork].all.inputs[0] = networks_[kPolicyNetwork].all.inputs[0];
    Grow(options.batch_size);
  }

  const ParameterLayout& layout() const override { return layout_; }

  absl::Status BeginUpdate(const RowBatch& batch) override {
    return Run("rows", [&] {
      if (batch.rows > capacity_) Grow(batch.rows);
      warm_ups_ = 0;
      upload_.Copy<float>(batch.observations.data(), batch.rows * options_.obs_dim,
                          columns_.observations.view({-1}));
      upload_.Copy<uint8_t>(batch.actions.data(), batch.rows, columns_.actions);
      upload_.Copy<float>(batch.log_probs.data(), batch.rows, columns_.log_probs);
      upload_.Copy<float>(batch.advantages.data(), batch.rows, columns_.advantages);
      upload_.Copy<float>(batch.returns.data(), batch.rows, columns_.returns);
      numbers_.narrow(0, 0, kAdamSteps).zero_();
    });
  }

  absl::Status RunEpoch(absl::Span<const uint32_t> order, double learning_rate,
                        double entropy_coef) override {
    return Run("epoch", [&] {
      const auto count = static_cast<int64_t>(order.size());
      upload_.Copy<int64_t>(order.data(), count, columns_.order);
      Number(kLearningRate).fill_(learning_rate);
      Number(kEntropyCoef).fill_(entropy_coef);
      ForMinibatches(count, options_.batch_size, [&](int64_t first, int64_t rows) {
        indices_.narrow(0, 0, rows).copy_(columns_.order.narrow(0, first, rows));
        RunMinibatch(rows);
      });
    });
  }

  absl::StatusOr<UpdateSums> EndUpdate() override {
    UpdateSums sums;
    absl::Status status = Run("end of the update", [&] {
      const at::Tensor host = numbers_.cpu();
      const double* n = host.data_ptr<double>();
      sums.losses = {n[kPolicyLoss], n[kValueLoss],    n[kEntropy],
                     n[kApproxKl],   n[kClipFraction], n[kGradientNorm]};
      sums.minibatches = static_cast<int64_t>(n[kMade]);
      sums.skipped = static_cast<int64_t>(n[kSkipped]);
      sums.skipped_loss = n[kSkippedLoss];
      sums.skipped_norm = n[kSkippedNorm];
    });
    if (!status.ok()) return status;
    return sums;
  }

  std::vector<double> Gradient() const noexcept override {
    std::vector<double> gradient;
    stream_->Use([&] { gradient = state_.ToHost(state_.gradient); });
    return gradient;
  }
  EngineState State() const noexcept override {
    EngineState state;
    stream_->Use([&] {
      const c10::InferenceMode no_gradients;
      state = state_.Read(static_cast<int64_t>(Number(kAdamSteps).template item<double>()));
    });
    return state;
  }
  absl::Status SetState(const EngineState& state) override {
    return Run("setting the weights", [&] {
      state_.Write(state);
      Number(kAdamSteps).fill_(static_cast<double>(state.adam_steps));
    });
  }

  std::string device_description() const override {
    return absl::StrCat(stream_->description(), is_cuda_ ? ", TF32 " : "",
                        is_cuda_ ? (options_.tf32 ? "on" : "off") : "", ", LibTorch ",
                        TORCH_VERSION, "; ", why_);
  }

 private:
  struct Network {
    std::vector<LayerViews> weights;
    std::vector<LayerViews> gradient;
    Activations all;  // Observations are one tensor for both networks.
  };

  // capacity_ rows of an update.
  struct Columns {
    at::Tensor observations;
    at::Tensor actions;
    at::Tensor log_probs;
    at::Tensor advantages;
    at::Tensor returns;
    at::Tensor order;  // Of the epoch.
  };

  // What numbers_ holds. All before kAdamSteps begins at 0 in each update, the first six in
  // MinibatchLosses' order.
  enum NumberIndex {
    kPolicyLoss,
    kValueLoss,
    kEntropy,
    kApproxKl,
    kClipFraction,
    kGradientNorm,
    kMade,
    kSkipped,
    kSkippedLoss,
    kSkippedNorm,
    kAdamSteps,
    kLearningRate,
    kEntropyCoef,
    kNumbers
  };

  // `code` with the stream current.
  absl::Status Run(absl::string_view what, absl::FunctionRef<void()> code) {
    return RunTorch(what, [&] { stream_->Use(code); });
  }

  at::Tensor Number(NumberIndex index) const { return numbers_.select(0, index); }

  // A network's part of a flat vector; shares its memory.
  at::Tensor PartOf(const at::Tensor& flat, int network) const {
    return flat.narrow(0, layout_.begin(network), layout_.end(network) - layout_.begin(network));
  }

  // Room for `rows` rows and some more. What was recorded knows the old columns.
  void Grow(int64_t rows) {
    recording_ = nullptr;
    columns_ = {};
    capacity_ = rows + rows / 4;
    const auto make = [&](at::ScalarType type) {
      return at::empty({capacity_}, state_.options.dtype(type));
    };
    const at::ScalarType type = c10::CppTypeToScalarType<T>::value;
    columns_ = {at::empty({capacity_, options_.obs_dim}, state_.options),
                make(at::kByte),
                make(type),
                make(type),
                make(type),
                make(at::kLong)};
  }

  // On the rows named in the first `rows` of indices_.
  void RunMinibatch(int64_t rows) {
    if (rows < options_.batch_size) return Minibatch(rows);
    if (recording_ == nullptr) {
      if (warm_ups_ < kWarmUps) {
        ++warm_ups_;
        return Minibatch(rows);
      }
      recording_ = stream_->Record([this, rows] { Minibatch(rows); });
    }
    recording_->Replay();
  }

  // Waits for nothing, and takes nothing from the host but what never changes.
  void Minibatch(int64_t rows) {
    const at::Tensor indices = indices_.narrow(0, 0, rows);
    const auto pick = [&](const at::Tensor& column) { return column.index_select(0, indices); };
    Activations policy = FirstRows(networks_[kPolicyNetwork].all, rows);
    Activations value = FirstRows(networks_[kValueNetwork].all, rows);
    at::index_select_out(policy.inputs[0], columns_.observations, 0, indices);

    Forward(networks_[kPolicyNetwork].weights, options_.activation, policy);
    const DevicePolicySums sums = PolicyHeadOnDevice<T>(
        policy.output, pick(columns_.actions).unsqueeze(1).eq(action_names_),
        pick(columns_.log_probs), NormaliseOnDevice(pick(columns_.advantages)),
        static_cast<T>(options_.clip_range), Number(kEntropyCoef), policy.output_gradient);
    Backward(networks_[kPolicyNetwork].weights, options_.activation, policy,
             networks_[kPolicyNetwork].gradient);

    Forward(networks_[kValueNetwork].weights, options_.activation, value);
    const at::Tensor squared_error =
        ValueHeadOnDevice<T>(value.output, pick(columns_.returns), static_cast<T>(options_.vf_coef),
                             value.output_gradient);
    Backward(networks_[kValueNetwork].weights, options_.activation, value,
             networks_[kValueNetwork].gradient);

    std::array<at::Tensor, kNetworks> norms;
    for (int network = 0; network < kNetworks; ++network) {
      norms[network] = at::linalg_vector_norm(PartOf(state_.gradient, network), 2,
                                              at::OptionalIntArrayRef(), false, at::kDouble);
    }
    Step(norms, Judge(at::stack({sums.policy_loss / rows, squared_error / rows, sums.entropy / rows,
                                 sums.approx_kl / rows, sums.clipped / rows,
                                 at::hypot(norms[kPolicyNetwork], norms[kValueNetwork])})));
  }

  // `losses`: MinibatchLosses. Whether the minibatch makes a step; counts it either way.
  at::Tensor Judge(const at::Tensor& losses) {
    const auto loss = [&](NumberIndex index) { return losses.select(0, index); };
    const at::Tensor total = loss(kPolicyLoss) + loss(kValueLoss) * options_.vf_coef -
                             loss(kEntropy) * Number(kEntropyCoef);
    const at::Tensor finite = total.isfinite().logical_and(loss(kGradientNorm).isfinite());
    const at::Tensor open = Number(kSkipped).lt(options_.max_skipped);
    const at::Tensor makes_step = open.logical_and(finite);
    const at::Tensor is_skipped = open.logical_and(finite.logical_not());
    numbers_.narrow(0, 0, losses.size(0))
        .add_(at::where(makes_step, losses, at::zeros_like(losses)));
    Number(kMade).add_(makes_step);
    Number(kSkipped).add_(is_skipped);
    Keep(is_skipped, total, Number(kSkippedLoss));
    Keep(is_skipped, loss(kGradientNorm), Number(kSkippedNorm));
    return makes_step;
  }

  // ApplyAdam and ClippedStep (adam.h, minibatch.h), where `makes_step`.
  void Step(const std::array<at::Tensor, kNetworks>& norms, const at::Tensor& makes_step) {
    const at::Tensor step = Number(kAdamSteps) + 1;
    const at::Tensor step_size = Number(kLearningRate) / (1 - at::pow(kAdamBeta1, step));
    const at::Tensor root_correction = (1 - at::pow(kAdamBeta2, step)).rsqrt();
    at::Tensor g = at::empty_like(state_.gradient);
    for (int network = 0; network < kNetworks; ++network) {
      at::Tensor part = PartOf(g, network);
      at::mul_out(part, PartOf(state_.gradient, network),
                  (options_.max_grad_norm / (norms[network] + kNormEpsilon)).clamp_max(1.0));
    }
    const at::Tensor first = state_.first_moment * kAdamBeta1 + g * (1 - kAdamBeta1);
    const at::Tensor second = state_.second_moment * kAdamBeta2 + g * g * (1 - kAdamBeta2);
    const at::Tensor moved =
        state_.parameters -
        step_size * first / (second.sqrt() * root_correction + options_.adam_epsilon);
    Keep(makes_step, first, state_.first_moment);
    Keep(makes_step, second, state_.second_moment);
    Keep(makes_step, moved, state_.parameters);
    Number(kAdamSteps).add_(makes_step);
  }

  // to = condition ? from : to
  static void Keep(const at::Tensor& condition, const at::Tensor& from, const at::Tensor& to) {
    to.copy_(at::where(condition, from, to));
  }

  const EngineOptions options_;
  const std::string why_;
  const bool is_cuda_;
  const ParameterLayout layout_;
  const std::unique_ptr<DeviceStream> stream_;
  DeviceUpload upload_;
  FlatState<T> state_;
  const at::Tensor numbers_;       // By NumberIndex, double.
  const at::Tensor action_names_;  // 0 to kPolicyActions - 1.
  const at::Tensor indices_;       // Of the minibatch's rows.
  std::array<Network, kNetworks> networks_;
  Columns columns_;
  int64_t capacity_ = 0;
  int warm_ups_ = 0;                                    // Since BeginUpdate.
  std::unique_ptr<DeviceStream::Recording> recording_;  // Of a full minibatch on these columns.
};

}  // namespace

template <typename T>
std::unique_ptr<Engine> MakeDeviceEngine(const EngineOptions& options, const ChosenDevice& device) {
  std::unique_ptr<DeviceStream> stream = MakeDeviceStream(device.device);
  DeviceStream& current = *stream;
  std::unique_ptr<Engine> engine;
  current.Use(
      [&] { engine = std::make_unique<DeviceEngine<T>>(options, device, std::move(stream)); });
  return engine;
}

template std::unique_ptr<Engine> MakeDeviceEngine<float>(const EngineOptions&, const ChosenDevice&);
template std::unique_ptr<Engine> MakeDeviceEngine<double>(const EngineOptions&,
                                                          const ChosenDevice&);

}  // namespace shoal
