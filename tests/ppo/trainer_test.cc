#include "learner/ppo/trainer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal {
namespace {

using ::testing::HasSubstr;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

float Uniform(std::mt19937& random, float low, float high) {
  return low + (high - low) * static_cast<float>(random() >> 8) * 0x1p-24f;
}

TrainerOptions SmallOptions() {
  TrainerOptions options;
  options.obs_dim = kPolicyObservation;
  options.include_neighbor_features = false;
  options.hidden_sizes = {16, 16};
  options.batch_size = 64;
  options.n_epochs = 3;
  options.seed = 12;
  options.device = "cpu";
  return options;
}

std::unique_ptr<PpoTrainer> Make(const TrainerOptions& options) {
  auto trainer = PpoTrainer::Create(options);
  EXPECT_TRUE(trainer.ok()) << trainer.status();
  return *std::move(trainer);
}

// log p of each action, as the actor's inference computes it.
std::vector<float> LogProbs(const PolicyWeights& weights, const float* observation) {
  std::vector<float> x(observation, observation + weights.obs_dim);
  for (size_t l = 0; l < weights.policy.size(); ++l) {
    const DenseLayer& layer = weights.policy[l];
    std::vector<float> y(layer.bias);
    for (int o = 0; o < layer.out; ++o) {
      for (int i = 0; i < layer.in; ++i) y[o] += layer.weight[o * layer.in + i] * x[i];
      if (l + 1 < weights.policy.size()) y[o] = std::tanh(y[o]);
    }
    x = y;
  }
  float total = 0;
  for (float z : x) total += std::exp(z);
  for (float& z : x) z -= std::log(total);
  return x;
}

RowBatch RandomRows(int64_t rows, unsigned seed) {
  std::mt19937 random(seed);
  RowBatch batch;
  batch.rows = rows;
  batch.obs_dim = kPolicyObservation;
  for (int64_t i = 0; i < rows * batch.obs_dim; ++i) {
    batch.observations.push_back(Uniform(random, -1, 1));
  }
  for (int64_t i = 0; i < rows; ++i) {
    batch.actions.push_back(random() % kPolicyActions);
    batch.log_probs.push_back(std::log(0.2f));
    batch.advantages.push_back(Uniform(random, -1, 1));
    batch.returns.push_back(Uniform(random, -1, 1));
  }
  return batch;
}

// The behaviour log-probability of every row's action set to the policy's own.
void SetLogProbs(const PolicyWeights& weights, RowBatch& batch) {
  for (int64_t row = 0; row < batch.rows; ++row) {
    batch.log_probs[row] =
        LogProbs(weights, &batch.observations[row * batch.obs_dim])[batch.actions[row]];
  }
}

TEST(PpoTrainer, TheFirstStepSeesTheBehaviourPolicy) {
  TrainerOptions options = SmallOptions();
  options.n_epochs = 1;
  const auto trainer = Make(options);
  RowBatch batch = RandomRows(64, 1);
  SetLogProbs(trainer->Weights(), batch);
  const auto stats = trainer->Update(batch, {1, 1e-3, 0.01});
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_NEAR(stats->approx_kl, 0, 1e-6);
  EXPECT_EQ(stats->clip_fraction, 0);
  EXPECT_NEAR(stats->policy_loss, 0, 1e-6);  // Minus the mean of normalised advantages.
  EXPECT_NEAR(stats->entropy, std::log(5.0), 1e-3);
  EXPECT_GT(stats->gradient_norm, 0);
  EXPECT_EQ(stats->minibatches, 1);
  EXPECT_EQ(stats->rows, 64);
  EXPECT_EQ(stats->learning_rate, 1e-3);
}

TEST(PpoTrainer, ExplainedVarianceIsThatOfTheValuesThatActed) {
  const auto trainer = Make(SmallOptions());
  RowBatch batch = RandomRows(4, 1);
  batch.returns = {0, 2, 4, 6};
  batch.advantages = {-1, 1, 1, -1};  // Residuals of variance 1 against returns of variance 5.
  EXPECT_DOUBLE_EQ(trainer->Update(batch, {1, 1e-3, 0})->explained_variance, 0.8);
  batch.returns = {3, 3, 3, 3};
  EXPECT_EQ(trainer->Update(batch, {2, 1e-3, 0})->explained_variance, 0);
}

TEST(PpoTrainer, OverfitsOneBatch) {
  TrainerOptions options = SmallOptions();
  options.hidden_sizes = {64, 64};
  options.n_epochs = 50;
  const auto trainer = Make(options);
  RowBatch batch = RandomRows(64, 2);
  double first = 0, last = 0;
  for (int i = 1; i <= 12; ++i) {
    SetLogProbs(trainer->Weights(), batch);
    const auto stats = trainer->Update(batch, {i, 3e-3, 0});
    ASSERT_TRUE(stats.ok()) << stats.status();
    (i == 1 ? first : last) = stats->value_loss;
  }
  EXPECT_GT(first, 0.1);
  EXPECT_LT(last, 0.003);
  // Actions of positive advantage have become likely, others unlikely.
  int right = 0;
  for (int64_t row = 0; row < batch.rows; ++row) {
    const float p = std::exp(
        LogProbs(trainer->Weights(), &batch.observations[row * batch.obs_dim])[batch.actions[row]]);
    right += (p > 0.2f) == (batch.advantages[row] > 0);
  }
  EXPECT_GE(right, 58);
}

// A bandit: action 1 pays where the first value is above 0, action 3 elsewhere.
int BestAction(const float* observation) { return observation[0] > 0 ? 1 : 3; }

TEST(PpoTrainer, SolvesAContextualBandit) {
  TrainerOptions options = SmallOptions();
  options.hidden_sizes = {32};
  options.activation = Activation::kTanh;
  options.n_epochs = 4;
  const auto trainer = Make(options);
  std::mt19937 random(9);
  for (int iteration = 1; iteration <= 20; ++iteration) {
    const PolicyWeights weights = trainer->Weights();
    RowBatch batch = RandomRows(512, random());
    for (int64_t row = 0; row < batch.rows; ++row) {
      const float* observation = &batch.observations[row * batch.obs_dim];
      const std::vector<float> log_probs = LogProbs(weights, observation);
      float u = Uniform(random, 0, 1);
      int action = 0;
      while (action + 1 < kPolicyActions && u >= std::exp(log_probs[action])) {
        u -= std::exp(log_probs[action++]);
      }
      batch.actions[row] = action;
      batch.log_probs[row] = log_probs[action];
      batch.returns[row] = action == BestAction(observation) ? 1 : 0;
      batch.advantages[row] = batch.returns[row] - 0.5f;
    }
    ASSERT_TRUE(trainer->Update(batch, {iteration, 5e-3, 0.001}).ok());
  }
  const RowBatch fresh = RandomRows(2000, 77);
  const PolicyWeights weights = trainer->Weights();
  int optimal = 0;
  for (int64_t row = 0; row < fresh.rows; ++row) {
    const float* observation = &fresh.observations[row * fresh.obs_dim];
    const std::vector<float> log_probs = LogProbs(weights, observation);
    const auto best = std::max_element(log_probs.begin(), log_probs.end()) - log_probs.begin();
    optimal += best == BestAction(observation);
  }
  EXPECT_GT(optimal, 1900);
}

TEST(PpoTrainer, BitsDoNotDependOnTheNumberOfThreads) {
  TrainerOptions options = SmallOptions();
  options.batch_size = 700;
  std::vector<PolicyWeights> weights;
  for (int threads : {1, 2, 4}) {
    options.threads = threads;
    const auto trainer = Make(options);
    ASSERT_TRUE(trainer->Update(RandomRows(1500, 3), {1, 1e-2, 0.01}).ok());
    weights.push_back(trainer->Weights());
  }
  EXPECT_EQ(weights[0], weights[1]);
  EXPECT_EQ(weights[0], weights[2]);
}

TEST(PpoTrainer, GoesOnFromItsStateToTheBit) {
  const RowBatch rows[] = {RandomRows(200, 3), RandomRows(200, 4)};
  const auto straight = Make(SmallOptions());
  ASSERT_TRUE(straight->Update(rows[0], {1, 1e-2, 0.01}).ok());
  const auto weights = ParsePolicy(*SerializePolicy(straight->Weights()));
  ASSERT_TRUE(weights.ok()) << weights.status();
  const std::string optimizer = straight->OptimizerState();

  const auto resumed = Make(SmallOptions());
  ASSERT_NE(resumed->Weights(), straight->Weights());
  ASSERT_TRUE(resumed->Restore(*weights, optimizer).ok());
  EXPECT_EQ(resumed->Weights(), straight->Weights());
  EXPECT_EQ(resumed->OptimizerState(), optimizer);
  const auto stats = straight->Update(rows[1], {2, 1e-2, 0.01});
  const auto again = resumed->Update(rows[1], {2, 1e-2, 0.01});
  EXPECT_EQ(stats->policy_loss, again->policy_loss);
  EXPECT_EQ(resumed->Weights(), straight->Weights());
  EXPECT_EQ(resumed->OptimizerState(), straight->OptimizerState());
  EXPECT_NE(resumed->OptimizerState(), optimizer);
}

TEST(PpoTrainer, RestoreRefusesWhatDoesNotFitAndChangesNothing) {
  const auto trainer = Make(SmallOptions());
  const PolicyWeights weights = trainer->Weights();
  const std::string optimizer = trainer->OptimizerState();
  const auto message = [&](const PolicyWeights& w, std::string_view o) {
    const absl::Status status = trainer->Restore(w, o);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(trainer->Weights(), weights);
    EXPECT_EQ(trainer->OptimizerState(), optimizer);
    return std::string(status.message());
  };
  TrainerOptions options = SmallOptions();
  options.hidden_sizes = {16, 17};
  options.seed = 99;
  const auto wider = Make(options);
  EXPECT_THAT(message(wider->Weights(), optimizer), HasSubstr("layer 1 of the policy network"));
  options.hidden_sizes = {16, 16};
  const PolicyWeights other = Make(options)->Weights();
  EXPECT_THAT(message(other, wider->OptimizerState()), HasSubstr("must be F32 of shape"));
  EXPECT_THAT(message(other, "rubbish"), HasSubstr("optimizer state"));
  options.hidden_sizes = {16};
  EXPECT_THAT(message(Make(options)->Weights(), optimizer), HasSubstr("2 layers, must have 3"));
  PolicyWeights relu = other;
  relu.activation = Activation::kRelu;
  EXPECT_THAT(message(relu, optimizer), HasSubstr("activation"));
  PolicyWeights infinite = other;
  infinite.value[0].weight[3] = std::numeric_limits<float>::infinity();
  message(infinite, optimizer);
  EXPECT_TRUE(trainer->Restore(other, optimizer).ok());
}

TEST(PpoTrainer, SkipsAndCountsMinibatchesThatAreNotFinite) {
  TrainerOptions options = SmallOptions();
  options.n_epochs = 2;
  for (int column = 0; column < 4; ++column) {
    const auto trainer = Make(options);
    RowBatch batch = RandomRows(256, 5);
    (column == 0   ? batch.observations[700]
     : column == 1 ? batch.log_probs[70]
     : column == 2 ? batch.advantages[70]
                   : batch.returns[70]) = kNaN;
    const auto stats = trainer->Update(batch, {1, 1e-3, 0.01});
    ASSERT_TRUE(stats.ok()) << stats.status();
    EXPECT_EQ(stats->skipped_minibatches, 2);
    EXPECT_EQ(stats->minibatches, 6);
    EXPECT_TRUE(std::isfinite(stats->policy_loss + stats->value_loss + stats->gradient_norm +
                              stats->explained_variance));
    EXPECT_TRUE(ValidatePolicy(trainer->Weights()).ok());
  }
}

TEST(PpoTrainer, ThreeSkippedMinibatchesStopTheUpdate) {
  const auto trainer = Make(SmallOptions());  // Three epochs: the row is met three times.
  RowBatch batch = RandomRows(256, 5);
  batch.returns[70] = std::numeric_limits<float>::infinity();
  const auto stats = trainer->Update(batch, {17, 1e-3, 0.01});
  EXPECT_EQ(stats.status().code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(stats.status().message()), HasSubstr("iteration 17: 3 minibatches"));
  EXPECT_TRUE(ValidatePolicy(trainer->Weights()).ok());
  batch.returns[70] = 0;  // Adam's state is finite too: the trainer still works.
  EXPECT_TRUE(trainer->Update(batch, {18, 1e-3, 0.01}).ok());
}

TEST(PpoTrainer, TheLastMinibatchMayBeShort) {
  TrainerOptions options = SmallOptions();
  options.n_epochs = 1;
  const auto trainer = Make(options);
  const auto minibatches = [&](int64_t rows) {
    const auto stats = trainer->Update(RandomRows(rows, 6), {1, 1e-3, 0.01});
    EXPECT_TRUE(stats.ok()) << stats.status();
    EXPECT_EQ(stats->skipped_minibatches, 0);
    return stats->minibatches;
  };
  EXPECT_EQ(minibatches(128), 2);
  EXPECT_EQ(minibatches(129), 2);  // One row has no deviation.
  EXPECT_EQ(minibatches(130), 3);
  EXPECT_EQ(minibatches(2), 1);
  const PolicyWeights before = trainer->Weights();
  EXPECT_EQ(minibatches(1), 0);
  EXPECT_EQ(minibatches(0), 0);
  EXPECT_EQ(trainer->Weights(), before);
}

TEST(PpoTrainer, RefusesRowsThatAreNone) {
  const auto trainer = Make(SmallOptions());
  const PolicyWeights before = trainer->Weights();
  const auto message = [&](const RowBatch& batch, const UpdateOptions& options) {
    const absl::Status status = trainer->Update(batch, options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  const UpdateOptions options{1, 1e-3, 0.01};
  const RowBatch good = RandomRows(64, 7);
  RowBatch bad = good;
  bad.actions[5] = 5;
  EXPECT_THAT(message(bad, options), HasSubstr("action of row 5 is 5, must be below 5"));
  bad = good;
  bad.returns.pop_back();
  EXPECT_THAT(message(bad, options), HasSubstr("column returns has 63 values, must have 64"));
  bad = good;
  bad.obs_dim = 18;
  EXPECT_THAT(message(bad, options), HasSubstr("obs_dim is 18"));
  EXPECT_THAT(message(good, {-1, 1e-3, 0}), HasSubstr("iteration"));
  EXPECT_THAT(message(good, {1, kNaN, 0}), HasSubstr("learning_rate"));
  EXPECT_THAT(message(good, {1, 1e-3, -1}), HasSubstr("entropy_coef"));
  EXPECT_EQ(trainer->Weights(), before);
}

TEST(PpoTrainer, RefusesOptionsOutOfRange) {
  const auto message = [](auto change) {
    TrainerOptions options = SmallOptions();
    change(options);
    const absl::Status status = PpoTrainer::Create(options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_THAT(message([](auto& o) { o.obs_dim = 12; }), HasSubstr("obs_dim is 12, must be 11"));
  EXPECT_THAT(message([](auto& o) { o.hidden_sizes = {64, 0}; }), HasSubstr("64,0"));
  EXPECT_THAT(message([](auto& o) { o.batch_size = 1; }), HasSubstr("batch_size"));
  EXPECT_THAT(message([](auto& o) { o.n_epochs = 0; }), HasSubstr("n_epochs"));
  EXPECT_THAT(message([](auto& o) { o.clip_range = 0; }), HasSubstr("clip_range"));
  EXPECT_THAT(message([](auto& o) { o.vf_coef = -1; }), HasSubstr("vf_coef"));
  EXPECT_THAT(message([](auto& o) { o.max_grad_norm = kNaN; }), HasSubstr("max_grad_norm"));
  EXPECT_THAT(message([](auto& o) { o.adam_epsilon = 0; }), HasSubstr("adam_epsilon"));
  EXPECT_THAT(message([](auto& o) { o.threads = 0; }), HasSubstr("threads"));
  EXPECT_THAT(message([](auto& o) { o.device = "tpu"; }), HasSubstr("tpu"));
  EXPECT_THAT(message([](auto& o) { o.neighbor_radius = 0; }), HasSubstr("radius"));
}

}  // namespace
}  // namespace shoal
