// The gradient against finite differences, and what must not change a bit of it.
#include "learner/ppo/engine.h"

#include <ATen/Parallel.h>

#include <cmath>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "learner/ppo/initialization.h"

namespace shoal {
namespace {

using ::testing::HasSubstr;

constexpr double kEntropyCoef = 0.03;

// Raw draws of this generator are the same everywhere.
float Uniform(std::mt19937& random, float low, float high) {
  return low + (high - low) * static_cast<float>(random() >> 8) * 0x1p-24f;
}

RowBatch RandomRows(int64_t rows, int obs_dim, unsigned seed) {
  std::mt19937 random(seed);
  RowBatch batch;
  batch.rows = rows;
  batch.obs_dim = obs_dim;
  for (int64_t i = 0; i < rows * obs_dim; ++i) {
    batch.observations.push_back(Uniform(random, -1, 1));
  }
  for (int64_t i = 0; i < rows; ++i) {
    batch.actions.push_back(random() % kPolicyActions);
    batch.log_probs.push_back(std::log(0.2f) + Uniform(random, -0.6f, 0.6f));
    batch.advantages.push_back(Uniform(random, -2, 3));
    batch.returns.push_back(Uniform(random, -1, 1));
  }
  return batch;
}

std::vector<uint32_t> AllOf(const RowBatch& batch) {
  std::vector<uint32_t> indices(batch.rows);
  std::iota(indices.begin(), indices.end(), 0u);
  return indices;
}

EngineOptions Options(Activation activation, int64_t batch_size, std::vector<int> hidden = {7, 6}) {
  EngineOptions options;
  options.hidden_sizes = std::move(hidden);
  options.activation = activation;
  options.batch_size = batch_size;
  options.device = "cpu";
  return options;
}

// Initial weights, with heads large enough that all terms of the loss matter.
std::unique_ptr<Engine> Make(const EngineOptions& options) {
  auto engine = MakeEngine(options);
  EXPECT_TRUE(engine.ok()) << engine.status();
  EngineState state;
  state.parameters = InitialParameters((*engine)->layout(), 3);
  std::mt19937 random(4);
  for (double& value : state.parameters) value += Uniform(random, -0.2f, 0.2f);
  state.first_moment.assign(state.parameters.size(), 0.0);
  state.second_moment.assign(state.parameters.size(), 0.0);
  EXPECT_TRUE((*engine)->SetState(state).ok());
  return *std::move(engine);
}

// Of the batch as one minibatch, with no step along the gradient; Adam's state moves.
MinibatchLosses Compute(Engine& engine, const RowBatch& batch) {
  EXPECT_TRUE(engine.BeginUpdate(batch).ok());
  EXPECT_TRUE(engine.RunEpoch(AllOf(batch), 0, kEntropyCoef).ok());
  auto sums = engine.EndUpdate();
  EXPECT_TRUE(sums.ok()) << sums.status();
  EXPECT_EQ(sums->minibatches, 1);
  return sums->losses;
}

double TotalLoss(const MinibatchLosses& losses) {
  return losses.policy_loss + 0.5 * losses.value_loss - kEntropyCoef * losses.entropy;
}

class GradientTest
    : public ::testing::TestWithParam<std::tuple<Activation, bool, std::vector<int>>> {};

TEST_P(GradientTest, IsThatOfFiniteDifferences) {
  // More rows than a slice, the last slice short.
  const RowBatch batch = RandomRows(300, 11, 1);
  EngineOptions options = Options(std::get<0>(GetParam()), 300, std::get<2>(GetParam()));
  options.float64 = true;
  options.separate_device_memory = std::get<1>(GetParam());
  const auto engine = Make(options);
  const MinibatchLosses losses = Compute(*engine, batch);
  // Both branches of the clip are there.
  ASSERT_GT(losses.clip_fraction, 0.2);
  ASSERT_LT(losses.clip_fraction, 0.8);
  const std::vector<double> gradient = engine->Gradient();
  EXPECT_NEAR(losses.gradient_norm,
              std::sqrt(std::inner_product(gradient.begin(), gradient.end(), gradient.begin(), 0.)),
              1e-12);
  const EngineState state = engine->State();
  constexpr double kStep = 1e-6;
  for (size_t i = 0; i < gradient.size(); ++i) {
    double loss[2];
    for (int side : {0, 1}) {
      EngineState moved = state;
      moved.parameters[i] += side == 0 ? -kStep : kStep;
      ASSERT_TRUE(engine->SetState(moved).ok());
      loss[side] = TotalLoss(Compute(*engine, batch));
    }
    ASSERT_NEAR(gradient[i], (loss[1] - loss[0]) / (2 * kStep), 2e-8) << "parameter " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(
    ActivationsMemoryAndLayers, GradientTest,
    ::testing::Combine(::testing::Values(Activation::kTanh, Activation::kRelu), ::testing::Bool(),
                       ::testing::Values(std::vector<int>{7, 6}, std::vector<int>{},
                                         std::vector<int>{9}, std::vector<int>{4, 3, 5})));

TEST(Engine, LossesAreThoseOfTheFormulas) {
  // Weights of zero: every probability is 0.2, every value 0.
  EngineOptions options = Options(Activation::kTanh, 4);
  options.float64 = true;
  const auto engine = *MakeEngine(options);
  RowBatch batch = RandomRows(4, 11, 1);
  const float behaviour = std::log(0.2f);
  // Ratios 1, 2, 2, 0.5; advantages normalised by mean 0 and deviation sqrt(4 / 3).
  batch.log_probs = {behaviour, behaviour - std::log(2.f), behaviour - std::log(2.f),
                     behaviour + std::log(2.f)};
  batch.advantages = {1, 1, -1, -1};
  batch.returns = {1, -1, 2, 0};
  const MinibatchLosses losses = Compute(*engine, batch);
  const double a = 1 / (std::sqrt(4 / 3.) + 1e-8);
  EXPECT_NEAR(losses.policy_loss, -(1 * a + 1.2 * a - 2 * a - 0.8 * a) / 4, 1e-6);
  EXPECT_NEAR(losses.value_loss, (1 + 1 + 4 + 0) / 4., 1e-12);
  EXPECT_NEAR(losses.entropy, std::log(5.), 1e-12);
  EXPECT_NEAR(losses.approx_kl, (2 * (1 - std::log(2.)) + (-0.5 + std::log(2.))) / 4, 1e-6);
  EXPECT_DOUBLE_EQ(losses.clip_fraction, 0.75);
}

// Some steps; the state after them.
EngineState AfterSteps(const EngineOptions& options, const RowBatch& batch, int64_t rows) {
  const auto engine = Make(options);
  std::vector<uint32_t> indices = AllOf(batch);
  EXPECT_TRUE(engine->BeginUpdate(batch).ok());
  for (int step = 0; step < 4; ++step) {
    const auto part = absl::MakeConstSpan(indices).subspan(step * 10, rows);
    EXPECT_TRUE(engine->RunEpoch(part, 0.01, kEntropyCoef).ok());
  }
  EXPECT_TRUE(engine->EndUpdate().ok());
  return engine->State();
}

TEST(Engine, BitsDoNotDependOnTheNumberOfThreads) {
  // Wide enough for several chunks of parameters, long enough for several waves of slices.
  const int64_t rows = 20 * kSliceRows - 5;
  const RowBatch batch = RandomRows(rows + 40, 11, 2);
  for (Activation activation : {Activation::kTanh, Activation::kRelu}) {
    EngineOptions options = Options(activation, rows, {130, 140});
    const EngineState one = AfterSteps(options, batch, rows);
    for (int threads : {2, 4}) {
      options.threads = threads;
      const EngineState many = AfterSteps(options, batch, rows);
      EXPECT_EQ(one.parameters, many.parameters) << threads;
      EXPECT_EQ(one.first_moment, many.first_moment) << threads;
      EXPECT_EQ(one.second_moment, many.second_moment) << threads;
    }
  }
}

TEST(Engine, BitsDoNotDependOnLibTorchsThreads) {
  const int64_t rows = 2 * kSliceRows;
  const RowBatch batch = RandomRows(rows + 40, 11, 2);
  EngineOptions options = Options(Activation::kTanh, rows, {130, 140});
  options.threads = 2;
  at::set_num_threads(1);
  const EngineState one = AfterSteps(options, batch, rows);
  at::set_num_threads(3);
  const EngineState three = AfterSteps(options, batch, rows);
  EXPECT_EQ(one.parameters, three.parameters);
  EXPECT_EQ(one.second_moment, three.second_moment);
}

TEST(Engine, TheDevicesWayGivesTheSameUpToRounding) {
  const RowBatch batch = RandomRows(700, 11, 2);
  EngineOptions options = Options(Activation::kTanh, 600, {32, 32});
  const EngineState host = AfterSteps(options, batch, 600);
  options.separate_device_memory = true;
  const EngineState device = AfterSteps(options, batch, 600);
  ASSERT_EQ(host.adam_steps, 4);
  ASSERT_EQ(device.adam_steps, 4);
  for (size_t i = 0; i < host.parameters.size(); ++i) {
    ASSERT_NEAR(host.parameters[i], device.parameters[i], 2e-4) << i;
  }
}

TEST(Engine, AStepIsAdamsOnTheGradientClippedByNetwork) {
  const RowBatch batch = RandomRows(64, 11, 5);
  EngineOptions options = Options(Activation::kRelu, 64);
  options.float64 = true;
  options.max_grad_norm = 0.01;
  options.adam_epsilon = 0.1;  // Large: the size of the gradient must show.
  const auto engine = Make(options);
  const EngineState state = engine->State();
  const std::vector<double>& before = state.parameters;
  const double norm = Compute(*engine, batch).gradient_norm;
  const std::vector<double> gradient = engine->Gradient();
  // The value network has the parameters from here on.
  const size_t split = static_cast<size_t>(engine->layout().begin(kValueNetwork));
  double squares[kNetworks] = {};
  for (size_t i = 0; i < gradient.size(); ++i) squares[i >= split] += gradient[i] * gradient[i];
  ASSERT_GT(std::sqrt(squares[kPolicyNetwork]), 0.02);
  ASSERT_GT(std::sqrt(squares[kValueNetwork]), 0.02);
  EXPECT_NEAR(norm, std::sqrt(squares[kPolicyNetwork] + squares[kValueNetwork]), 1e-12);
  ASSERT_TRUE(engine->SetState(state).ok());
  ASSERT_TRUE(engine->BeginUpdate(batch).ok());
  ASSERT_TRUE(engine->RunEpoch(AllOf(batch), 0.5, kEntropyCoef).ok());
  const EngineState after = engine->State();
  for (size_t i = 0; i < gradient.size(); ++i) {
    // At the first step both corrected moments are the gradient's own.
    const double g = gradient[i] * 0.01 / (std::sqrt(squares[i >= split]) + 1e-6);
    ASSERT_NEAR(after.parameters[i], before[i] - 0.5 * g / (std::abs(g) + 0.1), 1e-12);
  }
}

TEST(Engine, DeviceNames) {
  EngineOptions options = Options(Activation::kTanh, 64);
  for (std::string name :
       {"gpu", "", "cuda:", "cuda:x", "cuda:-1", "cuda:+1", "cuda:1234", "CPU"}) {
    options.device = name;
    const absl::Status status = MakeEngine(options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(std::string(status.message()), HasSubstr("auto, cpu, cuda or cuda:n"));
  }
  options.device = "cuda:999";
  const absl::Status status = MakeEngine(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("\"cuda:999\""));
  options.device = "auto";
  EXPECT_TRUE(MakeEngine(options).ok());
}

}  // namespace
}  // namespace shoal
