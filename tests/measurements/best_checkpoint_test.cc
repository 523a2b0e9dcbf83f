#include "coordinator/evaluation/best_checkpoint.h"

#include <algorithm>
#include <vector>

#include "gtest/gtest.h"

namespace shoal {
namespace {

v1::RunOptions Options(int64_t step_one, double avoidable, double early) {
  v1::RunOptions options;
  options.set_best_checkpoint_max_step_one(step_one);
  options.set_best_checkpoint_max_avoidable_step_one_ratio(avoidable);
  options.set_best_checkpoint_max_early_death(early);
  return options;
}

TEST(BestCheckpointTest, FewestStepOneDeathsThenEarlyDeathThenSurvivalThenTheEarlier) {
  // Each is better than all before it.
  std::vector<BestCandidate> ladder = {{10, 5, 0, 0.01, 0.99},
                                       {20, 4, 0, 0.09, 0.50},
                                       {30, 4, 0, 0.08, 0.40},
                                       {50, 4, 0, 0.08, 0.45},
                                       {40, 4, 0, 0.08, 0.45}};
  BestCheckpoint best(Options(8, 0, 0.1));
  for (const BestCandidate& candidate : ladder) EXPECT_TRUE(best.Offer(candidate));
  for (const BestCandidate& candidate : ladder) EXPECT_FALSE(best.Offer(candidate));
  EXPECT_EQ(best.best()->iteration, 40);

  // Any order of offers gives the same.
  const auto by_iteration = [](const BestCandidate& a, const BestCandidate& b) {
    return a.iteration < b.iteration;
  };
  std::sort(ladder.begin(), ladder.end(), by_iteration);
  do {
    BestCheckpoint shuffled(Options(8, 0, 0.1));
    for (const BestCandidate& candidate : ladder) shuffled.Offer(candidate);
    EXPECT_EQ(shuffled.best()->iteration, 40);
  } while (std::next_permutation(ladder.begin(), ladder.end(), by_iteration));
}

TEST(BestCheckpointTest, EveryLimitThatIsOnMustHold) {
  BestCheckpoint best(Options(8, 0.005, 0.1));
  EXPECT_FALSE(best.Offer({1, 9, 0.001, 0.05, 0.9}));
  EXPECT_FALSE(best.Offer({2, 8, 0.006, 0.05, 0.9}));
  EXPECT_FALSE(best.Offer({3, 8, 0.005, 0.11, 0.9}));
  EXPECT_FALSE(best.best().has_value());
  EXPECT_TRUE(best.Offer({4, 8, 0.005, 0.1, 0.9}));
}

TEST(BestCheckpointTest, LimitsCanBeOff) {
  BestCheckpoint best(Options(-1, 0, 1));
  EXPECT_TRUE(best.Admits({1, 1000, 0.9, 1.0, 0.0}));
  // 0 step-one deaths is a limit, not "off".
  EXPECT_FALSE(BestCheckpoint(Options(0, 0, 1)).Admits({1, 1, 0, 0, 1}));
}

TEST(BestCheckpointTest, LimitsTolerateRounding) {
  EXPECT_TRUE(BestCheckpoint(Options(-1, 0, 0.3)).Admits({1, 0, 0, 0.1 + 0.2, 1}));
  EXPECT_FALSE(BestCheckpoint(Options(-1, 0, 0.3)).Admits({1, 0, 0, 0.3 + 1e-8, 1}));
}

TEST(BestCheckpointTest, TakesItsCandidateFromASummary) {
  EvaluationSummary summary;
  summary.step_one_death_count = 3;
  summary.step_one_avoidable_ratio = 0.002;
  summary.early_death_fraction_100 = 0.04;
  summary.avg_final_survival_rate = 0.95;
  const BestCandidate candidate = CandidateOf(20, summary);
  EXPECT_EQ(candidate.iteration, 20);
  EXPECT_EQ(candidate.step_one_deaths, 3);
  EXPECT_EQ(candidate.avoidable_step_one_ratio, 0.002);
  EXPECT_EQ(candidate.early_death, 0.04);
  EXPECT_EQ(candidate.avg_final_survival, 0.95);
}

}  // namespace
}  // namespace shoal
