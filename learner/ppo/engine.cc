#include "learner/ppo/engine.h"

#include <ATen/Parallel.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <torch/cuda.h>
#include <torch/version.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "learner/ppo/adam.h"
#include "learner/ppo/heads.h"
#include "learner/ppo/network.h"
#include "learner/ppo/worker_pool.h"

namespace shoal {
namespace {

// Slices whose gradients are held at once; bounds memory, not part of the result.
constexpr int64_t kWaveSlices = 16;
// Parameters per task when gradients are added and Adam is applied. Sums of squares are folded by
// chunk, so this is part of the result.
constexpr int64_t kChunk = 16384;
constexpr double kAdvantageEpsilon = 1e-8;
constexpr double kNormEpsilon = 1e-6;

// LibTorch's and OpenMP's own threads at 1 in the calling thread. Asking first makes LibTorch do
// what it does at a thread's first use, which would undo the setting later; and setting only what
// differs spares another pool of its own from being rebuilt.
void UseOneTorchThread() {
  if (at::get_num_threads() != 1) at::set_num_threads(1);
}

// Runs code that uses LibTorch, as all of it must be: no gradients recorded, nothing thrown out.
template <typename Code>
absl::Status RunTorch(absl::string_view what, Code&& code) {
  try {
    UseOneTorchThread();
    c10::InferenceMode no_gradients;
    code();
    return absl::OkStatus();
  } catch (const c10::Error& error) {
    return absl::InternalError(absl::StrCat(what, ": ", error.what_without_backtrace()));
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat(what, ": ", error.what()));
  }
}

absl::StatusOr<c10::Device> ResolveDevice(absl::string_view name) {
  const auto count = static_cast<int64_t>(torch::cuda::device_count());
  if (name == "cpu" || (name == "auto" && count == 0)) return c10::Device(c10::kCPU);
  if (name == "auto" || name == "cuda") name = "cuda:0";
  int index = 0;
  absl::string_view digits = name;
  if (!absl::ConsumePrefix(&digits, "cuda:") || digits.empty() || digits.size() > 3 ||
      digits.find_first_not_of("0123456789") != digits.npos || !absl::SimpleAtoi(digits, &index)) {
    return absl::InvalidArgumentError(
        absl::StrCat("device \"", name, "\": must be auto, cpu, cuda or cuda:n"));
  }
  if (index >= count) {
    return absl::FailedPreconditionError(absl::StrCat(
        "device \"", name, "\": LibTorch ", TORCH_VERSION, " finds ", count,
        count == 1 ? " CUDA device" : " CUDA devices", " here; auto or cpu would work"));
  }
  return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index));
}

template <typename T>
class TorchEngine final : public Engine {
 public:
  TorchEngine(const EngineOptions& options, c10::Device device)
      : options_(options),
        layout_(MakeParameterLayout(options.obs_dim, options.hidden_sizes)),
        device_(device),
        host_memory_(device.is_cpu() && !options.separate_device_memory),
        slice_rows_(host_memory_ ? kSliceRows : options.batch_size),
        pool_(host_memory_ ? options.threads : 1, UseOneTorchThread),
        advantages_(options.batch_size),
        policy_sums_(SlicesOf(options.batch_size)),
        value_sums_(SlicesOf(options.batch_size)),
        chunk_squares_(ChunkCount()) {
    const auto options_on_device = HostOptions().device(device_);
    for (at::Tensor* flat : {&parameters_, &gradient_, &first_moment_, &second_moment_}) {
      *flat = at::zeros({layout_.size}, options_on_device);
    }
    slices_.resize(std::min(kWaveSlices, SlicesOf(options.batch_size)));
    for (SliceGradient& slice : slices_) slice.flat = at::zeros({layout_.size}, options_on_device);
    scratch_.resize(pool_.threads());
    for (int network = 0; network < kNetworks; ++network) {
      const std::vector<LayerLayout>& layers = layout_.networks[network];
      weights_[network] = MakeViews(parameters_, layers);
      for (SliceGradient& slice : slices_) slice.views[network] = MakeViews(slice.flat, layers);
      for (auto& networks : scratch_) networks[network] = MakeScratch(layers);
    }
  }

  const ParameterLayout& layout() const override { return layout_; }

  absl::StatusOr<MinibatchLosses> ComputeGradient(const RowBatch& batch,
                                                  absl::Span<const uint32_t> indices,
                                                  double entropy_coef) override {
    MinibatchLosses losses;
    absl::Status status = RunTorch("gradient", [&] {
      NormaliseAdvantages(batch, indices);
      const int64_t slices = SlicesOf(indices.size());
      for (int64_t wave = 0; wave < slices; wave += kWaveSlices) {
        const int64_t count = std::min(kWaveSlices, slices - wave);
        // Both networks of a slice before the next slice: their rows are still in the cache.
        pool_.Run(count * kNetworks, [&](int64_t task, int worker) {
          RunTask(batch, indices, wave, task / kNetworks, static_cast<int>(task % kNetworks),
                  entropy_coef, worker);
        });
        AddSlices(count, wave == 0);
      }
      losses = FoldLosses(indices.size(), slices, entropy_coef);
      MeasureNorms();
      losses.gradient_norm = std::hypot(norms_[kPolicyNetwork], norms_[kValueNetwork]);
    });
    if (!status.ok()) return status;
    return losses;
  }

  absl::Status ApplyGradient(double learning_rate) override {
    return RunTorch("Adam step", [&] {
      ++adam_steps_;
      auto step_of = [&](int network) {
        return AdamStep(adam_steps_, learning_rate, options_.adam_epsilon,
                        std::min(1.0, options_.max_grad_norm / (norms_[network] + kNormEpsilon)));
      };
      const std::array<AdamStep, kNetworks> steps = {step_of(kPolicyNetwork), step_of(kValueNetwork)};
      if (!host_memory_) {
        for (int network = 0; network < kNetworks; ++network) ApplyAdamOnDevice(network, steps[network]);
        return;
      }
      pool_.Run(ChunkCount(), [&](int64_t index, int) {
        const Chunk chunk = ChunkOf(index);
        ApplyAdam(steps[chunk.network], chunk.size, Data(gradient_) + chunk.begin,
                  Data(first_moment_) + chunk.begin, Data(second_moment_) + chunk.begin,
                  Data(parameters_) + chunk.begin);
      });
    });
  }

  std::vector<double> Gradient() const noexcept override { return ToHost(gradient_); }

  EngineState State() const noexcept override {
    return {ToHost(parameters_), ToHost(first_moment_), ToHost(second_moment_), adam_steps_};
  }

  absl::Status SetState(const EngineState& state) override {
    return RunTorch("setting the weights", [&] {
      FromHost(state.parameters, parameters_);
      FromHost(state.first_moment, first_moment_);
      FromHost(state.second_moment, second_moment_);
      adam_steps_ = state.adam_steps;
    });
  }

  std::string device_description() const override {
    return absl::StrFormat("%s, %d thread%s, slices of %d rows, LibTorch %s", device_.str(),
                           pool_.threads(), pool_.threads() == 1 ? "" : "s", slice_rows_,
                           TORCH_VERSION);
  }

 private:
  // What a task of one thread on one network works in. The last three are where the host reads and
  // writes: the device's tensors themselves or, where it cannot reach them, copies.
  struct Scratch {
    Activations all;
    std::vector<uint8_t> actions;
    std::vector<float> targets;  // Behaviour log-probabilities or returns.
    at::Tensor observations;
    at::Tensor output;
    at::Tensor output_gradient;
  };

  struct SliceGradient {
    at::Tensor flat;
    std::array<std::vector<LayerViews>, kNetworks> views;
  };

  static at::TensorOptions HostOptions() {
    return at::TensorOptions().dtype(c10::CppTypeToScalarType<T>::value);
  }
  Scratch MakeScratch(const std::vector<LayerLayout>& layers) const {
    const int64_t rows = std::min(slice_rows_, options_.batch_size);
    Scratch scratch;
    scratch.all = MakeActivations(layers, rows, HostOptions().device(device_));
    scratch.actions.resize(rows);
    scratch.targets.resize(rows);
    const auto reachable = [&](const at::Tensor& tensor) {
      return host_memory_ ? tensor : at::empty(tensor.sizes(), HostOptions());
    };
    scratch.observations = reachable(scratch.all.inputs[0]);
    scratch.output = reachable(scratch.all.output);
    scratch.output_gradient = reachable(scratch.all.output_gradient);
    return scratch;
  }

  static T* Data(const at::Tensor& tensor) { return tensor.data_ptr<T>(); }
  int64_t SlicesOf(int64_t rows) const { return (rows + slice_rows_ - 1) / slice_rows_; }
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

  void NormaliseAdvantages(const RowBatch& batch, absl::Span<const uint32_t> indices) {
    double sum = 0;
    for (uint32_t row : indices) sum += batch.advantages[row];
    const double mean = sum / indices.size();
    double squares = 0;
    for (uint32_t row : indices) {
      const double difference = batch.advantages[row] - mean;
      squares += difference * difference;
    }
    const double deviation = std::sqrt(squares / (indices.size() - 1)) + kAdvantageEpsilon;
    for (size_t i = 0; i < indices.size(); ++i) {
      advantages_[i] = static_cast<T>((batch.advantages[indices[i]] - mean) / deviation);
    }
  }

  // One network on slice wave + slice; its gradient goes to slices_[slice].
  void RunTask(const RowBatch& batch, absl::Span<const uint32_t> indices, int64_t wave,
               int64_t slice, int network, double entropy_coef, int worker) {
    c10::InferenceMode no_gradients;  // A property of the thread.
    Scratch& scratch = scratch_[worker][network];
    const int64_t begin = (wave + slice) * slice_rows_;
    const auto rows = indices.subspan(begin, slice_rows_);
    const auto count = static_cast<int64_t>(rows.size());
    Gather(batch, rows, network, scratch);
    Activations part;
    if (count != scratch.all.output.size(0)) part = FirstRows(scratch.all, count);
    Activations& pass = part.output.defined() ? part : scratch.all;

    if (!host_memory_) pass.inputs[0].copy_(scratch.observations.narrow(0, 0, count));
    Forward(weights_[network], options_.activation, pass);
    if (!host_memory_) scratch.output.narrow(0, 0, count).copy_(pass.output);
    const T scale = static_cast<T>(1.0 / indices.size());
    if (network == kPolicyNetwork) {
      policy_sums_[wave + slice] = PolicyHead<T>(
          Data(scratch.output), scratch.actions.data(), scratch.targets.data(),
          advantages_.data() + begin, count, scale, static_cast<T>(options_.clip_range),
          static_cast<T>(entropy_coef), Data(scratch.output_gradient));
    } else {
      value_sums_[wave + slice] =
          ValueHead<T>(Data(scratch.output), scratch.targets.data(), count, scale,
                       static_cast<T>(options_.vf_coef), Data(scratch.output_gradient));
    }
    if (!host_memory_) pass.output_gradient.copy_(scratch.output_gradient.narrow(0, 0, count));
    Backward(weights_[network], options_.activation, pass, slices_[slice].views[network]);
  }

  void Gather(const RowBatch& batch, absl::Span<const uint32_t> rows, int network,
              Scratch& scratch) {
    const int64_t width = batch.obs_dim;
    T* out = Data(scratch.observations);
    for (uint32_t row : rows) {
      out = std::copy_n(batch.observations.data() + row * width, width, out);
    }
    const std::vector<float>& targets = network == kPolicyNetwork ? batch.log_probs : batch.returns;
    for (size_t i = 0; i < rows.size(); ++i) {
      scratch.actions[i] = batch.actions[rows[i]];
      scratch.targets[i] = targets[rows[i]];
    }
  }

  // gradient_ = (first ? 0 : gradient_) + the first `count` slices' gradients, in slice order.
  void AddSlices(int64_t count, bool first) {
    if (!host_memory_) {
      for (int64_t slice = 0; slice < count; ++slice) {
        if (first && slice == 0) {
          gradient_.copy_(slices_[0].flat);
        } else {
          gradient_.add_(slices_[slice].flat);
        }
      }
      return;
    }
    pool_.Run(ChunkCount(), [&](int64_t index, int) {
      const Chunk chunk = ChunkOf(index);
      T* __restrict sum = Data(gradient_) + chunk.begin;
      for (int64_t slice = 0; slice < count; ++slice) {
        const T* __restrict part = Data(slices_[slice].flat) + chunk.begin;
        if (first && slice == 0) {
          std::copy_n(part, chunk.size, sum);
        } else {
          for (int64_t i = 0; i < chunk.size; ++i) sum[i] += part[i];
        }
      }
      chunk_squares_[index] = SumOfSquares(sum, chunk.size);
    });
  }

  // In lanes, so that it can use vectors; the order is fixed all the same.
  static double SumOfSquares(const T* values, int64_t size) {
    constexpr int kLanes = 8;
    double lanes[kLanes] = {};
    int64_t i = 0;
    for (; i + kLanes <= size; i += kLanes) {
      for (int lane = 0; lane < kLanes; ++lane) {
        const double value = values[i + lane];
        lanes[lane] += value * value;
      }
    }
    double sum = 0;
    for (; i < size; ++i) sum += static_cast<double>(values[i]) * values[i];
    for (double lane : lanes) sum += lane;
    return sum;
  }

  void MeasureNorms() {
    norms_ = {};
    for (int network = 0; !host_memory_ && network < kNetworks; ++network) {
      norms_[network] = at::linalg_vector_norm(PartOf(gradient_, network), 2,
                                               at::OptionalIntArrayRef(), false, at::kDouble)
                            .template item<double>();
    }
    if (!host_memory_) return;
    for (int64_t index = 0; index < ChunkCount(); ++index) {
      norms_[ChunkOf(index).network] += chunk_squares_[index];
    }
    for (double& norm : norms_) norm = std::sqrt(norm);
  }

  // A network's part of a flat vector; shares its memory.
  at::Tensor PartOf(const at::Tensor& flat, int network) const {
    return flat.narrow(0, layout_.begin(network), layout_.end(network) - layout_.begin(network));
  }

  MinibatchLosses FoldLosses(int64_t rows, int64_t slices, double entropy_coef) const {
    PolicySums sums;
    double squared_error = 0;
    for (int64_t slice = 0; slice < slices; ++slice) {
      sums.policy_loss += policy_sums_[slice].policy_loss;
      sums.entropy += policy_sums_[slice].entropy;
      sums.approx_kl += policy_sums_[slice].approx_kl;
      sums.clipped += policy_sums_[slice].clipped;
      squared_error += value_sums_[slice];
    }
    MinibatchLosses losses;
    losses.policy_loss = sums.policy_loss / rows;
    losses.value_loss = squared_error / rows;
    losses.entropy = sums.entropy / rows;
    losses.approx_kl = sums.approx_kl / rows;
    losses.clip_fraction = sums.clipped / rows;
    losses.total_loss =
        losses.policy_loss + options_.vf_coef * losses.value_loss - entropy_coef * losses.entropy;
    return losses;
  }

  // ApplyAdam in the device's own operations. Overwrites gradient_.
  void ApplyAdamOnDevice(int network, const AdamStep& step) {
    at::Tensor gradient = PartOf(gradient_, network);
    at::Tensor first = PartOf(first_moment_, network);
    at::Tensor second = PartOf(second_moment_, network);
    gradient.mul_(step.gradient_scale);
    first.mul_(kAdamBeta1).add_(gradient, 1 - kAdamBeta1);
    second.mul_(kAdamBeta2).addcmul_(gradient, gradient, 1 - kAdamBeta2);
    at::sqrt_out(gradient, second);
    gradient.mul_(step.root_correction).add_(step.epsilon);
    PartOf(parameters_, network).addcdiv_(first, gradient, -step.step_size);
  }

  static std::vector<double> ToHost(const at::Tensor& flat) {
    c10::InferenceMode no_gradients;
    const at::Tensor host = flat.cpu();
    return std::vector<double>(Data(host), Data(host) + host.numel());
  }

  static void FromHost(const std::vector<double>& values, at::Tensor& flat) {
    at::Tensor host = at::empty(flat.sizes(), flat.options().device(at::kCPU));
    std::copy(values.begin(), values.end(), Data(host));
    flat.copy_(host);
  }

  const EngineOptions options_;
  const ParameterLayout layout_;
  const c10::Device device_;
  const bool host_memory_;
  const int64_t slice_rows_;
  WorkerPool pool_;
  at::Tensor parameters_;
  at::Tensor gradient_;
  at::Tensor first_moment_;
  at::Tensor second_moment_;
  std::array<std::vector<LayerViews>, kNetworks> weights_;  // Views of parameters_.
  std::vector<SliceGradient> slices_;                       // Of one wave.
  std::vector<std::array<Scratch, kNetworks>> scratch_;     // By worker.
  std::vector<T> advantages_;                               // Normalised, of one minibatch.
  std::vector<PolicySums> policy_sums_;                     // By slice of the minibatch.
  std::vector<double> value_sums_;
  std::vector<double> chunk_squares_;
  std::array<double, kNetworks> norms_ = {};  // Of the last gradient, by network.
  int64_t adam_steps_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> MakeEngine(const EngineOptions& options) {
  absl::StatusOr<c10::Device> device = ResolveDevice(options.device);
  if (!device.ok()) return device.status();
  std::unique_ptr<Engine> engine;
  absl::Status status = RunTorch("preparing the learner", [&] {
    if (options.float64) {
      engine = std::make_unique<TorchEngine<double>>(options, *device);
    } else {
      engine = std::make_unique<TorchEngine<float>>(options, *device);
    }
  });
  if (!status.ok()) return status;
  return engine;
}

}  // namespace shoal
