// An update on the CPU: minibatches one by one, slices of rows on own threads, their gradients
// added in slice order.
#include <torch/version.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/str_format.h"
#include "learner/ppo/engines.h"
#include "learner/ppo/flat_state.h"
#include "learner/ppo/heads.h"
#include "learner/ppo/host_kernels.h"
#include "learner/ppo/host_network.h"
#include "learner/ppo/minibatch.h"
#include "learner/ppo/torch_scope.h"
#include "learner/ppo/worker_pool.h"

namespace shoal {
namespace {

// Slices whose gradients are held at once; bounds memory, not part of the result.
constexpr int64_t kWaveSlices = 16;
// Parameters per task when gradients are added and Adam is applied. Sums of squares are folded by
// chunk, so this is part of the result.
constexpr int64_t kChunk = 16384;

template <typename T>
class HostEngine final : public Engine {
 public:
  HostEngine(const EngineOptions& options, const ChosenDevice& device)
      : options_(options),
        why_(device.why),
        layout_(MakeParameterLayout(options.obs_dim, options.hidden_sizes)),
        kernels_(*AvailableHostKernels<T>().back()),
        pool_(options.threads, UseOneTorchThread),
        state_(layout_.size, c10::Device(c10::kCPU)),
        advantages_(options.batch_size),
        policy_sums_(SlicesOf(options.batch_size)),
        value_sums_(SlicesOf(options.batch_size)),
        chunk_squares_(ChunkCount()) {
    const int64_t rows = std::min(kSliceRows, options.batch_size);
    for (int worker = 0; worker < pool_.threads(); ++worker) {
      workers_.push_back({HostPass<T>(layout_.networks[0], rows, options.activation, kernels_),
                          std::vector<uint8_t>(rows), std::vector<float>(rows)});
    }
    slices_.resize(std::min(kWaveSlices, SlicesOf(options.batch_size)));
    for (SliceGradient& slice : slices_) {
      slice.flat = at::empty({layout_.size}, state_.options);
      slice_data_.push_back(Data(slice.flat));
    }
    for (int network = 0; network < kNetworks; ++network) {
      const std::vector<LayerLayout>& layers = layout_.networks[network];
      weights_[network] = MakeViews(state_.parameters, layers);
      for (SliceGradient& slice : slices_) slice.views[network] = MakeViews(slice.flat, layers);
    }
  }

  const ParameterLayout& layout() const override { return layout_; }

  absl::Status BeginUpdate(const RowBatch& batch) override {
    batch_ = &batch;
    sums_ = {};
    return absl::OkStatus();
  }

  absl::Status RunEpoch(absl::Span<const uint32_t> order, double learning_rate,
                        double entropy_coef) override {
    return RunTorch("epoch", [&] {
      ForMinibatches(order.size(), options_.batch_size, [&](int64_t first, int64_t rows) {
        if (sums_.skipped < options_.max_skipped) {
          RunMinibatch(order.subspan(first, rows), learning_rate, entropy_coef);
        }
      });
    });
  }

  absl::StatusOr<UpdateSums> EndUpdate() override {
    batch_ = nullptr;
    return sums_;
  }

  std::vector<double> Gradient() const noexcept override { return state_.ToHost(state_.gradient); }
  EngineState State() const noexcept override { return state_.Read(adam_steps_); }
  absl::Status SetState(const EngineState& state) override {
    return RunTorch("setting the weights", [&] {
      state_.Write(state);
      adam_steps_ = state.adam_steps;
    });
  }

  std::string device_description() const override {
    return absl::StrFormat("cpu (%s), %d thread%s, slices of %d rows, LibTorch %s; %s",
                           kernels_.name, pool_.threads(), pool_.threads() == 1 ? "" : "s",
                           kSliceRows, TORCH_VERSION, why_);
  }

 private:
  // What a task of one thread on one network works in.
  struct Worker {
    HostPass<T> pass;
    std::vector<uint8_t> actions;
    std::vector<float> targets;  // Behaviour log-probabilities or returns.
  };

  struct SliceGradient {
    at::Tensor flat;
    std::array<std::vector<LayerViews>, kNetworks> views;
  };

  static T* Data(const at::Tensor& tensor) { return tensor.data_ptr<T>(); }
  static int64_t SlicesOf(int64_t rows) { return (rows + kSliceRows - 1) / kSliceRows; }
  // The parameter vector in pieces that threads share out; none reaches into both networks.
  struct Chunk {
    int network;
    int64_t begin;
    int64_t size;
  };
  int64_t ChunkCount(int network) const {
    return (layout_.end(network) - layout_.begin(network) + kChunk - 1) / kChunk;
  }
  int64_t ChunkCount() const { return ChunkCount(kPolicyNetwork) + ChunkCount(kValueNetwork); }
  Chunk ChunkOf(int64_t index) const {
    const int64_t policy_chunks = ChunkCount(kPolicyNetwork);
    const int network = index < policy_chunks ? kPolicyNetwork : kValueNetwork;
    const int64_t begin =
        layout_.begin(network) + (index - (network == kValueNetwork ? policy_chunks : 0)) * kChunk;
    return {network, begin, std::min(kChunk, layout_.end(network) - begin)};
  }

  void RunMinibatch(absl::Span<const uint32_t> indices, double learning_rate, double entropy_coef) {
    const MinibatchLosses losses = ComputeGradient(indices, entropy_coef);
    const double total = TotalLoss(losses, options_.vf_coef, entropy_coef);
    if (!std::isfinite(total) || !std::isfinite(losses.gradient_norm)) {
      ++sums_.skipped;
      sums_.skipped_loss = total;
      sums_.skipped_norm = losses.gradient_norm;
      return;
    }
    sums_.losses.policy_loss += losses.policy_loss;
    sums_.losses.value_loss += losses.value_loss;
    sums_.losses.entropy += losses.entropy;
    sums_.losses.approx_kl += losses.approx_kl;
    sums_.losses.clip_fraction += losses.clip_fraction;
    sums_.losses.gradient_norm += losses.gradient_norm;
    ++sums_.minibatches;
    ApplyGradient(learning_rate);
  }

  // The gradient and its norms are kept for ApplyGradient.
  MinibatchLosses ComputeGradient(absl::Span<const uint32_t> indices, double entropy_coef) {
    NormaliseAdvantages(*batch_, indices, advantages_.data());
    const int64_t slices = SlicesOf(indices.size());
    for (int64_t wave = 0; wave < slices; wave += kWaveSlices) {
      const int64_t count = std::min(kWaveSlices, slices - wave);
      // Both networks of a slice before the next slice: their rows are still in the cache.
      pool_.Run(count * kNetworks, [&](int64_t task, int worker) {
        c10::InferenceMode no_gradients;  // A property of the thread.
        RunTask(indices, wave, task / kNetworks, static_cast<int>(task % kNetworks), entropy_coef,
                workers_[worker]);
      });
      AddSlices(count, wave > 0);
    }
    MinibatchLosses losses = FoldLosses(indices.size(), slices);
    MeasureNorms();
    losses.gradient_norm = std::hypot(norms_[kPolicyNetwork], norms_[kValueNetwork]);
    return losses;
  }

  void ApplyGradient(double learning_rate) {
    ++adam_steps_;
    const auto step_of = [&](int network) {
      return ClippedStep(adam_steps_, learning_rate, norms_[network], options_);
    };
    const std::array<AdamStep, kNetworks> steps = {step_of(kPolicyNetwork), step_of(kValueNetwork)};
    pool_.Run(ChunkCount(), [&](int64_t index, int) {
      const Chunk chunk = ChunkOf(index);
      kernels_.adam(steps[chunk.network], chunk.size, Data(state_.gradient) + chunk.begin,
                    Data(state_.first_moment) + chunk.begin,
                    Data(state_.second_moment) + chunk.begin,
                    Data(state_.parameters) + chunk.begin);
    });
  }

  // One network on slice wave + slice; its gradient goes to slices_[slice].
  void RunTask(absl::Span<const uint32_t> indices, int64_t wave, int64_t slice, int network,
               double entropy_coef, Worker& worker) {
    const int64_t begin = (wave + slice) * kSliceRows;
    const auto rows = indices.subspan(begin, kSliceRows);
    const auto count = static_cast<int64_t>(rows.size());
    HostPass<T>& pass = worker.pass;
    GatherRows(*batch_, rows, network, pass.observations(), worker.actions.data(),
               worker.targets.data());
    pass.Forward(weights_[network], count);
    const T scale = static_cast<T>(1.0 / indices.size());
    if (network == kPolicyNetwork) {
      policy_sums_[wave + slice] = PolicyHead<T>(
          pass.outputs(), worker.actions.data(), worker.targets.data(), advantages_.data() + begin,
          count, scale, static_cast<T>(options_.clip_range), static_cast<T>(entropy_coef),
          pass.output_gradients());
    } else {
      value_sums_[wave + slice] =
          ValueHead<T>(pass.outputs(), worker.targets.data(), count, scale,
                       static_cast<T>(options_.vf_coef), pass.output_gradients());
    }
    pass.Backward(weights_[network], count, slices_[slice].views[network]);
  }

  // gradient = (keep ? gradient : 0) + the first `count` slices' gradients, in slice order.
  void AddSlices(int64_t count, bool keep) {
    pool_.Run(ChunkCount(), [&](int64_t index, int) {
      const Chunk chunk = ChunkOf(index);
      std::array<const T*, kWaveSlices> parts;
      for (int64_t slice = 0; slice < count; ++slice) {
        parts[slice] = slice_data_[slice] + chunk.begin;
      }
      chunk_squares_[index] = kernels_.add_parts(count, chunk.size, parts.data(), keep,
                                                 Data(state_.gradient) + chunk.begin);
    });
  }

  void MeasureNorms() {
    norms_ = {};
    for (int64_t index = 0; index < ChunkCount(); ++index) {
      norms_[ChunkOf(index).network] += chunk_squares_[index];
    }
    for (double& norm : norms_) norm = std::sqrt(norm);
  }

  MinibatchLosses FoldLosses(int64_t rows, int64_t slices) const {
    PolicySums sums;
    double squared_error = 0;
    for (int64_t slice = 0; slice < slices; ++slice) {
      sums.policy_loss += policy_sums_[slice].policy_loss;
      sums.entropy += policy_sums_[slice].entropy;
      sums.approx_kl += policy_sums_[slice].approx_kl;
      sums.clipped += policy_sums_[slice].clipped;
      squared_error += value_sums_[slice];
    }
    return MeanLosses(sums, squared_error, rows);
  }

  const EngineOptions options_;
  const std::string why_;
  const ParameterLayout layout_;
  const HostKernels<T>& kernels_;
  WorkerPool pool_;
  FlatState<T> state_;
  int64_t adam_steps_ = 0;
  const RowBatch* batch_ = nullptr;  // Of the update that goes on.
  UpdateSums sums_;
  std::array<std::vector<LayerViews>, kNetworks> weights_;  // Views of the parameters.
  std::vector<SliceGradient> slices_;                       // Of one wave.
  std::vector<const T*> slice_data_;                        // Of each, flat.
  std::vector<Worker> workers_;
  std::vector<T> advantages_;            // Normalised, of one minibatch.
  std::vector<PolicySums> policy_sums_;  // By slice of the minibatch.
  std::vector<double> value_sums_;
  std::vector<double> chunk_squares_;
  std::array<double, kNetworks> norms_ = {};  // Of the last gradient, by network.
};

}  // namespace

template <typename T>
std::unique_ptr<Engine> MakeHostEngine(const EngineOptions& options, const ChosenDevice& device) {
  return std::make_unique<HostEngine<T>>(options, device);
}

template std::unique_ptr<Engine> MakeHostEngine<float>(const EngineOptions&, const ChosenDevice&);
template std::unique_ptr<Engine> MakeHostEngine<double>(const EngineOptions&, const ChosenDevice&);

}  // namespace shoal
