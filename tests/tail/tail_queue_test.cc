#include "coordinator/tail/tail_queue.h"

#include <limits>
#include <algorithm>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A stage whose velocity v is (base + v, 0), so that what comes out says where it was.
TailStage MakeStage(int64_t iterations, int count, double base) {
  std::vector<Velocity> velocities;
  for (int v = 0; v < count; ++v) velocities.push_back({base + v, 0});
  return {iterations, "stage.json",
          std::make_shared<const std::vector<Velocity>>(std::move(velocities))};
}

// Three environments; stages of 2 and 3 iterations from files of 5 and 4 velocities.
std::vector<TailStage> Stages() { return {MakeStage(2, 5, 0), MakeStage(3, 4, 100)}; }

v1::RunOptions Options(int64_t num_envs = 3) {
  v1::RunOptions options;
  options.set_num_envs(num_envs);
  return options;
}

TailQueue Make(const v1::RunOptions& options, std::vector<TailStage> stages = Stages()) {
  auto queue = TailQueue::Create(options, std::move(stages));
  EXPECT_TRUE(queue.ok()) << queue.status();
  return *std::move(queue);
}

std::vector<double> Xs(const std::vector<TailSlot>& slots) {
  std::vector<double> xs;
  for (const TailSlot& slot : slots) xs.push_back(slot.velocity.x);
  return xs;
}

TEST(TailQueue, SlotsInOrderOfEachEnvironment) {
  const TailQueue queue = Make(Options());
  EXPECT_EQ(queue.length(), 15);
  // Slot j takes (j + floor(j / 3)) mod count. Stage 1: j = 0..5 -> 0 1 2 4 0 1 of 5;
  // stage 2: j = 0..8 -> 0 1 2 0 1 2 0 1 2 of 4 (4 mod 4 = 0, 8 mod 4 = 0).
  EXPECT_THAT(Xs(queue.Upcoming(0, 99)), ElementsAre(0, 4, 100, 100, 100));
  EXPECT_THAT(Xs(queue.Upcoming(1, 99)), ElementsAre(1, 0, 101, 101, 101));
  EXPECT_THAT(Xs(queue.Upcoming(2, 99)), ElementsAre(2, 1, 102, 102, 102));
  EXPECT_THAT(Xs(queue.Upcoming(2, 2)), ElementsAre(2, 1));
  EXPECT_THAT(queue.Upcoming(2, 0), IsEmpty());
  EXPECT_THAT(queue.Upcoming(3, 9), IsEmpty());
  EXPECT_THAT(queue.Upcoming(-1, 9), IsEmpty());
  EXPECT_EQ(queue.Upcoming(0, 3)[1].stage, 1);
  EXPECT_EQ(queue.Upcoming(0, 3)[2].stage, 2);
}

TEST(TailQueue, MatchesTheFormulaOfTheSlots) {
  const int64_t envs = 7;
  TailQueue queue = Make(Options(envs), {MakeStage(4, 9, 0), MakeStage(6, 5, 100)});
  for (int64_t e = 0; e < envs; ++e) {
    const auto slots = queue.Upcoming(e, 1000);
    ASSERT_EQ(slots.size(), 10u);
    size_t next = 0;
    for (int64_t i = 0; i < 70; ++i) {
      if (i % envs != e) continue;
      const bool second = i >= 28;
      const int64_t j = second ? i - 28 : i;
      const int64_t v = (j + j / envs) % (second ? 5 : 9);
      EXPECT_EQ(slots[next++].velocity.x, (second ? 100 : 0) + v) << i;
    }
  }
}

TEST(TailQueue, ConsumeMovesOneEnvironment) {
  TailQueue queue = Make(Options());
  ASSERT_TRUE(queue.Consume(1, 2).ok());
  EXPECT_THAT(Xs(queue.Upcoming(1, 9)), ElementsAre(101, 101, 101));
  EXPECT_THAT(Xs(queue.Upcoming(0, 1)), ElementsAre(0));
  ASSERT_TRUE(queue.Consume(1, 0).ok());
  EXPECT_EQ(queue.Counters(1).used_total, 2);
}

TEST(TailQueue, StopsWhenExhausted) {
  TailQueue queue = Make(Options());
  EXPECT_EQ(queue.Consume(0, 6).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(queue.Counters(1).used_total, 0);
  ASSERT_TRUE(queue.Consume(0, 5).ok());
  EXPECT_FALSE(queue.HasSlots(0));
  EXPECT_THAT(queue.Upcoming(0, 3), IsEmpty());
  EXPECT_TRUE(queue.AnySlots());
  ASSERT_TRUE(queue.Consume(1, 5).ok());
  ASSERT_TRUE(queue.Consume(2, 5).ok());
  EXPECT_FALSE(queue.AnySlots());
  EXPECT_EQ(queue.Consume(0, 1).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(queue.Consume(3, 1).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(queue.Consume(0, -1).code(), absl::StatusCode::kInvalidArgument);
}

TEST(TailQueue, LoopsItsLastStageOrEverything) {
  v1::RunOptions options = Options();
  options.set_tail_on_exhausted("loop_stage");
  TailQueue stage = Make(options);
  EXPECT_THAT(Xs(stage.Upcoming(1, 7)), ElementsAre(1, 0, 101, 101, 101, 101, 101));
  EXPECT_EQ(stage.Upcoming(1, 7).back().stage, 2);
  options.set_tail_on_exhausted("loop_all");
  TailQueue all = Make(options);
  EXPECT_THAT(Xs(all.Upcoming(1, 7)), ElementsAre(1, 0, 101, 101, 101, 1, 0));
  ASSERT_TRUE(all.Consume(1, 5).ok());
  EXPECT_TRUE(all.HasSlots(1));
  EXPECT_EQ(all.Counters(1).remaining, 10) << "used up until the loop is entered";
  ASSERT_TRUE(all.Consume(1, 11).ok());
  EXPECT_THAT(Xs(all.Upcoming(1, 2)), ElementsAre(0, 101));
  EXPECT_EQ(all.Counters(1).used_total, 16);
  ASSERT_TRUE(stage.Consume(1, 6).ok());
  EXPECT_THAT(stage.State().next_slot(), ElementsAre(0, 3, 0));
}

TEST(TailQueue, WithoutStagesThereIsNothing) {
  v1::RunOptions options = Options();
  options.set_tail_on_exhausted("loop_all");
  options.set_tail_inject("every_rollout");
  TailQueue queue = Make(options, {});
  EXPECT_FALSE(queue.AnySlots());
  EXPECT_THAT(queue.Upcoming(0, 3), IsEmpty());
  EXPECT_THAT(queue.ForcedEnvironments(1), IsEmpty());
  EXPECT_EQ(queue.Consume(0, 1).code(), absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(queue.Consume(0, 0).ok());
  EXPECT_EQ(queue.Refill(), 0);
  const TailCounters counters = queue.Counters(5);
  EXPECT_EQ(counters.stage_index, 0);
  EXPECT_EQ(counters.remaining, 0);
  EXPECT_EQ(counters.schedule_ratio, 0);
}

TEST(TailQueue, ForcedShareGoesAround) {
  v1::RunOptions options = Options(10);
  options.set_tail_inject("every_rollout");
  options.set_tail_inject_fraction(0.3);
  const TailQueue queue = Make(options);
  // (e + 3 i) mod 10 < 3: iteration 1 has e = 7, 8, 9; iteration 2 has 4, 5, 6.
  EXPECT_THAT(queue.ForcedEnvironments(1), ElementsAre(7, 8, 9));
  EXPECT_THAT(queue.ForcedEnvironments(2), ElementsAre(4, 5, 6));
  EXPECT_THAT(queue.ForcedEnvironments(3), ElementsAre(1, 2, 3));
  EXPECT_THAT(queue.ForcedEnvironments(4), ElementsAre(0, 8, 9));
}

TEST(TailQueue, ForcingNeedsSlotsAndTheOption) {
  v1::RunOptions options = Options();
  EXPECT_THAT(Make(options).ForcedEnvironments(1), IsEmpty()) << "tail_inject reset";
  EXPECT_EQ(Make(options).ForceResetSteps(0, 1), 0);
  options.set_tail_inject("every_rollout");
  options.set_tail_force_reset_steps(40);
  TailQueue queue = Make(options);
  EXPECT_THAT(queue.ForcedEnvironments(1), ElementsAre(0, 1, 2)) << "fraction 1";
  EXPECT_EQ(queue.ForceResetSteps(1, 1), 40);
  ASSERT_TRUE(queue.Consume(1, 5).ok());
  EXPECT_THAT(queue.ForcedEnvironments(1), ElementsAre(0, 2));
  EXPECT_EQ(queue.ForceResetSteps(1, 1), 0);
  options.set_tail_inject_fraction(0);
  EXPECT_THAT(Make(options).ForcedEnvironments(1), IsEmpty());
  EXPECT_EQ(Make(options).ForceResetSteps(0, 1), 0);
}

TEST(TailQueue, PaceOfEveryInjectOption) {
  // 128 environments, 80 iterations of slots, 60 iterations of which each forced one takes one.
  for (const double fraction : {0.3, 0.5, 1.0}) {
    v1::RunOptions options = Options(128);
    options.set_tail_inject("every_rollout");
    options.set_tail_inject_fraction(fraction);
    TailQueue queue = Make(options, {MakeStage(24, 9, 0), MakeStage(56, 9, 100)});
    for (int64_t i = 1; i <= 60; ++i) {
      const auto forced = queue.ForcedEnvironments(i);
      EXPECT_EQ(forced.size(), std::llround(fraction * 128));
      for (const int64_t e : forced) ASSERT_TRUE(queue.Consume(e, 1).ok());
      EXPECT_NEAR(queue.Counters(i).schedule_ratio, fraction, 0.005) << i;
    }
    // Everyone had its turns.
    const auto state = queue.State();
    const auto [least, most] =
        std::minmax_element(state.next_slot().begin(), state.next_slot().end());
    EXPECT_LE(*most - *least, 2) << fraction;
  }
}

TEST(TailQueue, CountersFollowTheTotalUse) {
  TailQueue queue = Make(Options());
  TailCounters counters = queue.Counters(1);
  EXPECT_EQ(counters.stage_index, 1);
  EXPECT_EQ(counters.stage_progress, 0);
  EXPECT_EQ(counters.remaining, 15);
  EXPECT_EQ(counters.remaining_ratio, 1);
  EXPECT_EQ(counters.schedule_ratio, 0);
  // One environment ahead into stage 2 does not move the queue there: 3 of stage 1's 6.
  ASSERT_TRUE(queue.Consume(0, 3).ok());
  counters = queue.Counters(1);
  EXPECT_EQ(counters.stage_index, 1);
  EXPECT_DOUBLE_EQ(counters.stage_progress, 0.5);
  EXPECT_EQ(counters.remaining, 12);
  EXPECT_DOUBLE_EQ(counters.remaining_ratio, 0.8);
  EXPECT_DOUBLE_EQ(counters.schedule_ratio, 1);
  EXPECT_DOUBLE_EQ(queue.Counters(2).schedule_ratio, 0.5);
  ASSERT_TRUE(queue.Consume(1, 3).ok());
  ASSERT_TRUE(queue.Consume(2, 3).ok());
  counters = queue.Counters(3);
  EXPECT_EQ(counters.stage_index, 2);
  EXPECT_DOUBLE_EQ(counters.stage_progress, 3.0 / 9);
  for (int64_t e = 0; e < 3; ++e) ASSERT_TRUE(queue.Consume(e, 2).ok());
  counters = queue.Counters(50);
  EXPECT_EQ(counters.stage_index, 2);
  EXPECT_EQ(counters.stage_progress, 1);
  EXPECT_EQ(counters.remaining, 0);
  EXPECT_EQ(counters.schedule_ratio, 1) << "of the queue's length, not of 150";
}

TEST(TailQueue, RefillGivesBackTheCurrentStage) {
  v1::RunOptions options = Options();
  options.set_tail_seed_stage_refill_interval(3);
  TailQueue queue = Make(options);
  ASSERT_TRUE(queue.Consume(0, 1).ok());  // one of stage 1
  ASSERT_TRUE(queue.Consume(1, 2).ok());  // all of stage 1, none of stage 2
  ASSERT_TRUE(queue.Consume(2, 5).ok());  // everything
  EXPECT_EQ(queue.OnIterationEnd(1), 0);
  EXPECT_EQ(queue.OnIterationEnd(2), 0);
  EXPECT_EQ(queue.OnIterationEnd(3), 4);
  EXPECT_THAT(queue.State().next_slot(), ElementsAre(0, 2, 2));
  EXPECT_THAT(Xs(queue.Upcoming(2, 9)), ElementsAre(102, 102, 102));
  const TailCounters counters = queue.Counters(3);
  EXPECT_EQ(counters.used_total, 8);
  EXPECT_EQ(counters.remaining, 11);
  EXPECT_EQ(counters.refills, 1);
  EXPECT_DOUBLE_EQ(counters.schedule_ratio, 8.0 / 9);
  EXPECT_EQ(Make(Options()).OnIterationEnd(3), 0) << "off";
}

TEST(TailQueue, GoesOnFromASavedState) {
  for (const char* exhausted : {"stop", "loop_stage", "loop_all"}) {
    v1::RunOptions options = Options(5);
    options.set_tail_inject("every_rollout");
    options.set_tail_inject_fraction(0.6);
    options.set_tail_seed_stage_refill_interval(4);
    options.set_tail_on_exhausted(exhausted);
    std::mt19937 random(3);
    TailQueue whole = Make(options);
    TailQueue resumed = Make(options);
    for (int64_t i = 1; i <= 30; ++i) {
      if (i % 3 == 0) {
        v1::TailQueueState state;
        ASSERT_TRUE(state.ParseFromString(whole.State().SerializeAsString()));
        resumed = Make(options);
        ASSERT_TRUE(resumed.Restore(state).ok());
      }
      ASSERT_EQ(resumed.ForcedEnvironments(i), whole.ForcedEnvironments(i));
      for (int64_t e = 0; e < 5; ++e) {
        const auto slots = whole.Upcoming(e, 4);
        ASSERT_EQ(Xs(resumed.Upcoming(e, 4)), Xs(slots));
        const int64_t count = std::min<int64_t>(random() % 3, slots.size());
        ASSERT_TRUE(whole.Consume(e, count).ok());
        ASSERT_TRUE(resumed.Consume(e, count).ok());
      }
      ASSERT_EQ(resumed.OnIterationEnd(i), whole.OnIterationEnd(i));
      ASSERT_EQ(resumed.State().SerializeAsString(), whole.State().SerializeAsString());
    }
    EXPECT_GT(whole.Counters(30).used_total, 25) << "the loop must be reached";
  }
}

TEST(TailQueue, RefusesAResumeWithOtherVelocities) {
  const auto refusal = [](const v1::TailQueueState& state, const v1::RunOptions& options,
                          std::vector<TailStage> stages) {
    TailQueue queue = Make(options, std::move(stages));
    const absl::Status status = queue.Restore(state);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    return std::string(status.message());
  };
  const v1::TailQueueState state = Make(Options()).State();
  EXPECT_TRUE(Make(Options()).Restore(state).ok());
  EXPECT_THAT(
      refusal(state, Options(), {MakeStage(2, 5, 0), MakeStage(3, 4, 101)}),
      testing::AllOf(HasSubstr("tail stage 2 (stage.json)"), HasSubstr("put the file back")));
  EXPECT_THAT(refusal(state, Options(), {MakeStage(2, 5, 0), MakeStage(3, 5, 100)}),
              HasSubstr("5 velocities are not the 4"));
  EXPECT_THAT(refusal(state, Options(), {MakeStage(2, 5, 0), MakeStage(4, 4, 100)}),
              HasSubstr("had 3 iterations"));
  EXPECT_THAT(refusal(state, Options(), {MakeStage(2, 5, 0)}), HasSubstr("has 2 stages, now it"));
  EXPECT_THAT(refusal(state, Options(4), Stages()), HasSubstr("3 environments, num_envs is 4"));

  v1::TailQueueState broken = state;
  broken.set_next_slot(0, 6);
  EXPECT_EQ(Make(Options()).Restore(broken).code(), absl::StatusCode::kInvalidArgument);
  broken.set_next_slot(0, -1);
  EXPECT_EQ(Make(Options()).Restore(broken).code(), absl::StatusCode::kInvalidArgument);
  broken = state;
  broken.set_used_total(std::numeric_limits<int64_t>::max());
  EXPECT_EQ(Make(Options()).Restore(broken).code(), absl::StatusCode::kInvalidArgument)
      << "there is no counting on from here";
  broken = state;
  broken.set_refills(-1);
  EXPECT_EQ(Make(Options()).Restore(broken).code(), absl::StatusCode::kInvalidArgument);
}

TEST(TailQueue, RefusesOptionsAndStagesThatMakeNoSense) {
  v1::RunOptions options = Options();
  options.set_tail_inject("always");
  EXPECT_THAT(std::string(TailQueue::Create(options, {}).status().message()),
              HasSubstr("--tail_inject always"));
  options = Options();
  options.set_tail_on_exhausted("begin");
  EXPECT_THAT(std::string(TailQueue::Create(options, {}).status().message()),
              HasSubstr("stop, loop_stage, loop_all"));
  options = Options();
  options.set_tail_inject_fraction(1.5);
  EXPECT_FALSE(TailQueue::Create(options, {}).ok());
  EXPECT_FALSE(TailQueue::Create(Options(0), {}).ok());
  EXPECT_FALSE(TailQueue::Create(Options(), {MakeStage(1, 0, 0)}).ok());
  EXPECT_FALSE(TailQueue::Create(Options(), {MakeStage(0, 1, 0)}).ok());
}

TEST(PrewarmOverrideRatio, IsZeroWhereSlotsAreLeftAndNoneBegan) {
  EXPECT_EQ(PrewarmOverrideRatio(3, 12, true), 0.25);
  EXPECT_EQ(PrewarmOverrideRatio(0, 0, true), 0);
  EXPECT_EQ(PrewarmOverrideRatio(0, 0, false), std::nullopt);
}

}  // namespace
}  // namespace shoal
