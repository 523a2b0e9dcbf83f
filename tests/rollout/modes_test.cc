// The training modes: whose observations, actions and rewards make the rows.
#include <algorithm>
#include <cmath>
#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "actor/rollout/tracked_fish.h"
#include "actor/rollout/world_options.h"
#include "actor/world/world.h"
#include "common/rng.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/rollout/test_items.h"

namespace shoal {
namespace {

constexpr int kFish = 10;

World SceneOf(const v1::RunOptions& options, uint32_t environment, uint32_t episode) {
  World world(*ReadWorldOptions(options), 1, kFish);
  const uint64_t seed =
      KeyedBits(options.seed(), RandomPurpose::kScene, environment, episode, 0, 0);
  world.Reset(0, {seed, 0.75, {}});
  return world;
}

int64_t RowOf(const Rows& rows, uint64_t key) {
  const auto found = std::lower_bound(rows.keys.begin(), rows.keys.end(), key);
  return found != rows.keys.end() && *found == key ? found - rows.keys.begin() : -1;
}

TEST(PerFish, OneTrackedFishGivesTheOriginalsBudget) {
  v1::RunOptions options = TestOptions();
  options.set_train_fish_per_env(1);
  const RolloutResult result = Compute(options, TestItem(1, 0, 6, kFish), *TestBackend());
  EXPECT_EQ(result.rows.size(), 6 * options.n_steps());
  std::set<std::pair<uint32_t, uint32_t>> steps;
  for (uint64_t key : result.rows.keys) steps.insert({RowEnvironment(key), RowStep(key)});
  EXPECT_EQ(steps.size(), 6u * options.n_steps());
}

TEST(PerFish, KeysAscendInEveryMode) {
  for (const char* mode : {"per_fish", "focal", "broadcast"}) {
    for (int tracked : {0, 1, 4}) {
      v1::RunOptions options = TestOptions();
      options.set_training_mode(mode);
      options.set_train_fish_per_env(tracked);
      const Rows rows = Compute(options, TestItem(1, 2, 4, kFish), *TestBackend()).rows;
      EXPECT_GT(rows.size(), 0);
      EXPECT_EQ(std::adjacent_find(rows.keys.begin(), rows.keys.end(), std::greater_equal<>()),
                rows.keys.end())
          << mode << " " << tracked;
    }
  }
}

// The tracked rows of each step are those of all living fish, picked by the rules.
TEST(PerFish, TrackedFishAreReplacedWhenTheyDie) {
  v1::RunOptions options = TestOptions();
  const std::unique_ptr<PolicyBackend> backend = TestBackend();
  const Rows all = Compute(options, TestItem(1, 0, 24, kFish), *backend).rows;
  options.set_train_fish_per_env(3);
  const Rows tracked_rows = Compute(options, TestItem(1, 0, 24, kFish), *backend).rows;

  int replacements = 0;
  int64_t expected_rows = 0;
  const KeyedRandom random(options.seed(), RandomPurpose::kTrackedFish);
  for (uint32_t environment = 0; environment < 24; ++environment) {
    // The first episode only: it lasts for a drawn number of steps, or until no fish is left.
    const int limit =
        1 + BoundedInt(KeyedBits(options.seed(), RandomPurpose::kFirstLimit, environment, 0, 0, 0),
                       options.episode_limit());
    std::vector<int32_t> tracked;
    DrawTrackedFish(random, environment, 0, 3, kFish, &tracked);
    size_t alive = kFish;
    for (int step = 0; step < limit; ++step) {
      std::set<int32_t> living, rows;
      for (int32_t fish = 0; fish < kFish; ++fish) {
        if (RowOf(all, RowKey(environment, fish, step)) >= 0) living.insert(fish);
        if (RowOf(tracked_rows, RowKey(environment, fish, step)) >= 0) rows.insert(fish);
      }
      if (living.size() > alive) break;  // No fish was left: this is the second episode.
      alive = living.size();
      // By hand: walk upwards from each dead fish.
      for (int32_t& slot : tracked) {
        if (slot < 0 || living.contains(slot)) continue;
        ++replacements;
        int32_t next = slot;
        do {
          next = (next + 1) % kFish;
        } while (next != slot &&
                 (!living.contains(next) || std::count(tracked.begin(), tracked.end(), next)));
        slot = next == slot ? -1 : next;
      }
      std::set<int32_t> expected(tracked.begin(), tracked.end());
      expected.erase(-1);
      ASSERT_EQ(rows, expected) << "environment " << environment << ", step " << step;
      expected_rows += expected.size();
    }
  }
  EXPECT_GT(replacements, 3);
  EXPECT_LE(expected_rows, tracked_rows.size());
}

TEST(PerFish, TrackingFewChangesNoRow) {
  v1::RunOptions options = TestOptions();
  const std::unique_ptr<PolicyBackend> backend = TestBackend();
  const Rows all = Compute(options, TestItem(1, 0, 4, kFish), *backend).rows;
  options.set_train_fish_per_env(2);
  const Rows some = Compute(options, TestItem(1, 0, 4, kFish), *backend).rows;
  for (int64_t i = 0; i < some.size(); ++i) {
    const int64_t same = RowOf(all, some.keys[i]);
    ASSERT_GE(same, 0);
    EXPECT_EQ(some.actions[i], all.actions[same]);
    EXPECT_EQ(some.log_probs[i], all.log_probs[same]);
    // A tracked trajectory begins later than the fish's own at most; it ends like it.
    EXPECT_EQ(some.advantages[i], all.advantages[same]);
    EXPECT_EQ(some.returns[i], all.returns[same]);
  }
}

TEST(Focal, OthersHold) {
  v1::RunOptions options = TestOptions();
  options.set_training_mode("focal");
  const std::unique_ptr<PolicyBackend> backend = TestBackend();
  const Rows rows = Compute(options, TestItem(1, 0, 3, kFish), *backend).rows;
  EXPECT_EQ(rows.size(), 3 * options.n_steps());
  for (uint32_t environment = 0; environment < 3; ++environment) {
    const int limit =
        1 + BoundedInt(KeyedBits(options.seed(), RandomPurpose::kFirstLimit, environment, 0, 0, 0),
                       options.episode_limit());
    World world = SceneOf(options, environment, 0);
    for (int step = 0; step < limit; ++step) {
      std::vector<uint8_t> actions(world.stride(), kHold);
      int seen = 0;
      for (int32_t fish = 0; fish < kFish; ++fish) {
        const int64_t row = RowOf(rows, RowKey(environment, fish, step));
        if (row < 0) continue;
        ++seen;
        std::vector<float> observation(world.obs_dim());
        world.ObserveFish(0, &fish, 1, observation.data());
        const auto first = rows.observations.begin() + row * rows.obs_dim;
        ASSERT_EQ(std::vector<float>(first, first + rows.obs_dim), observation);
        actions[fish] = rows.actions[row];
      }
      ASSERT_EQ(seen, 1);
      world.Step(actions.data());
      ASSERT_GT(world.alive_count(0), 0) << "choose a seed with a fish alive for longer";
    }
  }
}

// Plays environment 0's first episode from the rows: one fish is looked through, all do its action.
TEST(Broadcast, OneObservationOneActionMeanReward) {
  v1::RunOptions options = TestOptions();
  options.set_training_mode("broadcast");
  options.set_episode_limit(500);
  options.set_n_steps(30);
  options.set_gae_lambda(0);  // advantage = reward + gamma V(next) - V
  const auto value = [](const float* observation) { return observation[0] - 3 * observation[3]; };
  ConstantBackend backend(11, kTurnLeft, value);
  const RolloutResult result = Compute(options, TestItem(1, 0, 2, kFish), backend);
  const Rows& rows = result.rows;
  ASSERT_EQ(rows.size(), 2 * options.n_steps());
  ASSERT_EQ(result.record.episodes_size(), 0) << "choose a seed with longer first limits";

  World world = SceneOf(options, 0, 0);
  int32_t viewed = -1;
  std::vector<float> observation(11), next(11), rewards(world.stride());
  for (int step = 0; step < options.n_steps(); ++step) {
    viewed = NextLivingFish(world.alive_mask(0), kFish, viewed);
    world.ObserveFish(0, &viewed, 1, observation.data());
    const int64_t row = RowOf(rows, RowKey(0, 0, step));
    ASSERT_GE(row, 0);
    const auto first = rows.observations.begin() + row * 11;
    ASSERT_EQ(std::vector<float>(first, first + 11), observation);
    ASSERT_EQ(rows.actions[row], kTurnLeft);
    world.Step(std::vector<uint8_t>(world.stride(), kTurnLeft).data());
    world.Rewards(0, RewardKind::kSurvival, 0, rewards.data());
    double mean = 0;
    for (int fish = 0; fish < kFish; ++fish) mean += rewards[fish] / double{kFish};
    const int32_t following = NextLivingFish(world.alive_mask(0), kFish, viewed);
    world.ObserveFish(0, &following, 1, next.data());
    const double expected = mean + options.gamma() * value(next.data()) - value(observation.data());
    ASSERT_NEAR(rows.advantages[row], expected, 1e-5 * (1 + std::abs(expected)));
  }
}

// A state at step 499 of an episode limited to 500 steps.
v1::RolloutItem LastStep(const v1::RunOptions& options, PolicyBackend& backend) {
  v1::RolloutItem first = TestItem(1, 0, 1, kFish);
  const RolloutResult result = Compute(options, first, backend);
  v1::ShardState state = StateOf(result.record);
  v1::EnvironmentState* environment = state.mutable_environments(0);
  EXPECT_FALSE(environment->needs_reset());
  environment->set_limit(500);
  environment->set_step(499);
  environment->mutable_record()->set_length(499);
  v1::RolloutItem item = TestItem(2, 0, 1, kFish);
  item.set_state(state.SerializeAsString());
  return item;
}

TEST(Broadcast, StepFiveHundredTerminates) {
  v1::RunOptions options = TestOptions();
  options.set_training_mode("broadcast");
  options.set_episode_limit(500);
  options.set_n_steps(1);
  ConstantBackend backend(11, kHold, [](const float*) { return 100.0f; });
  const RolloutResult result = Compute(options, LastStep(options, backend), backend);
  ASSERT_EQ(result.record.episodes_size(), 1);
  EXPECT_EQ(result.record.episodes(0).end(), v1::EpisodeRecord::END_TERMINATED);
  EXPECT_EQ(result.record.episodes(0).length(), 500);
  ASSERT_EQ(result.rows.size(), 1);
  EXPECT_LT(result.rows.returns[0], 1.0f);  // The reward alone.
}

TEST(PerFish, StepFiveHundredIsTruncation) {
  v1::RunOptions options = TestOptions();
  options.set_episode_limit(500);
  options.set_n_steps(1);
  ConstantBackend backend(11, kHold, [](const float*) { return 100.0f; });
  const RolloutResult result = Compute(options, LastStep(options, backend), backend);
  ASSERT_EQ(result.record.episodes_size(), 1);
  EXPECT_EQ(result.record.episodes(0).end(), v1::EpisodeRecord::END_TRUNCATED);
  int bootstrapped = 0;
  for (float value : result.rows.returns) bootstrapped += std::abs(value - (0.7f + 99)) < 1e-3f;
  EXPECT_EQ(bootstrapped, result.record.episodes(0).final_alive());
  EXPECT_GT(bootstrapped, 0);
}

}  // namespace
}  // namespace shoal
