#include "learner/ppo/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "learner/ppo/engine.h"
#include "learner/ppo/initialization.h"
#include "learner/ppo/layout.h"
#include "learner/ppo/optimizer_state.h"
#include "learner/ppo/permutation.h"

namespace shoal {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kMaxRows = std::numeric_limits<uint32_t>::max();
constexpr int kMaxThreads = 1024;

// `what` names the value and says what is accepted.
template <typename Value>
absl::Status Bad(absl::string_view name, const Value& value, absl::string_view accepted) {
  return absl::InvalidArgumentError(absl::StrCat(name, " is ", value, ", must be ", accepted));
}

absl::Status CheckOptions(const TrainerOptions& options) {
  const int obs_dim =
      options.include_neighbor_features ? kPolicyObservationWithNeighbors : kPolicyObservation;
  if (options.obs_dim != obs_dim) {
    return Bad("obs_dim", options.obs_dim,
               absl::StrCat(obs_dim, " where include_neighbor_features is ",
                            options.include_neighbor_features ? "on" : "off"));
  }
  bool widths_fit = options.hidden_sizes.size() < kMaxPolicyLayers;
  for (int size : options.hidden_sizes) widths_fit &= size >= 1 && size <= kMaxPolicyWidth;
  if (!widths_fit) {
    return Bad("policy_hidden_sizes", absl::StrJoin(options.hidden_sizes, ","),
               absl::StrCat("at most ", kMaxPolicyLayers - 1, " widths of 1..", kMaxPolicyWidth));
  }
  if (options.batch_size < 2) return Bad("batch_size", options.batch_size, "at least 2");
  if (options.n_epochs < 1) return Bad("n_epochs", options.n_epochs, "at least 1");
  if (!(options.clip_range > 0)) return Bad("clip_range", options.clip_range, "above 0");
  if (!(options.vf_coef >= 0)) return Bad("vf_coef", options.vf_coef, "at least 0");
  if (!(options.max_grad_norm > 0)) return Bad("max_grad_norm", options.max_grad_norm, "above 0");
  if (!(options.adam_epsilon > 0)) return Bad("adam_epsilon", options.adam_epsilon, "above 0");
  if (options.threads < 1 || options.threads > kMaxThreads) {
    return Bad("threads", options.threads, absl::StrCat("1..", kMaxThreads));
  }
  return absl::OkStatus();
}

absl::Status CheckColumn(absl::string_view name, size_t size, int64_t expected) {
  if (static_cast<int64_t>(size) == expected) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("rows: column ", name, " has ", size, " values, must have ", expected));
}

absl::Status CheckBatch(const RowBatch& batch, int obs_dim) {
  if (batch.rows < 0 || batch.rows > kMaxRows) {
    return Bad("rows", batch.rows, absl::StrCat("0..", kMaxRows));
  }
  if (batch.obs_dim != obs_dim) {
    return Bad("rows: obs_dim", batch.obs_dim, absl::StrCat(obs_dim, " as the policy's"));
  }
  absl::Status status;
  status.Update(CheckColumn("observations", batch.observations.size(), batch.rows * obs_dim));
  status.Update(CheckColumn("actions", batch.actions.size(), batch.rows));
  status.Update(CheckColumn("log_probs", batch.log_probs.size(), batch.rows));
  status.Update(CheckColumn("advantages", batch.advantages.size(), batch.rows));
  status.Update(CheckColumn("returns", batch.returns.size(), batch.rows));
  if (!status.ok()) return status;
  for (int64_t row = 0; row < batch.rows; ++row) {
    if (batch.actions[row] >= kPolicyActions) {
      return Bad(absl::StrCat("rows: action of row ", row), int{batch.actions[row]},
                 absl::StrCat("below ", kPolicyActions));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckUpdateOptions(const UpdateOptions& options) {
  if (options.iteration < 0 || options.iteration > std::numeric_limits<uint32_t>::max()) {
    return Bad("iteration", options.iteration, "0 or more and below 2^32");
  }
  if (!(options.learning_rate >= 0 && std::isfinite(options.learning_rate))) {
    return Bad("learning_rate", options.learning_rate, "finite and at least 0");
  }
  if (!(options.entropy_coef >= 0 && std::isfinite(options.entropy_coef))) {
    return Bad("entropy_coef", options.entropy_coef, "finite and at least 0");
  }
  return absl::OkStatus();
}

double Variance(const std::vector<float>& values) {
  double sum = 0;
  for (float value : values) sum += value;
  const double mean = sum / values.size();
  double squares = 0;
  for (float value : values) squares += (value - mean) * (value - mean);
  return squares / values.size();
}

double ExplainedVariance(const RowBatch& batch) {
  if (batch.rows == 0) return 0;
  const double explained = 1 - Variance(batch.advantages) / Variance(batch.returns);
  return std::isfinite(explained) ? explained : 0;
}

// All but explained_variance, learning_rate, rows and upload_seconds.
UpdateStats MeanStats(const UpdateSums& sums) {
  UpdateStats stats;
  stats.minibatches = sums.minibatches;
  stats.skipped_minibatches = sums.skipped;
  if (sums.minibatches == 0) return stats;
  const auto count = static_cast<double>(sums.minibatches);
  stats.policy_loss = sums.losses.policy_loss / count;
  stats.value_loss = sums.losses.value_loss / count;
  stats.entropy = sums.losses.entropy / count;
  stats.approx_kl = sums.losses.approx_kl / count;
  stats.clip_fraction = sums.losses.clip_fraction / count;
  stats.gradient_norm = sums.losses.gradient_norm / count;
  return stats;
}

class Trainer final : public PpoTrainer {
 public:
  Trainer(const TrainerOptions& options, std::unique_ptr<Engine> engine)
      : options_(options), engine_(std::move(engine)) {}

  absl::StatusOr<UpdateStats> Update(const RowBatch& batch, const UpdateOptions& options) override;
  PolicyWeights Weights() const override;
  std::string OptimizerState() const override;
  absl::Status Restore(const PolicyWeights& weights, std::string_view optimizer_state) override;
  std::string device_description() const override { return engine_->device_description(); }

 private:
  absl::Status CheckWeights(const PolicyWeights& weights) const;

  const TrainerOptions options_;
  const std::unique_ptr<Engine> engine_;
};

absl::StatusOr<UpdateStats> Trainer::Update(const RowBatch& batch, const UpdateOptions& options) {
  absl::Status status = CheckUpdateOptions(options);
  status.Update(CheckBatch(batch, options_.obs_dim));
  if (!status.ok()) return status;
  const Clock::time_point begun = Clock::now();
  status = engine_->BeginUpdate(batch);
  const std::chrono::duration<double> upload = Clock::now() - begun;
  for (int64_t epoch = 0; status.ok() && epoch < options_.n_epochs; ++epoch) {
    status =
        engine_->RunEpoch(EpochPermutation(options_.seed, options.iteration, epoch, batch.rows),
                          options.learning_rate, options.entropy_coef);
  }
  if (!status.ok()) return status;
  const absl::StatusOr<UpdateSums> sums = engine_->EndUpdate();
  if (!sums.ok()) return sums.status();
  if (sums->skipped >= kMaxSkippedMinibatches) {
    return absl::AbortedError(
        absl::StrCat("iteration ", options.iteration, ": ", sums->skipped,
                     " minibatches had a loss or gradient that is not finite (the last: loss ",
                     sums->skipped_loss, ", gradient norm ", sums->skipped_norm,
                     "); rows and rewards should be finite, and a lower learning_rate may help"));
  }
  UpdateStats stats = MeanStats(*sums);
  stats.explained_variance = ExplainedVariance(batch);
  stats.learning_rate = options.learning_rate;
  stats.rows = batch.rows;
  stats.upload_seconds = upload.count();
  return stats;
}

PolicyWeights Trainer::Weights() const {
  PolicyWeights weights;
  weights.obs_dim = options_.obs_dim;
  weights.activation = options_.activation;
  weights.include_neighbor_features = options_.include_neighbor_features;
  weights.neighbor_radius = options_.neighbor_radius;
  weights.neighbor_average_count = options_.neighbor_average_count;
  const std::vector<double> flat = engine_->State().parameters;
  for (int network = 0; network < kNetworks; ++network) {
    std::vector<DenseLayer>& layers = network == kPolicyNetwork ? weights.policy : weights.value;
    for (const LayerLayout& layer : engine_->layout().networks[network]) {
      const auto weight = flat.begin() + layer.weight, bias = flat.begin() + layer.bias;
      DenseLayer& dense = layers.emplace_back();
      dense.in = static_cast<int>(layer.in);
      dense.out = static_cast<int>(layer.out);
      dense.weight.assign(weight, weight + layer.out * layer.in);
      dense.bias.assign(bias, bias + layer.out);
    }
  }
  return weights;
}

std::string Trainer::OptimizerState() const {
  EngineState state = engine_->State();
  absl::StatusOr<std::string> bytes = SerializeOptimizerState(
      {std::move(state.first_moment), std::move(state.second_moment), state.adam_steps});
  if (!bytes.ok()) std::abort();  // A file of our own making is always well formed.
  return *std::move(bytes);
}

absl::Status Trainer::CheckWeights(const PolicyWeights& weights) const {
  absl::Status status = ValidatePolicy(weights);
  if (!status.ok()) return status;
  if (weights.activation != options_.activation) {
    return absl::InvalidArgumentError(
        "policy weights: activation is not the one of this run's options");
  }
  if (weights.obs_dim != options_.obs_dim ||
      weights.include_neighbor_features != options_.include_neighbor_features ||
      (options_.include_neighbor_features &&
       (weights.neighbor_radius != options_.neighbor_radius ||
        weights.neighbor_average_count != options_.neighbor_average_count))) {
    return absl::InvalidArgumentError(
        "policy weights: observations (obs_dim, neighbour features, radius or average count) are "
        "not those of this run's options");
  }
  for (int network = 0; network < kNetworks; ++network) {
    const bool policy = network == kPolicyNetwork;
    const std::vector<DenseLayer>& layers = policy ? weights.policy : weights.value;
    const std::vector<LayerLayout>& expected = engine_->layout().networks[network];
    const absl::string_view name = policy ? "policy" : "value";
    if (layers.size() != expected.size()) {
      return absl::InvalidArgumentError(absl::StrCat("policy weights: the ", name, " network has ",
                                                     layers.size(), " layers, must have ",
                                                     expected.size()));
    }
    for (size_t i = 0; i < layers.size(); ++i) {
      const LayerLayout& want = expected[i];
      const DenseLayer& have = layers[i];
      if (have.in != want.in || have.out != want.out) {
        return absl::InvalidArgumentError(
            absl::StrCat("policy weights: layer ", i, " of the ", name, " network is [", have.out,
                         ", ", have.in, "], must be [", want.out, ", ", want.in, "]"));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status Trainer::Restore(const PolicyWeights& weights, std::string_view optimizer_state) {
  absl::Status status = CheckWeights(weights);
  if (!status.ok()) return status;
  const ParameterLayout& layout = engine_->layout();
  absl::StatusOr<OptimizerMoments> moments = ParseOptimizerState(optimizer_state, layout.size);
  if (!moments.ok()) return moments.status();
  EngineState state{std::vector<double>(layout.size), std::move(moments->first),
                    std::move(moments->second), moments->steps};
  for (int network = 0; network < kNetworks; ++network) {
    const std::vector<DenseLayer>& layers =
        network == kPolicyNetwork ? weights.policy : weights.value;
    for (size_t i = 0; i < layers.size(); ++i) {
      const LayerLayout& layer = layout.networks[network][i];
      std::copy(layers[i].weight.begin(), layers[i].weight.end(),
                state.parameters.begin() + layer.weight);
      std::copy(layers[i].bias.begin(), layers[i].bias.end(),
                state.parameters.begin() + layer.bias);
    }
  }
  return engine_->SetState(state);
}

}  // namespace

absl::StatusOr<std::unique_ptr<PpoTrainer>> PpoTrainer::Create(const TrainerOptions& options) {
  absl::Status status = CheckOptions(options);
  if (!status.ok()) return status;
  EngineOptions engine_options;
  engine_options.obs_dim = options.obs_dim;
  engine_options.hidden_sizes = options.hidden_sizes;
  engine_options.activation = options.activation;
  engine_options.batch_size = options.batch_size;
  engine_options.clip_range = options.clip_range;
  engine_options.vf_coef = options.vf_coef;
  engine_options.max_grad_norm = options.max_grad_norm;
  engine_options.adam_epsilon = options.adam_epsilon;
  engine_options.max_skipped = kMaxSkippedMinibatches;
  engine_options.threads = options.threads;
  engine_options.device = options.device;
  engine_options.tf32 = options.tf32;
  absl::StatusOr<std::unique_ptr<Engine>> engine = MakeEngine(engine_options);
  if (!engine.ok()) return engine.status();
  EngineState state;
  state.parameters = InitialParameters((*engine)->layout(), options.seed);
  state.first_moment.assign(state.parameters.size(), 0.0);
  state.second_moment.assign(state.parameters.size(), 0.0);
  status = (*engine)->SetState(state);
  if (!status.ok()) return status;
  auto trainer = std::make_unique<Trainer>(options, *std::move(engine));
  status = ValidatePolicy(trainer->Weights());  // Whatever else actors ask of a policy.
  if (!status.ok()) return status;
  return trainer;
}

}  // namespace shoal
