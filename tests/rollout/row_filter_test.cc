#include "actor/rollout/row_filter.h"

#include <array>

#include "gtest/gtest.h"

namespace shoal {
namespace {

v1::IterationPlan Plan(bool active) {
  v1::IterationPlan plan;
  plan.set_iteration(5);
  plan.set_row_filter_active(active);
  plan.set_advantage_mean(1.0);
  plan.set_advantage_std(0.5);
  return plan;
}

std::array<float, 11> Observation(bool predator_visible) {
  std::array<float, 11> observation = {};
  observation[5] = predator_visible ? 1.0f : 0.0f;
  return observation;
}

TEST(RowFilter, KeepsWhatIsNotQuiet) {
  const RowFilter filter(1, 0.0, Plan(true));
  const auto quiet = Observation(false);
  const auto visible = Observation(true);
  EXPECT_TRUE(filter.Keep(visible.data(), 1.0f, 0, 0, 0));
  EXPECT_TRUE(filter.Keep(quiet.data(), 2.01f, 0, 0, 0));
  EXPECT_TRUE(filter.Keep(quiet.data(), -0.01f, 0, 0, 0));
  EXPECT_FALSE(filter.Keep(quiet.data(), 2.0f, 0, 0, 0));
  EXPECT_FALSE(filter.Keep(quiet.data(), 0.0f, 0, 0, 0));
}

TEST(RowFilter, InactiveKeepsEverything) {
  const RowFilter filter(1, 0.0, Plan(false));
  EXPECT_TRUE(filter.Keep(Observation(false).data(), 1.0f, 0, 0, 0));
}

TEST(RowFilter, KeepsItsShareOfQuietRows) {
  const auto quiet = Observation(false);
  for (double keep : {0.05, 0.5, 1.0}) {
    const RowFilter filter(1, keep, Plan(true));
    int kept = 0;
    constexpr int kRows = 20 * 25 * 40;
    for (uint32_t environment = 0; environment < 20; ++environment) {
      for (uint32_t fish = 0; fish < 25; ++fish) {
        for (uint32_t step = 0; step < 40; ++step) {
          kept += filter.Keep(quiet.data(), 1.0f, environment, fish, step);
        }
      }
    }
    // Four standard deviations of a binomial share are at most 4 * 0.5 / sqrt(20000) = 0.014.
    EXPECT_NEAR(kept / double{kRows}, keep, 0.014);
  }
}

TEST(RowFilter, DrawsAreNamedByRowAndIteration) {
  const auto quiet = Observation(false);
  const RowFilter first(1, 0.5, Plan(true));
  v1::IterationPlan later = Plan(true);
  later.set_iteration(6);
  const RowFilter second(1, 0.5, later);
  int differ = 0;
  for (uint32_t step = 0; step < 200; ++step) {
    EXPECT_EQ(first.Keep(quiet.data(), 1.0f, 3, 4, step),
              first.Keep(quiet.data(), 1.0f, 3, 4, step));
    differ +=
        first.Keep(quiet.data(), 1.0f, 3, 4, step) != second.Keep(quiet.data(), 1.0f, 3, 4, step);
  }
  EXPECT_GT(differ, 50);
}

}  // namespace
}  // namespace shoal
