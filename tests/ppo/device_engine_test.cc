// The device's way of an update against the host's, with the host's memory standing in for a
// device's: recorded minibatches are run again there, pieces of rows are copied.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "learner/ppo/engine.h"
#include "learner/ppo/initialization.h"

namespace shoal {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kBatchSize = 64;
constexpr double kLearningRate = 0.003;
constexpr double kEntropyCoef = 0.03;

RowBatch RandomRows(int64_t rows, unsigned seed) {
  std::mt19937 random(seed);
  const auto uniform = [&] { return static_cast<float>(random() >> 8) * 0x1p-23f - 1; };
  RowBatch batch;
  batch.rows = rows;
  batch.obs_dim = 11;
  for (int64_t i = 0; i < rows * batch.obs_dim; ++i) batch.observations.push_back(uniform());
  for (int64_t i = 0; i < rows; ++i) {
    batch.actions.push_back(random() % kPolicyActions);
    batch.log_probs.push_back(std::log(0.2f) + 0.5f * uniform());
    batch.advantages.push_back(3 * uniform() + 1);
    batch.returns.push_back(uniform());
  }
  return batch;
}

EngineOptions Options(bool device, bool float64) {
  EngineOptions options;
  options.hidden_sizes = {16, 12};
  options.batch_size = kBatchSize;
  options.device = "cpu";
  options.separate_device_memory = device;
  options.float64 = float64;
  return options;
}

std::unique_ptr<Engine> Make(const EngineOptions& options) {
  auto engine = MakeEngine(options);
  EXPECT_TRUE(engine.ok()) << engine.status();
  EngineState state;
  state.parameters = InitialParameters((*engine)->layout(), 3);
  state.first_moment.assign(state.parameters.size(), 0.0);
  state.second_moment.assign(state.parameters.size(), 0.0);
  EXPECT_TRUE((*engine)->SetState(state).ok());
  return *std::move(engine);
}

std::vector<uint32_t> Order(int64_t rows, unsigned seed) {
  std::vector<uint32_t> order(rows);
  std::iota(order.begin(), order.end(), 0u);
  std::shuffle(order.begin(), order.end(), std::mt19937(seed));
  return order;
}

UpdateSums Update(Engine& engine, const RowBatch& batch,
                  const std::vector<std::vector<uint32_t>>& orders) {
  EXPECT_TRUE(engine.BeginUpdate(batch).ok());
  double learning_rate = kLearningRate;
  for (const std::vector<uint32_t>& order : orders) {
    EXPECT_TRUE(engine.RunEpoch(order, learning_rate, kEntropyCoef).ok());
    learning_rate *= 0.9;  // What was recorded must see the change.
  }
  auto sums = engine.EndUpdate();
  EXPECT_TRUE(sums.ok()) << sums.status();
  return *sums;
}

// Four epochs, the last minibatch of each short.
UpdateSums Update(Engine& engine, const RowBatch& batch) {
  std::vector<std::vector<uint32_t>> orders;
  for (unsigned epoch = 0; epoch < 4; ++epoch) orders.push_back(Order(batch.rows, epoch));
  return Update(engine, batch, orders);
}

void ExpectNear(const EngineState& a, const EngineState& b, double tolerance) {
  EXPECT_EQ(a.adam_steps, b.adam_steps);
  for (size_t i = 0; i < a.parameters.size(); ++i) {
    ASSERT_NEAR(a.parameters[i], b.parameters[i], tolerance) << i;
    ASSERT_NEAR(a.first_moment[i], b.first_moment[i], tolerance) << i;
    ASSERT_NEAR(a.second_moment[i], b.second_moment[i], tolerance) << i;
  }
}

void ExpectEqual(const EngineState& a, const EngineState& b) {
  EXPECT_EQ(a.parameters, b.parameters);
  EXPECT_EQ(a.first_moment, b.first_moment);
  EXPECT_EQ(a.second_moment, b.second_moment);
  EXPECT_EQ(a.adam_steps, b.adam_steps);
}

void ExpectNear(const UpdateSums& a, const UpdateSums& b, double tolerance) {
  EXPECT_EQ(a.minibatches, b.minibatches);
  EXPECT_EQ(a.skipped, b.skipped);
  EXPECT_NEAR(a.losses.policy_loss, b.losses.policy_loss, tolerance);
  EXPECT_NEAR(a.losses.value_loss, b.losses.value_loss, tolerance);
  EXPECT_NEAR(a.losses.entropy, b.losses.entropy, tolerance);
  EXPECT_NEAR(a.losses.approx_kl, b.losses.approx_kl, tolerance);
  EXPECT_NEAR(a.losses.clip_fraction, b.losses.clip_fraction, tolerance);
  EXPECT_NEAR(a.losses.gradient_norm, b.losses.gradient_norm, tolerance);
}

// In double there is nothing between the two ways but rounding of 1e-16.
constexpr double kDoubleRounding = 1e-10;

TEST(DeviceEngine, UpdatesAreTheHostsUpToRounding) {
  for (bool float64 : {true, false}) {
    const auto host = Make(Options(false, float64));
    const auto device = Make(Options(true, float64));
    // Columns grow from the first to the second and to the fourth, in the middle of recordings.
    for (int64_t rows : {5 * kBatchSize + 7, 9 * kBatchSize, 2 * kBatchSize, 20 * kBatchSize + 2}) {
      const RowBatch batch = RandomRows(rows, static_cast<unsigned>(rows));
      const UpdateSums sums = Update(*host, batch);
      EXPECT_EQ(sums.minibatches, 4 * ((rows + kBatchSize - 1) / kBatchSize));
      ExpectNear(sums, Update(*device, batch), float64 ? kDoubleRounding : 0.05);
      ExpectNear(host->State(), device->State(), float64 ? kDoubleRounding : 1e-3);
    }
  }
}

TEST(DeviceEngine, FewRowsMakeNoStep) {
  for (int64_t rows : {0, 1, 2}) {
    const auto device = Make(Options(true, false));
    const EngineState before = device->State();
    EXPECT_EQ(Update(*device, RandomRows(rows, 1)).minibatches, rows == 2 ? 4 : 0);
    if (rows < 2) ExpectEqual(before, device->State());
  }
}

TEST(DeviceEngine, SkippedMinibatchesAreAsIfAbsent) {
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<uint32_t> order = Order(8 * kBatchSize, 5);
  // The first of the minibatches, or one that is replayed.
  for (size_t bad_minibatch : {0, 6}) {
    std::vector<uint32_t> rest = order;
    const auto begin = rest.begin() + bad_minibatch * kBatchSize;
    rest.erase(begin, begin + kBatchSize);
    for (int column = 0; column < 5; ++column) {
      RowBatch batch = RandomRows(8 * kBatchSize, 6);
      const uint32_t row = order[bad_minibatch * kBatchSize + 3];
      (column == 0   ? batch.observations[11 * row + 4]
       : column == 1 ? batch.log_probs[row]
       : column == 2 ? batch.advantages[row]
                     : batch.returns[row]) = column == 4 ? kInfinity : kNaN;
      const auto host = Make(Options(false, true)), device = Make(Options(true, true));
      const auto without = Make(Options(true, true));
      const UpdateSums sums = Update(*device, batch, {order});
      EXPECT_EQ(sums.skipped, 1);
      EXPECT_EQ(sums.minibatches, 7);
      EXPECT_FALSE(std::isfinite(sums.skipped_loss) && std::isfinite(sums.skipped_norm));
      ExpectNear(Update(*host, batch, {order}), sums, kDoubleRounding);
      ExpectNear(host->State(), device->State(), kDoubleRounding);
      UpdateSums absent = sums;
      absent.skipped = 0;
      ExpectNear(Update(*without, batch, {rest}), absent, 0);
      ExpectEqual(without->State(), device->State());
    }
  }
}

TEST(DeviceEngine, MakesNoStepAfterTooManySkipped) {
  const std::vector<uint32_t> order = Order(8 * kBatchSize, 5);
  RowBatch batch = RandomRows(8 * kBatchSize, 6);
  // Minibatches 1, 4, 5 and 7: the fourth is not looked at any more.
  for (int64_t bad : {1, 4, 5, 7}) {
    batch.returns[order[bad * kBatchSize]] = std::numeric_limits<float>::infinity();
  }
  const auto host = Make(Options(false, true)), device = Make(Options(true, true));
  const UpdateSums sums = Update(*device, batch, {order, order});
  EXPECT_EQ(sums.skipped, 3);
  EXPECT_EQ(sums.minibatches, 3);
  EXPECT_EQ(sums.skipped_loss, std::numeric_limits<double>::infinity());
  ExpectNear(Update(*host, batch, {order, order}), sums, kDoubleRounding);
  ExpectNear(host->State(), device->State(), kDoubleRounding);
  // The next update begins anew.
  const RowBatch good = RandomRows(3 * kBatchSize, 7);
  EXPECT_EQ(Update(*device, good).skipped, 0);
  EXPECT_EQ(Update(*host, good).minibatches, 12);
  ExpectNear(host->State(), device->State(), kDoubleRounding);
}

TEST(DeviceEngine, GoesOnFromItsStateToTheBit) {
  const RowBatch first = RandomRows(6 * kBatchSize + 9, 1), second = RandomRows(300, 2);
  const auto straight = Make(Options(true, false));
  Update(*straight, first);
  const auto resumed = Make(Options(true, false));
  ASSERT_TRUE(resumed->SetState(straight->State()).ok());
  ExpectEqual(resumed->State(), straight->State());
  ExpectNear(Update(*straight, second), Update(*resumed, second), 0);
  ExpectEqual(resumed->State(), straight->State());
}

TEST(DeviceEngine, RowsOfMoreThanOnePieceArriveWhole) {
  // 11 floats a row: more than 16 MiB of observations, so three pieces.
  const RowBatch batch = RandomRows(400'000, 3);
  EngineOptions options = Options(false, false);
  options.hidden_sizes = {2};
  options.batch_size = 200'000;
  const auto host = Make(options);
  options.separate_device_memory = true;
  const auto device = Make(options);
  const std::vector<std::vector<uint32_t>> orders = {Order(batch.rows, 1)};
  ExpectNear(Update(*host, batch, orders), Update(*device, batch, orders), 1e-3);
  ExpectNear(host->State(), device->State(), 1e-4);
}

TEST(DeviceEngine, SaysWhichDeviceItIsAndWhy) {
  EngineOptions options = Options(true, false);
  EXPECT_THAT(Make(options)->device_description(), HasSubstr("device cpu was asked for"));
  options.separate_device_memory = false;
  EXPECT_THAT(Make(options)->device_description(), HasSubstr("device cpu was asked for"));
  options.device = "auto";
  EXPECT_THAT(Make(options)->device_description(), HasSubstr("; device auto: "));
}

}  // namespace
}  // namespace shoal
