// States come from a database; what no rollout can have left is refused.
#include <cmath>
#include <functional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/rollout/test_items.h"

namespace shoal {
namespace {

using ::testing::HasSubstr;

constexpr int kFish = 6;

class StateTest : public ::testing::Test {
 protected:
  StateTest() {
    options_.set_episode_limit(500);
    options_.set_n_steps(4);
    options_.set_train_fish_per_env(2);
    backend_ = TestBackend();
    state_ = StateOf(Compute(options_, TestItem(1, 8, 2, kFish), *backend_).record);
    EXPECT_FALSE(state_.environments(1).needs_reset()) << "choose a seed with longer limits";
  }

  absl::Status Continue(const std::string& state) {
    v1::RolloutItem item = TestItem(2, 8, 2, kFish);
    item.set_state(state);
    return ComputeRollout(options_, item, *backend_).status();
  }

  // The error after `change` to environment 9, the second one.
  std::string ErrorAfter(const std::function<void(v1::EnvironmentState*)>& change) {
    v1::ShardState state = state_;
    change(state.mutable_environments(1));
    const absl::Status status = Continue(state.SerializeAsString());
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  }

  v1::RunOptions options_ = TestOptions();
  std::unique_ptr<PolicyBackend> backend_;
  v1::ShardState state_;
};

TEST_F(StateTest, AStateAsItWasLeftIsTakenUp) {
  EXPECT_TRUE(Continue(state_.SerializeAsString()).ok());
}

TEST_F(StateTest, RefusesOtherBytesAndCounts) {
  EXPECT_THAT(Continue("\xff\xff\xff").message(), HasSubstr("cannot be parsed"));
  v1::ShardState one = state_;
  one.mutable_environments()->RemoveLast();
  EXPECT_THAT(Continue(one.SerializeAsString()).message(),
              HasSubstr("iteration 2, shard 8: its state has 1 environments; 2 are right"));
}

TEST_F(StateTest, RefusesEpisodesThatCannotBe) {
  EXPECT_THAT(ErrorAfter([](auto* e) { e->set_episode(-1); }),
              HasSubstr("state of environment 9: episode is -1"));
  EXPECT_THAT(ErrorAfter([](auto* e) { e->set_limit(501); }),
              HasSubstr("limit is 501; 1 to 500 are right"));
  EXPECT_THAT(ErrorAfter([](auto* e) { e->set_step(0); }), HasSubstr("step is 0"));
  EXPECT_THAT(ErrorAfter([](auto* e) { e->set_limit(e->step()); }), HasSubstr("step is 4"));
  EXPECT_THAT(ErrorAfter([](auto* e) { e->mutable_record()->set_length(3); }),
              HasSubstr("its record is of episode 0, 3 steps"));
  EXPECT_THAT(ErrorAfter([](auto* e) { e->mutable_record()->set_environment(8); }),
              HasSubstr("its record is of environment 8"));
}

TEST_F(StateTest, RefusesScenesThatCannotBe) {
  EXPECT_THAT(ErrorAfter([](auto* e) { e->add_position_x(0); }),
              HasSubstr("values of 7 fish; 6 are right"));
  ErrorAfter([](auto* e) { e->set_velocity_y(2, NAN); });
  ErrorAfter([](auto* e) { e->mutable_predator_position()->set_x(INFINITY); });
  ErrorAfter([](auto* e) { e->set_death_step(0, 400); });
  ErrorAfter([](auto* e) {
    for (int fish = 0; fish < kFish; ++fish) e->set_death_step(fish, 1);
  });
}

TEST_F(StateTest, RefusesTrackedFishThatCannotBe) {
  EXPECT_THAT(ErrorAfter([](auto* e) { e->mutable_tracked_fish()->RemoveLast(); }),
              HasSubstr("it has 1 tracked fish; 2 are right"));
  EXPECT_THAT(ErrorAfter([](auto* e) { e->set_tracked_fish(0, 6); }),
              HasSubstr("tracked fish 6 is not one of the living"));
  EXPECT_THAT(ErrorAfter([](auto* e) { e->set_tracked_fish(0, -2); }),
              HasSubstr("tracked fish -2"));
  EXPECT_THAT(ErrorAfter([](auto* e) { e->set_tracked_fish(1, e->tracked_fish(0)); }),
              HasSubstr("is tracked twice"));
  EXPECT_THAT(ErrorAfter([](auto* e) { e->set_broadcast_fish(3); }),
              HasSubstr("broadcast_fish is 3"));
}

TEST_F(StateTest, RefusesAnotherNumberOfFishWithoutAPhaseChange) {
  v1::RolloutItem item = TestItem(2, 8, 2, kFish + 1);
  item.set_state(state_.SerializeAsString());
  EXPECT_THAT(ComputeRollout(options_, item, *backend_).status().message(),
              HasSubstr("values of 6 fish; 7 are right"));
}

TEST_F(StateTest, RefusesRecordsThatContradictTheScene) {
  const std::string first = "its record has the first death at step";
  EXPECT_THAT(ErrorAfter([](auto* e) { e->mutable_record()->set_first_death_step(4); }),
              HasSubstr(first));
  EXPECT_THAT(ErrorAfter([](auto* e) { e->mutable_record()->add_step_one_deaths(); }),
              HasSubstr("step-one deaths that are not"));
  EXPECT_THAT(ErrorAfter([](auto* e) { e->mutable_record()->set_alive_sum(INT64_MAX); }),
              HasSubstr("9223372036854775807 alive, summed over steps; 0 to 24 are right"));
  EXPECT_THAT(ErrorAfter([](auto* e) { e->mutable_record()->set_reward_sum(NAN); }),
              HasSubstr("reward is not finite"));
}

TEST_F(StateTest, RefusesValuesWhoseSquaresAreNotFinite) {
  ErrorAfter([](auto* e) { e->set_velocity_x(2, 3e38f); });
  ErrorAfter([](auto* e) { e->mutable_predator_velocity()->set_y(-3e38f); });
}

}  // namespace
}  // namespace shoal
