#include "coordinator/schedule/escape_boost.h"

#include <limits>

#include "coordinator/schedule/penalty.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/schedule/main_experiment.h"

namespace shoal {
namespace {

using testing::HasSubstr;

EscapeBoost Make(const v1::RunOptions& options) {
  auto boost = EscapeBoost::Create(options);
  EXPECT_TRUE(boost.ok()) << boost.status();
  return *std::move(boost);
}

std::string ErrorOf(const v1::RunOptions& options) {
  const auto boost = EscapeBoost::Create(options);
  EXPECT_FALSE(boost.ok());
  return std::string(boost.status().message());
}

// Checks the main experiment's published boosts with a p10 that never changes.
void ExpectPublished(const v1::RunOptions& options, std::optional<double> p10) {
  const auto penalty = PenaltySchedule::Create(options);
  ASSERT_TRUE(penalty.ok());
  EscapeBoost boost = Make(options);
  for (int64_t i = 1; i <= 60; ++i) {
    const double expected = i < 20 ? 0.75 : i < 29 ? 0.76 : i < 37 ? 0.78 : 0.80;
    EXPECT_DOUBLE_EQ(boost.Value(i, penalty->Value(i, 4), 0), expected) << i;
    boost.Observe(p10);
  }
}

TEST(EscapeBoost, PublishedValuesOfTheMainExperiment) {
  v1::RunOptions options = MainExperiment();
  ExpectPublished(options, 40);            // late deaths: the target is the high speed
  ExpectPublished(options, 15);            // between the thresholds: no target
  ExpectPublished(options, std::nullopt);  // no deaths: the window never fills
  options.set_disable_adaptive_boost(true);
  ExpectPublished(options, 5);
}

// One long phase at 0.8 after a short one, with room below it.
v1::RunOptions Adaptive() {
  v1::RunOptions options;
  Merge(R"(curriculum: "10:5,10:20" escape_boost_phase_speeds: "1:0.9,2:0.8"
           escape_boost_phase_floors: "2:0.5" escape_boost_floor_default: 0.6
           escape_boost_penalty_caps: "" adaptive_boost_window: 3 adaptive_boost_min_iteration: 7
           adaptive_boost_lower_p10: 12 adaptive_boost_upper_p10: 18
           adaptive_boost_low_speed: 0.55 adaptive_boost_high_speed: 0.7
           adaptive_boost_stage_floor: "1:0.65,2:0.85")",
        options);
  return options;
}

TEST(EscapeBoost, ControllerWaitsForItsIterationAndItsWindow) {
  EscapeBoost boost = Make(Adaptive());
  boost.Observe(5);
  boost.Observe(std::nullopt);
  boost.Observe(5);
  EXPECT_DOUBLE_EQ(boost.Value(8, 0, 0), 0.8) << "two of three values";
  boost.Observe(5);
  EXPECT_DOUBLE_EQ(boost.Value(4, 0, 0), 0.9) << "before its first iteration";
  EXPECT_DOUBLE_EQ(boost.Value(8, 0, 0), 0.55);
}

TEST(EscapeBoost, ControllerBranches) {
  EscapeBoost boost = Make(Adaptive());
  for (const double p10 : {30, 5, 11}) boost.Observe(p10);
  EXPECT_DOUBLE_EQ(boost.Value(7, 0, 0), 0.55) << "median 11 < 12";
  EXPECT_DOUBLE_EQ(boost.Value(7, 0, 0), 0.55) << "asking again changes nothing";
  boost.Observe(15);
  EXPECT_DOUBLE_EQ(boost.Value(8, 0, 0), 0.55) << "5, 11, 15";
  boost.Observe(15);
  EXPECT_DOUBLE_EQ(boost.Value(9, 0, 0), 0.55) << "median 15: nothing changes";
  boost.Observe(18);
  boost.Observe(18);
  EXPECT_DOUBLE_EQ(boost.Value(10, 0, 0), 0.55) << "median 18 is not above 18";
  boost.Observe(18.5);
  boost.Observe(18.5);
  EXPECT_DOUBLE_EQ(boost.Value(11, 0, 0), 0.7);
}

TEST(EscapeBoost, MeanInsteadOfMedian) {
  v1::RunOptions options = Adaptive();
  options.set_adaptive_boost_use_mean(true);
  EscapeBoost boost = Make(options);
  for (const double p10 : {5, 6, 100}) boost.Observe(p10);
  EXPECT_DOUBLE_EQ(boost.Value(7, 0, 0), 0.7) << "mean 37, median 6";
}

TEST(EscapeBoost, TargetIsBoundedByPhaseValueFloorsAndCaps) {
  v1::RunOptions options = Adaptive();
  options.set_adaptive_boost_high_speed(0.95);
  options.set_escape_boost_penalty_caps("0.02:0.6,0.05:0.3");
  EscapeBoost boost = Make(options);
  for (const double p10 : {50, 50, 50}) boost.Observe(p10);
  EXPECT_DOUBLE_EQ(boost.Value(7, 0, 0), 0.8) << "never above the phase's own value";
  EXPECT_DOUBLE_EQ(boost.Value(7, 0.02 - 1e-12, 0), 0.6) << "the tolerance of thresholds";
  EXPECT_DOUBLE_EQ(boost.Value(7, 0.05, 0), 0.3) << "the caps come last, below any floor";
  for (const double p10 : {5, 5, 5}) boost.Observe(p10);
  EXPECT_DOUBLE_EQ(boost.Value(8, 0, 0), 0.55);
  EXPECT_DOUBLE_EQ(boost.Value(8, 0, 1), 0.65) << "the gate stage's floor";
  EXPECT_DOUBLE_EQ(boost.Value(8, 0, 2), 0.85);
  options.set_escape_boost_phase_floors("2:0.75");
  boost = Make(options);
  for (const double p10 : {5, 5, 5}) boost.Observe(p10);
  EXPECT_DOUBLE_EQ(boost.Value(8, 0, 0), 0.75) << "the phase's floor";
}

TEST(EscapeBoost, StageFloorsBoundTheControllerOnly) {
  v1::RunOptions options = Adaptive();
  EscapeBoost boost = Make(options);
  EXPECT_DOUBLE_EQ(boost.Value(8, 0, 2), 0.8) << "no target yet";
  options.set_disable_adaptive_boost(true);
  EXPECT_DOUBLE_EQ(Make(options).Value(8, 0, 2), 0.8);
}

TEST(EscapeBoost, PhaseStartsFromItsOwnValue) {
  v1::RunOptions options = Adaptive();
  options.set_adaptive_boost_min_iteration(2);
  options.set_escape_boost_phase_floors("1:0.5,2:0.5");
  EscapeBoost boost = Make(options);
  for (const double p10 : {5, 5, 5}) boost.Observe(p10);
  EXPECT_DOUBLE_EQ(boost.Value(5, 0, 0), 0.55);
  EXPECT_DOUBLE_EQ(boost.Value(6, 0, 0), 0.8);
  for (const double p10 : {15, 15, 15}) boost.Observe(p10);
  EXPECT_DOUBLE_EQ(boost.Value(7, 0, 0), 0.8) << "the earlier phase's target is gone";
  for (const double p10 : {5, 5, 5}) boost.Observe(p10);
  EXPECT_DOUBLE_EQ(boost.Value(8, 0, 0), 0.55);
}

TEST(EscapeBoost, FloorRaisesThePhaseValue) {
  v1::RunOptions options;
  options.set_escape_boost_speed(0.3);
  EXPECT_DOUBLE_EQ(Make(options).Value(1, 0, 0), 0.75);
}

TEST(EscapeBoost, DefaultTablesFollowThePhasesExplicitOnesMustFit) {
  v1::RunOptions options;
  options.set_curriculum("10:1,10:1,10:1,10:1,10:1,10:1,10:1,10:1");
  EXPECT_DOUBLE_EQ(Make(options).phase_speeds().at(8), 0.82);
  options.set_curriculum("10:1,10:1,10:1");
  EXPECT_THAT(Make(options).phase_speeds(), testing::ElementsAre(testing::Pair(3, 0.76)));
  options.set_escape_boost_phase_speeds("4:0.8");
  EXPECT_THAT(ErrorOf(options), HasSubstr("names phase 4, the curriculum has 3"));
  options.set_escape_boost_phase_speeds("1:0.8,1:0.9");
  EXPECT_THAT(ErrorOf(options), HasSubstr("1 is given twice"));
  options.set_escape_boost_phase_speeds("0.8");
  EXPECT_THAT(ErrorOf(options), HasSubstr("is not of the form key:value"));
  options.set_escape_boost_phase_speeds("1:1.5");
  EXPECT_THAT(ErrorOf(options), HasSubstr("1.5 is not within 0 to 1"));
  options.clear_escape_boost_phase_speeds();
  options.set_escape_boost_penalty_caps("0.05");
  EXPECT_THAT(ErrorOf(options), HasSubstr("--escape_boost_penalty_caps 0.05"));
  options.clear_escape_boost_penalty_caps();
  options.set_adaptive_boost_stage_floor("3:0.8");
  EXPECT_THAT(ErrorOf(options), HasSubstr("3 is not within 0 to 2"));
  options.clear_adaptive_boost_stage_floor();
  options.set_adaptive_boost_lower_p10(20);
  EXPECT_THAT(ErrorOf(options), HasSubstr("adaptive_boost_upper_p10, which is 18"));
}

TEST(EscapeBoost, GoesOnFromASavedState) {
  const v1::RunOptions options = Adaptive();
  const double p10s[] = {5, 9, 20, 30, 15, 15, 15, 8, 8, 40, 13, 14, 2, 1, 60, 70, 80, 9, 9, 9};
  for (int64_t cut = 1; cut < 20; ++cut) {
    EscapeBoost whole = Make(options);
    EscapeBoost resumed = Make(options);
    for (int64_t i = 1; i <= 20; ++i) {
      if (i == cut) {
        v1::EscapeBoostState state;
        ASSERT_TRUE(state.ParseFromString(whole.State().SerializeAsString()));
        ASSERT_TRUE(resumed.Restore(state).ok());
      }
      const double expected = whole.Value(i, 0, 0);
      whole.Observe(p10s[i - 1]);
      if (i < cut) continue;
      EXPECT_EQ(resumed.Value(i, 0, 0), expected) << cut << " " << i;
      resumed.Observe(p10s[i - 1]);
    }
  }
}

TEST(EscapeBoost, RefusesStatesOfOtherOptions) {
  EscapeBoost boost = Make(Adaptive());
  v1::EscapeBoostState state;
  for (int i = 0; i < 4; ++i) state.add_window(1);
  EXPECT_THAT(std::string(boost.Restore(state).message()), HasSubstr("adaptive_boost_window is 3"));
  state.clear_window();
  state.set_phase(3);
  EXPECT_FALSE(boost.Restore(state).ok());
  state.set_phase(1);
  for (const double target : {-0.1, 1.5, std::numeric_limits<double>::quiet_NaN()}) {
    state.set_target(target);
    EXPECT_THAT(std::string(boost.Restore(state).message()), HasSubstr("target")) << target;
  }
  state.clear_target();
  state.add_window(std::numeric_limits<double>::quiet_NaN());
  EXPECT_FALSE(boost.Restore(state).ok());
}

}  // namespace
}  // namespace shoal
