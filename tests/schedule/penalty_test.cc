#include "coordinator/schedule/penalty.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/schedule/main_experiment.h"

namespace shoal {
namespace {

using testing::AllOf;
using testing::HasSubstr;

PenaltySchedule Make(const v1::RunOptions& options) {
  auto schedule = PenaltySchedule::Create(options);
  EXPECT_TRUE(schedule.ok()) << schedule.status();
  return *std::move(schedule);
}

std::string ErrorOf(const v1::RunOptions& options) {
  const auto schedule = PenaltySchedule::Create(options);
  EXPECT_FALSE(schedule.ok());
  return std::string(schedule.status().message());
}

TEST(PenaltySchedule, PublishedValuesOfTheMainExperiment) {
  const PenaltySchedule schedule = Make(MainExperiment());
  for (int64_t i = 1; i <= 60; ++i) {
    const double expected = i < 10 ? 0 : i < 20 ? 0.02 : i < 29 ? 0.04 : 0.05;
    EXPECT_DOUBLE_EQ(schedule.Value(i, 4), expected) << i;
  }
}

TEST(PenaltySchedule, RampsOfAnOpenGate) {
  // Phases 6 and 7 ramp without a plateau: 45..52 from 0.055 to 0.06, 53..60 to 0.065.
  const PenaltySchedule schedule = Make(MainExperiment());
  EXPECT_DOUBLE_EQ(schedule.Value(37, 7), 0.055);
  EXPECT_DOUBLE_EQ(schedule.Value(45, 7), 0.055);
  EXPECT_DOUBLE_EQ(schedule.Value(46, 7), 0.055 + 0.005 / 7);
  EXPECT_DOUBLE_EQ(schedule.Value(52, 7), 0.06);
  EXPECT_DOUBLE_EQ(schedule.Value(53, 7), 0.06);
  EXPECT_DOUBLE_EQ(schedule.Value(60, 7), 0.065);
  // An earlier phase's target holds where the gate allows less.
  EXPECT_DOUBLE_EQ(schedule.Value(60, 6), 0.06);
  EXPECT_DOUBLE_EQ(schedule.Value(60, 5), 0.055);
  EXPECT_DOUBLE_EQ(schedule.Value(60, 1), 0.0);
  // More than the last phase allows everything.
  EXPECT_DOUBLE_EQ(schedule.Value(60, 9), 0.065);
}

v1::RunOptions Ramped() {
  v1::RunOptions options;
  Merge(R"(curriculum: "10:6,10:6,10:3" density_penalty_phase_targets: "0.1,0.5,0.8"
           density_penalty_ramp_phases: "1,2,3" density_penalty_phase_plateaus: "0,2,2"
           density_penalty_coef: 0.05 density_penalty_lock_until: 0)",
        options);
  return options;
}

TEST(PenaltySchedule, PlateauThenLine) {
  const PenaltySchedule schedule = Make(Ramped());
  // Phase 1, from density_penalty_coef: 0.05 at its first iteration, 0.1 at its sixth.
  const double first[] = {0.05, 0.06, 0.07, 0.08, 0.09, 0.1};
  // Phase 2, iterations 7 to 12: two of plateau, 0.1 again at the third, 0.5 at the sixth.
  const double second[] = {0.1, 0.1, 0.1, 0.1 + 0.4 / 3, 0.1 + 0.8 / 3, 0.5};
  for (int i = 0; i < 6; ++i) {
    EXPECT_NEAR(schedule.Value(1 + i, 3), first[i], 1e-15) << i;
    EXPECT_NEAR(schedule.Value(7 + i, 3), second[i], 1e-15) << i;
  }
  // Phase 3: one iteration is left after the plateau, and it is the phase's last.
  EXPECT_DOUBLE_EQ(schedule.Value(13, 3), 0.5);
  EXPECT_DOUBLE_EQ(schedule.Value(14, 3), 0.5);
  EXPECT_DOUBLE_EQ(schedule.Value(15, 3), 0.8);
}

TEST(PenaltySchedule, PlateauAsLongAsThePhaseAndOutsideRamps) {
  v1::RunOptions options = Ramped();
  options.set_density_penalty_phase_plateaus("6,4,7");
  options.set_density_penalty_ramp_phases("3");
  const PenaltySchedule schedule = Make(options);
  EXPECT_DOUBLE_EQ(schedule.Value(1, 3), 0.1);  // no ramp: the plateau does nothing
  EXPECT_DOUBLE_EQ(schedule.Value(7, 3), 0.5);
  EXPECT_DOUBLE_EQ(schedule.Value(15, 3), 0.5);  // the whole phase is plateau
}

TEST(PenaltySchedule, LockCapsTheValue) {
  v1::RunOptions options = Ramped();
  options.set_density_penalty_lock_until(8);
  options.set_density_penalty_lock_value(0.07);
  const PenaltySchedule schedule = Make(options);
  EXPECT_NEAR(schedule.Value(2, 3), 0.06, 1e-15);
  EXPECT_DOUBLE_EQ(schedule.Value(8, 3), 0.07);
  EXPECT_DOUBLE_EQ(schedule.Value(9, 3), 0.1);
}

TEST(PenaltySchedule, DefaultListsFollowThePhasesExplicitOnesMustMatch) {
  v1::RunOptions options;
  options.set_curriculum("10:1,10:1,10:1,10:1,10:1,10:1,10:1,10:1,10:1");
  EXPECT_THAT(Make(options).targets(),
              testing::ElementsAre(0, 0.02, 0.04, 0.05, 0.055, 0.06, 0.065, 0.065, 0.065));
  options.set_curriculum("10:1,10:1");
  EXPECT_THAT(Make(options).targets(), testing::ElementsAre(0, 0.02));
  EXPECT_THAT(Make(options).ramp_phases(), testing::IsEmpty());

  options.set_density_penalty_phase_targets("0.1,0.2,0.3");
  EXPECT_THAT(ErrorOf(options), AllOf(HasSubstr("--density_penalty_phase_targets 0.1,0.2,0.3"),
                                      HasSubstr("3 values"), HasSubstr("2 phases")));
  options.set_density_penalty_phase_targets("");
  EXPECT_THAT(ErrorOf(options), HasSubstr("0 values"));
  options.set_density_penalty_phase_targets("0.1,x");
  EXPECT_THAT(ErrorOf(options), HasSubstr("\"x\" is not a number"));
  options.set_density_penalty_phase_targets("0.1,nan");
  EXPECT_THAT(ErrorOf(options), HasSubstr("\"nan\" is not a number"));
  options.set_density_penalty_phase_targets("0.1,-0.2");
  EXPECT_THAT(ErrorOf(options), HasSubstr("-0.2 is not within 0 to 100"));
  options.set_density_penalty_phase_targets("0.1, 0.2");
  EXPECT_THAT(Make(options).targets(), testing::ElementsAre(0.1, 0.2));
  options.set_density_penalty_phase_plateaus("1");
  EXPECT_THAT(ErrorOf(options), HasSubstr("density_penalty_phase_plateaus"));
  options.clear_density_penalty_phase_plateaus();
  options.set_density_penalty_ramp_phases("3");
  EXPECT_THAT(ErrorOf(options), HasSubstr("names phase 3, the curriculum has 2"));
}

}  // namespace
}  // namespace shoal
