#include "tests/fake_learner/fake_trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

namespace shoal {
namespace {

using ::testing::HasSubstr;

TrainerOptions Options() {
  TrainerOptions options;
  options.hidden_sizes = {6, 4};
  options.seed = 3;
  return options;
}

RowBatch Batch(int rows = 5) {
  RowBatch batch;
  batch.rows = rows;
  batch.obs_dim = 18;
  for (int i = 0; i < rows * 18; ++i) batch.observations.push_back(0.5f * i);
  for (int i = 0; i < rows; ++i) {
    batch.actions.push_back(i % kPolicyActions);
    batch.log_probs.push_back(-1.0f - i);
    batch.advantages.push_back(0.1f * i);
    batch.returns.push_back(-0.3f * i);
  }
  return batch;
}

std::unique_ptr<PpoTrainer> Make() { return *CreateFakeTrainer(Options()); }

std::string PolicyAfter(const RowBatch& batch, const UpdateOptions& options = {}) {
  auto trainer = Make();
  EXPECT_TRUE(trainer->Update(batch, options).ok());
  return *SerializePolicy(trainer->Weights());
}

TEST(FakeTrainer, EveryValueAndTheOrderOfRowsMatter) {
  const std::string same = PolicyAfter(Batch());
  EXPECT_EQ(same, PolicyAfter(Batch()));
  const std::vector<std::function<void(RowBatch&)>> changes = {
      [](RowBatch& b) { b.observations[40] += 1e-4f; }, [](RowBatch& b) { b.actions[2] ^= 1; },
      [](RowBatch& b) { b.log_probs[4] += 1e-6f; },     [](RowBatch& b) { b.advantages[0] += 1e-7f; },
      [](RowBatch& b) { b.returns[3] -= 1e-7f; },       [](RowBatch& b) { std::swap(b.returns[0], b.returns[1]); },
      [](RowBatch& b) { b = Batch(4); }};
  for (const auto& change : changes) {
    RowBatch batch = Batch();
    change(batch);
    EXPECT_NE(same, PolicyAfter(batch)) << &change - changes.data();
  }
  UpdateOptions later;
  later.iteration = 2;
  EXPECT_NE(same, PolicyAfter(Batch(), later));
}

TEST(FakeTrainer, GoesOnFromItsStateAlone) {
  auto first = Make();
  ASSERT_TRUE(first->Update(Batch(), {}).ok());
  auto second = Make();
  ASSERT_TRUE(second->Restore(first->Weights(), first->OptimizerState()).ok());
  EXPECT_EQ(first->Weights(), second->Weights());
  ASSERT_TRUE(first->Update(Batch(3), {}).ok());
  ASSERT_TRUE(second->Update(Batch(3), {}).ok());
  EXPECT_EQ(first->Weights(), second->Weights());
  EXPECT_EQ(first->OptimizerState(), second->OptimizerState());
  // What came before counts.
  auto fresh = Make();
  ASSERT_TRUE(fresh->Update(Batch(3), {}).ok());
  EXPECT_NE(first->Weights(), fresh->Weights());
}

TEST(FakeTrainer, RefusesWhatDoesNotBelongTogether) {
  auto first = Make(), second = Make();
  ASSERT_TRUE(first->Update(Batch(), {}).ok());
  EXPECT_THAT(std::string(second->Restore(second->Weights(), first->OptimizerState()).message()),
              HasSubstr("other weights"));
  EXPECT_FALSE(second->Restore(first->Weights(), "").ok());
  TrainerOptions wider = Options();
  wider.hidden_sizes = {7, 4};
  auto other = *CreateFakeTrainer(wider);
  EXPECT_THAT(std::string(second->Restore(other->Weights(), other->OptimizerState()).message()),
              HasSubstr("another shape"));
  RowBatch torn = Batch();
  torn.returns.pop_back();
  EXPECT_FALSE(second->Update(torn, {}).ok());
}

}  // namespace
}  // namespace shoal
