#include "coordinator/gate/penalty_gate.h"

#include <limits>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/schedule/main_experiment.h"

namespace shoal {
namespace {

using testing::HasSubstr;

PenaltyGate Make(const v1::RunOptions& options) {
  auto gate = PenaltyGate::Create(options);
  EXPECT_TRUE(gate.ok()) << gate.status();
  return *std::move(gate);
}

// Three stages, one success opens the next, no lock.
v1::RunOptions Plain() {
  v1::RunOptions options;
  Merge(R"(penalty_gate_phase_allowance: "2,3,5" penalty_gate_lock_iteration: 0
           penalty_gate_freeze_iterations: 4 penalty_gate_success_freeze_iterations: 1)",
        options);
  return options;
}

GateInput Success(int64_t iteration) {
  GateInput input;
  input.iteration = iteration;
  input.p10 = 200;
  input.min_final = 0.9;
  input.early_death_100 = 0.05;
  input.step_one_count = 5;
  input.step_one_ratio = 0.005;
  input.avoidable_ratio = 0.001;
  return input;
}

GateInput Failure(int64_t iteration) {
  GateInput input = Success(iteration);
  input.p10 = 90;
  return input;
}

GateInput Neither(int64_t iteration) {
  GateInput input = Success(iteration);
  input.step_one_count = 8;
  return input;
}

GateRecord Feed(PenaltyGate& gate, const GateInput& input) {
  auto record = gate.OnEvaluation(input);
  EXPECT_TRUE(record.ok()) << record.status();
  return *std::move(record);
}

const GateCriterion& Criterion(const GateRecord& record, std::string_view name) {
  for (const GateCriterion& criterion : record.criteria) {
    if (criterion.name == name) return criterion;
  }
  ADD_FAILURE() << "no criterion " << name;
  return record.criteria.front();
}

TEST(PenaltyGate, StartsAtItsFirstStage) {
  const PenaltyGate gate = Make(MainExperiment());
  EXPECT_EQ(gate.stage(), 0);
  EXPECT_EQ(gate.allowed_phase(), 4);
}

TEST(PenaltyGate, AdvanceFreezesAndRaisesTheLimit) {
  PenaltyGate gate = Make(Plain());
  const GateRecord record = Feed(gate, Success(10));
  EXPECT_EQ(record.event, GateEvent::kAdvance);
  EXPECT_EQ(record.stage, 1);
  EXPECT_EQ(record.phase_limit, 2);
  EXPECT_EQ(gate.allowed_phase(), 3);
  EXPECT_EQ(record.success_streak, 0);
  EXPECT_EQ(record.freeze_until, 14);
  EXPECT_FALSE(record.failure_detected);
}

TEST(PenaltyGate, ProgressUntilEnoughSuccesses) {
  v1::RunOptions options = Plain();
  options.set_penalty_gate_required_successes(2);
  options.set_penalty_gate_success_freeze_iterations(3);
  PenaltyGate gate = Make(options);
  GateRecord record = Feed(gate, Success(10));
  EXPECT_EQ(record.event, GateEvent::kSuccessProgress);
  EXPECT_EQ(record.success_streak, 1);
  EXPECT_EQ(record.freeze_until, 13);
  EXPECT_EQ(record.stage, 0);
  record = Feed(gate, Success(13));
  EXPECT_EQ(record.event, GateEvent::kAdvance);
  EXPECT_EQ(record.freeze_until, 17);
}

TEST(PenaltyGate, LastStageOnlyProgresses) {
  PenaltyGate gate = Make(Plain());
  Feed(gate, Success(10));
  EXPECT_EQ(Feed(gate, Success(20)).stage, 2);
  for (int64_t i = 1; i <= 3; ++i) {
    const GateRecord record = Feed(gate, Success(20 + 10 * i));
    EXPECT_EQ(record.event, GateEvent::kSuccessProgress);
    EXPECT_EQ(record.success_streak, i);
    EXPECT_EQ(record.phase_limit, 4);
  }
}

TEST(PenaltyGate, FrozenBeforeFreezeUntil) {
  PenaltyGate gate = Make(Plain());
  Feed(gate, Success(10));
  GateRecord record = Feed(gate, Success(13));
  EXPECT_EQ(record.event, GateEvent::kFrozen);
  EXPECT_EQ(record.freeze_until, 14);
  EXPECT_EQ(record.success_streak, 0);
  EXPECT_EQ(Feed(gate, Success(14)).event, GateEvent::kAdvance);
}

TEST(PenaltyGate, LockedUpToItsIteration) {
  v1::RunOptions options = Plain();
  options.set_penalty_gate_lock_iteration(12);
  PenaltyGate gate = Make(options);
  const GateRecord record = Feed(gate, Success(12));
  EXPECT_EQ(record.event, GateEvent::kLocked);
  EXPECT_EQ(record.freeze_until, 0);
  EXPECT_EQ(Feed(gate, Success(13)).event, GateEvent::kAdvance);
}

TEST(PenaltyGate, LockFallsBackToThePenaltys) {
  v1::RunOptions options = Plain();
  options.set_penalty_gate_lock_iteration(-1);
  options.set_density_penalty_lock_until(20);
  PenaltyGate gate = Make(options);
  EXPECT_EQ(Feed(gate, Success(20)).event, GateEvent::kLocked);
  EXPECT_EQ(Feed(gate, Success(21)).event, GateEvent::kAdvance);
}

TEST(PenaltyGate, FailureComesBeforeTheLock) {
  v1::RunOptions options = Plain();
  options.set_penalty_gate_lock_iteration(50);
  PenaltyGate gate = Make(options);
  const GateRecord record = Feed(gate, Failure(10));
  EXPECT_EQ(record.event, GateEvent::kFailureHold);
  EXPECT_TRUE(record.failure_detected);
  EXPECT_EQ(record.failure_streak, 1);
  EXPECT_EQ(record.freeze_until, 14);
}

TEST(PenaltyGate, RollbackAfterEnoughFailures) {
  PenaltyGate gate = Make(Plain());
  Feed(gate, Success(10));
  Feed(gate, Success(20));
  GateRecord record = Feed(gate, Failure(30));
  EXPECT_EQ(record.event, GateEvent::kFailureHold);
  EXPECT_EQ(record.stage, 2);
  GateInput survival = Success(40);
  survival.min_final = 0.49;
  record = Feed(gate, survival);
  EXPECT_EQ(record.event, GateEvent::kRollback);
  EXPECT_EQ(record.stage, 1);
  EXPECT_EQ(record.phase_limit, 2);
  EXPECT_EQ(record.failure_streak, 0);
  EXPECT_EQ(record.freeze_until, 44);
}

TEST(PenaltyGate, NoRollbackBelowTheFirstStage) {
  PenaltyGate gate = Make(Plain());
  for (int64_t i = 1; i <= 4; ++i) {
    const GateRecord record = Feed(gate, Failure(10 * i));
    EXPECT_EQ(record.event, GateEvent::kFailureHold);
    EXPECT_EQ(record.failure_streak, i);
  }
  EXPECT_EQ(Feed(gate, Neither(90)).failure_streak, 0);
}

TEST(PenaltyGate, NoopEndsTheStreak) {
  v1::RunOptions options = Plain();
  options.set_penalty_gate_required_successes(2);
  PenaltyGate gate = Make(options);
  EXPECT_EQ(Feed(gate, Success(10)).success_streak, 1);
  const GateRecord record = Feed(gate, Neither(20));
  EXPECT_EQ(record.event, GateEvent::kNoop);
  EXPECT_EQ(record.success_streak, 0);
  EXPECT_FALSE(Criterion(record, "success_step_one").held);
  EXPECT_TRUE(Criterion(record, "success_p10").held);
  EXPECT_EQ(Feed(gate, Success(30)).event, GateEvent::kSuccessProgress);
}

TEST(PenaltyGate, EveryStepOneConditionCanBeSwitchedOff) {
  v1::RunOptions options = Plain();
  options.set_penalty_gate_success_step_one(-1);
  options.set_penalty_gate_success_step_one_ratio(0.01);
  options.set_penalty_gate_success_avoidable_step_one_ratio(0.005);
  options.set_penalty_gate_success_p10(0);
  GateInput input = Success(10);
  input.step_one_count = 1000;
  input.p10 = 100;
  PenaltyGate gate = Make(options);
  EXPECT_EQ(Feed(gate, input).event, GateEvent::kAdvance);
  gate = Make(options);
  input.step_one_ratio = 0.011;
  EXPECT_EQ(Feed(gate, input).event, GateEvent::kNoop);
  input.step_one_ratio = 0.01;
  input.avoidable_ratio = 0.006;
  EXPECT_EQ(Feed(gate, input).event, GateEvent::kNoop);
  input.avoidable_ratio.reset();
  const GateRecord record = Feed(gate, input);
  EXPECT_EQ(record.event, GateEvent::kNoop) << "a condition without its measurement cannot hold";
  EXPECT_FALSE(Criterion(record, "success_step_one").on);
  EXPECT_FALSE(Criterion(record, "success_p10").on);
  EXPECT_FALSE(Criterion(record, "success_avoidable_step_one_ratio").held);
}

TEST(PenaltyGate, ThresholdsIncludeTheirValue) {
  GateInput input = Success(10);
  input.p10 = 120;
  input.early_death_100 = 0.09;
  input.step_one_count = 7;
  PenaltyGate gate = Make(Plain());
  EXPECT_EQ(Feed(gate, input).event, GateEvent::kAdvance);
  input.p10 = 95;
  input.min_final = 0.5;
  gate = Make(Plain());
  EXPECT_EQ(Feed(gate, input).event, GateEvent::kNoop) << "95 and 0.5 are no failure";
}

TEST(PenaltyGate, EarlyDeathWindow) {
  v1::RunOptions options = Plain();
  options.set_penalty_gate_success_early_death_window(3);
  PenaltyGate gate = Make(options);
  const double early[] = {0.01, 0.02, 0.5, 0.5, 0.03, 0.04};
  const GateEvent events[] = {GateEvent::kNoop, GateEvent::kNoop, GateEvent::kAdvance,
                              GateEvent::kNoop, GateEvent::kNoop, GateEvent::kAdvance};
  const std::optional<double> medians[] = {std::nullopt, std::nullopt, 0.02, 0.5, 0.5, 0.04};
  for (int i = 0; i < 6; ++i) {
    GateInput input = Success(10 * (i + 1));
    input.early_death_100 = early[i];
    const GateRecord record = Feed(gate, input);
    EXPECT_EQ(record.event, events[i]) << i;
    EXPECT_EQ(record.rolling_early_death, medians[i]) << i;
  }
}

TEST(PenaltyGate, P10MedianWindow) {
  v1::RunOptions options = Plain();
  options.set_penalty_gate_success_median_window(2);
  PenaltyGate gate = Make(options);
  GateRecord record = Feed(gate, Success(10));
  EXPECT_EQ(record.event, GateEvent::kNoop) << "no median yet";
  EXPECT_FALSE(record.rolling_p10_median.has_value());
  GateInput low = Success(20);
  low.p10 = 100;
  record = Feed(gate, low);
  EXPECT_EQ(record.event, GateEvent::kAdvance);
  EXPECT_EQ(record.rolling_p10_median, 150);
}

TEST(PenaltyGate, RelaxationAtTheFirstStage) {
  v1::RunOptions options = Plain();
  options.set_penalty_gate_relax_step_one_ratio(0.01);
  options.set_penalty_gate_relax_evals(2);
  PenaltyGate gate = Make(options);
  GateRecord record = Feed(gate, Neither(10));
  EXPECT_FALSE(record.relaxed) << "one evaluation of two";
  EXPECT_EQ(record.phase_limit, 1);
  record = Feed(gate, Neither(20));
  EXPECT_TRUE(record.relaxed);
  EXPECT_EQ(record.stage, 0);
  EXPECT_EQ(record.phase_limit, 2);
  EXPECT_EQ(gate.allowed_phase(), 3);
  GateInput worse = Neither(30);
  worse.step_one_ratio = 0.02;
  record = Feed(gate, worse);
  EXPECT_FALSE(record.relaxed);
  EXPECT_EQ(record.phase_limit, 1);
  Feed(gate, Neither(40));
  record = Feed(gate, Success(50));
  EXPECT_EQ(record.stage, 1);
  EXPECT_FALSE(record.relaxed) << "stage 0 only";
  EXPECT_EQ(record.phase_limit, 2);

  options.set_penalty_gate_phase_allowance("2");
  gate = Make(options);
  Feed(gate, Neither(10));
  record = Feed(gate, Neither(20));
  EXPECT_FALSE(record.relaxed) << "there is no further entry";
  EXPECT_EQ(record.phase_limit, 1);
}

TEST(PenaltyGate, RefusesValuesThatAreNotFinite) {
  PenaltyGate gate = Make(Plain());
  GateInput input = Failure(10);
  input.early_death_100 = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(gate.OnEvaluation(input).ok());
  EXPECT_EQ(Feed(gate, Failure(20)).failure_streak, 1) << "nothing was changed";
}

TEST(PenaltyGate, GoesOnFromASavedState) {
  v1::RunOptions options = Plain();
  options.set_penalty_gate_required_successes(2);
  options.set_penalty_gate_success_median_window(3);
  options.set_penalty_gate_success_early_death_window(2);
  options.set_penalty_gate_relax_step_one_ratio(0.01);
  std::mt19937 random(7);
  std::vector<GateInput> inputs;
  for (int64_t i = 1; i <= 60; ++i) {
    const unsigned kind = random() % 8;
    inputs.push_back(kind == 0 ? Failure(3 * i) : kind == 1 ? Neither(3 * i) : Success(3 * i));
  }
  PenaltyGate whole = Make(options);
  std::set<GateEvent> seen;
  for (size_t i = 0; i < inputs.size(); ++i) {
    PenaltyGate resumed = Make(options);
    v1::PenaltyGateState state;
    ASSERT_TRUE(state.ParseFromString(whole.State().SerializeAsString()));
    ASSERT_TRUE(resumed.Restore(state).ok());
    EXPECT_EQ(resumed.allowed_phase(), whole.allowed_phase());
    for (size_t k = i; k < std::min(inputs.size(), i + 8); ++k) Feed(resumed, inputs[k]);
    PenaltyGate copy = whole;
    for (size_t k = i; k < std::min(inputs.size(), i + 8); ++k) Feed(copy, inputs[k]);
    EXPECT_EQ(resumed.State().SerializeAsString(), copy.State().SerializeAsString()) << i;
    seen.insert(Feed(whole, inputs[i]).event);
  }
  EXPECT_GE(seen.size(), 5u) << "the sequence must exercise the gate";
}

TEST(PenaltyGate, RefusesStatesOfOtherOptions) {
  PenaltyGate gate = Make(Plain());
  v1::PenaltyGateState state;
  state.set_stage(3);
  EXPECT_THAT(std::string(gate.Restore(state).message()), HasSubstr("stage 3"));
  state.set_stage(1);
  state.set_relaxed(true);
  EXPECT_FALSE(gate.Restore(state).ok());
  state.set_relaxed(false);
  state.set_freeze_until(-1);
  EXPECT_FALSE(gate.Restore(state).ok());
  state.set_freeze_until(5);
  state.set_failure_streak(std::numeric_limits<int64_t>::max());
  EXPECT_FALSE(gate.Restore(state).ok());
  state.set_failure_streak(0);
  state.add_p10_history(std::numeric_limits<double>::quiet_NaN());
  EXPECT_FALSE(gate.Restore(state).ok());
  state.clear_p10_history();
  state.add_p10_history(1);
  state.add_p10_history(2);
  EXPECT_FALSE(gate.Restore(state).ok());
  EXPECT_EQ(gate.stage(), 0);
}

TEST(PenaltyGate, RefusesCountsThatMakeNoSense) {
  v1::RunOptions options = Plain();
  options.set_penalty_gate_success_median_window(0);
  EXPECT_THAT(std::string(PenaltyGate::Create(options).status().message()),
              HasSubstr("--penalty_gate_success_median_window 0: must be within 1 to 1000000000"));
  options = Plain();
  options.set_penalty_gate_freeze_iterations(std::numeric_limits<int64_t>::max());
  EXPECT_THAT(std::string(PenaltyGate::Create(options).status().message()),
              HasSubstr("--penalty_gate_freeze_iterations 9223372036854775807"))
      << "a freeze is added to an iteration";
  options = Plain();
  options.set_penalty_gate_phase_allowance("x");
  EXPECT_THAT(std::string(PenaltyGate::Create(options).status().message()),
              HasSubstr("--penalty_gate_phase_allowance x"));
}

}  // namespace
}  // namespace shoal
