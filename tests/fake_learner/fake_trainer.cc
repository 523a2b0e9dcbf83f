#include "tests/fake_learner/fake_trainer.h"

#include <cmath>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/hash.h"
#include "common/rng.h"

namespace shoal {
namespace {

constexpr char kStateName[] = "shoal-fake-optimizer";

// Of the values in the order given, by their bytes.
class Digest {
 public:
  template <typename Value>
  void Add(const Value& value) {
    static_assert(std::is_arithmetic_v<Value>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  template <typename Value>
  void Add(const std::vector<Value>& values) {
    Add(values.size());
    Add(Xxh3_64(values.data(), values.size() * sizeof(Value)));
  }
  uint64_t Sum() const { return Xxh3_64(bytes_); }

 private:
  std::string bytes_;
};

class FakeTrainer final : public PpoTrainer {
 public:
  explicit FakeTrainer(const TrainerOptions& options) {
    weights_.obs_dim = options.obs_dim;
    weights_.activation = options.activation;
    weights_.include_neighbor_features = options.include_neighbor_features;
    weights_.neighbor_radius = options.neighbor_radius;
    weights_.neighbor_average_count = options.neighbor_average_count;
    MakeLayers(options.hidden_sizes, kPolicyActions, weights_.policy);
    MakeLayers(options.hidden_sizes, 1, weights_.value);
    Move(SplitMix64(options.seed), 1);
  }

  absl::StatusOr<UpdateStats> Update(const RowBatch& batch, const UpdateOptions& options) override {
    const size_t rows = batch.rows;
    if (batch.obs_dim != weights_.obs_dim || batch.observations.size() != rows * batch.obs_dim ||
        batch.actions.size() != rows || batch.log_probs.size() != rows ||
        batch.advantages.size() != rows || batch.returns.size() != rows) {
      return absl::InvalidArgumentError("rows: columns of different lengths");
    }
    Digest digest;
    digest.Add(memory_);
    digest.Add(options.iteration);
    digest.Add(options.learning_rate);
    digest.Add(options.entropy_coef);
    digest.Add(batch.observations);
    digest.Add(batch.actions);
    digest.Add(batch.log_probs);
    digest.Add(batch.advantages);
    digest.Add(batch.returns);
    memory_ = digest.Sum();
    ++steps_;
    Move(memory_, 0.01f);
    UpdateStats stats;
    stats.rows = batch.rows;
    stats.learning_rate = options.learning_rate;
    stats.minibatches = 1;
    // A figure for the tables that depends on the rows as well.
    stats.entropy = UniformDouble(memory_);
    return stats;
  }

  PolicyWeights Weights() const override { return weights_; }

  std::string OptimizerState() const override {
    return absl::StrCat(kStateName, " ", steps_, " ", memory_, " ", SumOfWeights(weights_));
  }

  absl::Status Restore(const PolicyWeights& weights, std::string_view optimizer_state) override {
    if (absl::Status status = ValidatePolicy(weights); !status.ok()) return status;
    if (!SameShape(weights_.policy, weights.policy) || !SameShape(weights_.value, weights.value) ||
        weights.activation != weights_.activation || weights.obs_dim != weights_.obs_dim) {
      return absl::InvalidArgumentError("policy weights: another shape than this run's options say");
    }
    const std::vector<std::string> words =
        absl::StrSplit(absl::string_view(optimizer_state.data(), optimizer_state.size()), ' ');
    int64_t steps = 0;
    uint64_t memory = 0, sum = 0;
    if (words.size() != 4 || words[0] != kStateName || !absl::SimpleAtoi(words[1], &steps) ||
        !absl::SimpleAtoi(words[2], &memory) || !absl::SimpleAtoi(words[3], &sum) || steps < 0) {
      return absl::InvalidArgumentError("optimizer state: not one of the fake trainer's");
    }
    if (sum != SumOfWeights(weights)) {
      return absl::InvalidArgumentError("optimizer state: it belongs to other weights");
    }
    weights_ = weights;
    steps_ = steps;
    memory_ = memory;
    return absl::OkStatus();
  }

  std::string device_description() const override { return "no device: a fake trainer"; }

 private:
  void MakeLayers(const std::vector<int>& hidden, int out, std::vector<DenseLayer>& layers) const {
    std::vector<int> widths = hidden;
    widths.push_back(out);
    int in = weights_.obs_dim;
    for (const int width : widths) {
      layers.push_back({in, width, std::vector<float>(in * width), std::vector<float>(width)});
      in = width;
    }
  }

  // Adds to each weight what `seed` says for it, uniform within `scale` over the root of its
  // layer's inputs.
  void Move(uint64_t seed, float scale) {
    const KeyedRandom random(seed, RandomPurpose::kInitialWeights);
    uint32_t layer_number = 0;
    for (std::vector<DenseLayer>* network : {&weights_.policy, &weights_.value}) {
      for (DenseLayer& layer : *network) {
        const float bound = scale / std::sqrt(static_cast<float>(layer.in));
        uint32_t index = 0;
        for (std::vector<float>* values : {&layer.weight, &layer.bias}) {
          for (float& value : *values) {
            const RandomBlock block = random.Block(layer_number, 0, 0, index++);
            value += bound * (2 * UniformFloat(block[0]) - 1);
          }
        }
        ++layer_number;
      }
    }
  }

  static bool SameShape(const std::vector<DenseLayer>& a, const std::vector<DenseLayer>& b) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i) {
      if (a[i].in != b[i].in || a[i].out != b[i].out) return false;
    }
    return true;
  }

  static uint64_t SumOfWeights(const PolicyWeights& weights) {
    Digest digest;
    for (const auto* network : {&weights.policy, &weights.value}) {
      for (const DenseLayer& layer : *network) {
        digest.Add(layer.weight);
        digest.Add(layer.bias);
      }
    }
    return digest.Sum();
  }

  PolicyWeights weights_;
  int64_t steps_ = 0;
  uint64_t memory_ = 0;  // Of all updates so far.
};

}  // namespace

absl::StatusOr<std::unique_ptr<PpoTrainer>> CreateFakeTrainer(const TrainerOptions& options) {
  auto trainer = std::make_unique<FakeTrainer>(options);
  if (absl::Status status = ValidatePolicy(trainer->Weights()); !status.ok()) return status;
  return trainer;
}

}  // namespace shoal
