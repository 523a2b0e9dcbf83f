#include "coordinator/run/planner.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "coordinator/schedule/options.h"
#include "shoal/v1/records.pb.h"
#include "tests/run/fakes.h"

namespace shoal {
namespace {

v1::RunOptions Options(const std::string& more) {
  v1::RunOptions options;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
      "curriculum: '9:2,12:4' num_envs: 4 envs_per_shard: 2 n_steps: 10 multi_eval_interval: 2 "
      "row_filter: 'quiet' density_penalty_lock_until: 0 penalty_gate_lock_iteration: 0 "
      "penalty_gate_phase_allowance: '1,2' penalty_gate_freeze_iterations: 0 " + more, &options));
  EXPECT_TRUE(ResolveOptions(options).ok()) << ResolveOptions(options);
  return options;
}

std::unique_ptr<Planner> Make(const v1::RunOptions& options, std::vector<TailStage> stages = {}) {
  auto planner = Planner::Create(options, std::move(stages));
  EXPECT_TRUE(planner.ok()) << planner.status();
  return *std::move(planner);
}

std::vector<v1::RolloutRecord> Records(const PlannedIteration& planned, int envs_per_shard) {
  std::vector<v1::RolloutRecord> records;
  for (size_t first = 0; first < planned.environments.size(); first += envs_per_shard) {
    v1::RolloutItem item;
    *item.mutable_plan() = planned.plan;
    item.set_shard(static_cast<int>(first) / envs_per_shard);
    item.set_policy_sha256(FakePolicy(planned.plan.policy_version()));
    for (int e = 0; e < envs_per_shard; ++e) *item.add_environments() = planned.environments[first + e];
    records.push_back(FakeRecord(item));
  }
  return records;
}

void RunTo(Planner& planner, int64_t from, int64_t last) {
  for (int64_t i = from; i <= last; ++i) {
    const PlannedIteration planned = planner.Plan(i);
    auto folded = planner.Fold(planned.plan, Records(planned, 2));
    ASSERT_TRUE(folded.ok()) << folded.status();
  }
}

std::vector<TailStage> OneStage(int64_t iterations) {
  auto velocities = std::make_shared<std::vector<Velocity>>();
  for (int i = 0; i < 5; ++i) velocities->push_back({0.25 * i, 1});
  return {TailStage{iterations, "tail.json", velocities}};
}

TEST(Planner, PhasesBeginAfreshAndVersionsFollowTheLag) {
  auto planner = Make(Options("policy_lag: 1"));
  const bool fresh[] = {true, false, true, false, false, false};
  const int64_t version[] = {0, 0, 1, 2, 3, 4};
  for (int64_t i = 1; i <= 6; ++i) {
    const PlannedIteration planned = planner->Plan(i);
    EXPECT_EQ(planned.plan.fresh_episodes(), fresh[i - 1]) << i;
    EXPECT_EQ(planned.plan.policy_version(), version[i - 1]) << i;
    EXPECT_EQ(planned.plan.num_fish(), i <= 2 ? 9 : 12);
    EXPECT_EQ(planned.plan.row_filter_active(), i > 1) << "the first iteration keeps every row";
    ASSERT_TRUE(planner->Fold(planned.plan, Records(planned, 2)).ok());
  }
}

TEST(Planner, TheGatesAnswerCountsFromItsIterationOn) {
  // The answer to iteration 2 enters the plan of 2 + 1 + 1.
  auto planner = Make(Options("density_penalty_phase_targets: '0.01,0.02' "
                              "density_penalty_ramp_phases: '' density_penalty_phase_plateaus: '0,0' "
                              "escape_boost_penalty_caps: '' gate_delay: 1"));
  EXPECT_EQ(planner->JudgedUpToNeeded(3), 0);
  EXPECT_EQ(planner->JudgedUpToNeeded(4), 2);
  EXPECT_EQ(planner->JudgedUpToNeeded(6), 4);
  RunTo(*planner, 1, 2);
  GateInput good;
  good.iteration = 2;
  good.p10 = 500;
  good.min_final = 1;
  good.avoidable_ratio = 0;
  ASSERT_EQ(planner->Judge(good)->event, GateEvent::kAdvance);
  EXPECT_EQ(planner->Plan(3).plan.density_penalty_coef(), 0.01) << "phase 2, but the gate allows 1";
  RunTo(*planner, 3, 3);
  EXPECT_EQ(planner->Plan(4).plan.density_penalty_coef(), 0.02);
}

TEST(Planner, ForcesItsShareAndConsumesWhatRecordsSay) {
  const v1::RunOptions options = Options(
      "tail_seed_stage_spec: '6:tail.json' tail_inject: 'every_rollout' tail_inject_fraction: 0.5 "
      "tail_force_reset_steps: 3");
  auto planner = Make(options, OneStage(6));
  const PlannedIteration planned = planner->Plan(1);
  int forced = 0;
  for (const v1::EnvironmentPlan& environment : planned.environments) {
    forced += environment.force_reset();
    EXPECT_EQ(environment.force_reset_steps(), environment.force_reset() ? 3 : 0);
    EXPECT_EQ(environment.tail_velocities_size(), 2 * 6);
  }
  EXPECT_EQ(forced, 2);
  auto folded = planner->Fold(planned.plan, Records(planned, 2));
  ASSERT_TRUE(folded.ok());
  EXPECT_EQ(folded->prewarm_override_hits, 4);
  EXPECT_EQ(*folded->tail_schedule_ratio, 1);
  EXPECT_EQ(planner->TailUsed(), std::vector<int64_t>(4, 1));
  EXPECT_EQ(planner->Plan(2).environments[0].tail_velocities_size(), 2 * 5);
}

TEST(Planner, GoesOnFromASavedStateAsIfItHadNeverStopped) {
  const v1::RunOptions options =
      Options("tail_seed_stage_spec: '6:tail.json' tail_inject: 'every_rollout'");
  auto whole = Make(options, OneStage(6));
  RunTo(*whole, 1, 3);
  auto resumed = Make(options, OneStage(6));
  ASSERT_TRUE(resumed->RestoreState(whole->SaveState()).ok());
  for (int64_t i = 4; i <= 6; ++i) {
    const PlannedIteration a = whole->Plan(i);
    const PlannedIteration b = resumed->Plan(i);
    EXPECT_EQ(a.plan.SerializeAsString(), b.plan.SerializeAsString());
    for (size_t e = 0; e < a.environments.size(); ++e) {
      EXPECT_EQ(a.environments[e].SerializeAsString(), b.environments[e].SerializeAsString());
    }
    ASSERT_TRUE(whole->Fold(a.plan, Records(a, 2)).ok());
    ASSERT_TRUE(resumed->Fold(b.plan, Records(b, 2)).ok());
    EXPECT_EQ(whole->SaveState(), resumed->SaveState());
  }
  EXPECT_FALSE(Make(options, OneStage(5))->RestoreState(whole->SaveState()).ok())
      << "another queue is refused";
  EXPECT_FALSE(resumed->RestoreState("nonsense").ok());
}

TEST(Planner, RefusesRecordsThatContradictThePlan) {
  auto planner = Make(Options(""));
  const PlannedIteration planned = planner->Plan(1);
  std::vector<v1::RolloutRecord> records = Records(planned, 2);
  records[1].set_iteration(2);
  EXPECT_FALSE(planner->Fold(planned.plan, records).ok());
}

TEST(Planner, RefusesStatesThatNoRunLeaves) {
  auto planner = Make(Options(""));
  RunTo(*planner, 1, 2);
  v1::PlannerState good;
  ASSERT_TRUE(good.ParseFromString(planner->SaveState()));
  const auto refused = [&](void (*spoil)(v1::PlannerState&)) {
    v1::PlannerState state = good;
    spoil(state);
    return planner->RestoreState(state.SerializeAsString()).code() ==
           absl::StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused([](auto& s) { s.set_folded_iteration(-1); }));
  EXPECT_TRUE(refused([](auto& s) { s.set_folded_iteration(7); }));
  EXPECT_TRUE(refused([](auto& s) { s.set_advantage_mean(NAN); }));
  EXPECT_TRUE(refused([](auto& s) { s.set_advantage_std(INFINITY); }));
  EXPECT_TRUE(refused([](auto& s) { s.set_advantage_std(-1); }));
  EXPECT_TRUE(refused([](auto& s) { s.mutable_escape_boost()->set_target(NAN); }));
  EXPECT_TRUE(planner->RestoreState(good.SerializeAsString()).ok());
}

TEST(Planner, RefusesMoreEpisodesThanARolloutHasSteps) {
  // A queue that loops would hand out any number of slots.
  auto planner =
      Make(Options("tail_seed_stage_spec: '1:tail.json' tail_on_exhausted: 'loop_stage'"),
           OneStage(1));
  const PlannedIteration planned = planner->Plan(1);
  std::vector<v1::RolloutRecord> records = Records(planned, 2);
  v1::EnvironmentUse* use = records[0].mutable_environments(1);
  use->set_episodes_begun(2147483647);
  use->set_overrides(2147483647);
  const absl::Status status = planner->Fold(planned.plan, records).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("environment 1 began 2147483647"), std::string::npos) << status;
}

TEST(Planner, TheAdaptiveBoostTakesOtherOptionsAndGoesOnFromWhatItHasSeen) {
  const v1::RunOptions options = Options("");
  auto planner = Make(options);
  RunTo(*planner, 1, 3);
  v1::PlannerState state;
  ASSERT_TRUE(state.ParseFromString(planner->SaveState()));
  for (int i = 0; i < 4; ++i) state.mutable_escape_boost()->add_window(50);
  ASSERT_TRUE(planner->RestoreState(state.SerializeAsString()).ok());

  v1::RunOptions changed = options;
  changed.set_adaptive_boost_min_iteration(1);
  changed.set_adaptive_boost_stage_floor("0:0.9");
  ASSERT_TRUE(planner->CheckOptions(changed).ok());
  EXPECT_EQ(planner->SaveState(), state.SerializeAsString()) << "a check changes nothing";
  auto restarted = Make(options);
  ASSERT_TRUE(restarted->RestoreState(state.SerializeAsString()).ok());
  auto unchanged = Make(options);
  ASSERT_TRUE(unchanged->RestoreState(state.SerializeAsString()).ok());
  for (Planner* each : {planner.get(), restarted.get()}) {
    ASSERT_TRUE(each->SetOptions(changed).ok());
    EXPECT_EQ(each->Plan(4).plan.escape_boost_speed(), 0.9);
  }
  EXPECT_EQ(planner->SaveState(), restarted->SaveState());
  EXPECT_EQ(unchanged->Plan(4).plan.escape_boost_speed(), 0.75);

  changed.set_adaptive_boost_lower_p10(changed.adaptive_boost_upper_p10() + 1);
  EXPECT_TRUE(absl::IsInvalidArgument(planner->CheckOptions(changed)));
  EXPECT_TRUE(absl::IsInvalidArgument(planner->SetOptions(changed)));
  EXPECT_EQ(planner->Plan(4).plan.escape_boost_speed(), 0.9) << "what was refused changed something";
}

}  // namespace
}  // namespace shoal
