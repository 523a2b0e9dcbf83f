// How episodes begin and end: limits, forced resets, tail velocities.
#include <algorithm>
#include <set>

#include "common/rng.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/rollout/test_items.h"

namespace shoal {
namespace {

constexpr int kFish = 8;

void GiveVelocities(int count, v1::EnvironmentPlan* plan) {
  for (int i = 0; i < count; ++i) {
    plan->add_tail_velocities(0.25f);
    plan->add_tail_velocities(0.5f + 0.125f * i);
  }
}

TEST(Episodes, FirstLimitsAreStaggered) {
  v1::RunOptions options = TestOptions();
  const RolloutResult result = Compute(options, TestItem(1, 0, 16, kFish), *TestBackend());
  std::set<int> limits;
  int truncated = 0;
  for (const v1::EpisodeRecord& episode : result.record.episodes()) {
    if (episode.end() != v1::EpisodeRecord::END_TRUNCATED) continue;
    ++truncated;
    if (episode.episode() == 0) {
      const int limit = 1 + BoundedInt(KeyedBits(options.seed(), RandomPurpose::kFirstLimit,
                                                 episode.environment(), 0, 0, 0),
                                       options.episode_limit());
      EXPECT_EQ(episode.length(), limit);
      limits.insert(limit);
    } else {
      EXPECT_EQ(episode.length(), options.episode_limit());
    }
  }
  EXPECT_GT(truncated, 8);
  EXPECT_GT(limits.size(), 5u);
  EXPECT_GE(*limits.begin(), 1);
  EXPECT_LE(*limits.rbegin(), options.episode_limit());
}

TEST(Episodes, InLockstepFirstLimitsAreAsTheOthers) {
  v1::RunOptions options = TestOptions();
  options.set_staggered_episodes(false);
  const RolloutResult result = Compute(options, TestItem(1, 0, 16, kFish), *TestBackend());
  int first = 0;
  for (const v1::EpisodeRecord& episode : result.record.episodes()) {
    if (episode.end() != v1::EpisodeRecord::END_TRUNCATED) continue;
    first += episode.episode() == 0;
    EXPECT_EQ(episode.length(), options.episode_limit());
  }
  EXPECT_GT(first, 8);
}

TEST(Episodes, FreshEpisodesDropTheOldOnesUncounted) {
  v1::RunOptions options = TestOptions();
  options.set_n_steps(5);
  const std::unique_ptr<PolicyBackend> backend = TestBackend();
  const RolloutResult one = Compute(options, TestItem(1, 0, 8, kFish), *backend);
  const v1::ShardState before = StateOf(one.record);
  v1::RolloutItem item = TestItem(2, 0, 8, kFish + 3);
  item.set_state(one.record.next_state());
  item.mutable_plan()->set_fresh_episodes(true);
  for (auto& plan : *item.mutable_environments()) plan.set_force_reset(true);
  const RolloutResult two = Compute(options, item, *backend);
  std::set<int> limits;
  for (const v1::EpisodeRecord& episode : two.record.episodes()) {
    // Only episodes begun in this rollout can have ended in it.
    EXPECT_GT(episode.episode(), before.environments(episode.environment()).episode());
    EXPECT_EQ(episode.num_fish(), kFish + 3);
  }
  const v1::ShardState after = StateOf(two.record);
  for (int env = 0; env < 8; ++env) {
    EXPECT_EQ(two.record.environments(env).forced_resets(), 0);
    EXPECT_EQ(after.environments(env).episode() - before.environments(env).episode(),
              two.record.environments(env).episodes_begun());
    if (!after.environments(env).needs_reset()) limits.insert(after.environments(env).limit());
  }
  EXPECT_GT(limits.size(), 3u) << "a new phase is staggered too";
}

TEST(Episodes, AFinishedEpisodeIsFollowedAtTheNextStepOnly) {
  v1::RunOptions options = TestOptions();
  options.set_episode_limit(1);
  options.set_n_steps(3);
  const RolloutResult result = Compute(options, TestItem(1, 0, 2, kFish), *TestBackend());
  const v1::ShardState state = StateOf(result.record);
  for (int env = 0; env < 2; ++env) {
    EXPECT_EQ(result.record.environments(env).episodes_begun(), 3);
    EXPECT_TRUE(state.environments(env).needs_reset());
    EXPECT_EQ(state.environments(env).episode(), 2);
  }
  EXPECT_EQ(result.record.episodes_size(), 6);
}

TEST(Episodes, ForcedResetCutsTheRunningEpisode) {
  v1::RunOptions options = TestOptions();
  options.set_n_steps(6);
  options.set_episode_limit(500);
  const std::unique_ptr<PolicyBackend> backend = TestBackend();
  const RolloutResult one = Compute(options, TestItem(1, 0, 4, kFish), *backend);
  const v1::ShardState before = StateOf(one.record);
  v1::RolloutItem item = TestItem(2, 0, 4, kFish);
  item.set_state(one.record.next_state());
  item.mutable_environments(1)->set_force_reset(true);
  item.mutable_environments(2)->set_force_reset(true);
  GiveVelocities(3, item.mutable_environments(2));
  const RolloutResult two = Compute(options, item, *backend);

  std::vector<v1::EpisodeRecord> forced;
  for (const v1::EpisodeRecord& episode : two.record.episodes()) {
    if (episode.end() == v1::EpisodeRecord::END_FORCED) forced.push_back(episode);
  }
  ASSERT_EQ(forced.size(), 2u);
  for (int i : {0, 1}) {
    const v1::EnvironmentState& cut = before.environments(i + 1);
    ASSERT_FALSE(cut.needs_reset()) << "choose a seed with longer first limits";
    EXPECT_EQ(forced[i].environment(), i + 1);
    EXPECT_EQ(forced[i].episode(), cut.episode());
    EXPECT_EQ(forced[i].length(), cut.step());
    EXPECT_EQ(forced[i].final_alive(),
              std::count(cut.death_step().begin(), cut.death_step().end(), 0u));
  }
  EXPECT_EQ(two.record.environments(0).forced_resets(), 0);
  EXPECT_EQ(two.record.environments(1).forced_resets(), 1);
  EXPECT_EQ(two.record.environments(1).overrides(), 0);
  EXPECT_EQ(two.record.environments(2).forced_resets(), 1);
  EXPECT_EQ(two.record.environments(2).overrides(), two.record.environments(2).episodes_begun());
}

TEST(Episodes, ForcedResetOfAFinishedEpisodeIsNone) {
  v1::RunOptions options = TestOptions();
  options.set_episode_limit(1);
  options.set_n_steps(2);
  const std::unique_ptr<PolicyBackend> backend = TestBackend();
  v1::RolloutItem item = TestItem(2, 0, 1, kFish);
  item.set_state(Compute(options, TestItem(1, 0, 1, kFish), *backend).record.next_state());
  item.mutable_environments(0)->set_force_reset(true);
  const v1::RolloutRecord record = Compute(options, item, *backend).record;
  EXPECT_EQ(record.environments(0).forced_resets(), 0);
  EXPECT_EQ(record.episodes_size(), 2);
}

TEST(Episodes, VelocitiesAreTakenInOrder) {
  v1::RunOptions options = TestOptions();
  options.set_initial_escape_boost(false);
  options.set_predator_spawn_jitter_radius(0);
  options.set_predator_pre_roll_steps(0);
  options.set_episode_limit(1);
  options.set_n_steps(5);
  const std::unique_ptr<PolicyBackend> backend = TestBackend();
  v1::RolloutItem item = TestItem(1, 0, 1, 2);
  GiveVelocities(3, item.mutable_environments(0));
  const v1::RolloutRecord record = Compute(options, item, *backend).record;
  ASSERT_EQ(record.episodes_size(), 5);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(record.episodes(i).tail_override(), i < 3);
  EXPECT_EQ(record.environments(0).overrides(), 3);
  EXPECT_EQ(record.environments(0).episodes_begun(), 5);

  options.set_episode_limit(500);
  options.set_n_steps(1);
  for (int used : {0, 1, 2}) {
    v1::RolloutItem begin = TestItem(1, 0, 1, 2);
    v1::EnvironmentPlan* plan = begin.mutable_environments(0);
    GiveVelocities(3, plan);
    plan->mutable_tail_velocities()->erase(plan->tail_velocities().begin(),
                                           plan->tail_velocities().begin() + 2 * used);
    const v1::ShardState state = StateOf(Compute(options, begin, *backend).record);
    // From the centre, after one step of gravity.
    EXPECT_EQ(state.environments(0).predator_velocity().x(), 0.25f);
    EXPECT_EQ(state.environments(0).predator_velocity().y(), 0.5f + 0.125f * used + 0.05f);
  }
}

TEST(Episodes, CutAfterStepsWhileVelocitiesAreLeft) {
  v1::RunOptions options = TestOptions();
  options.set_episode_limit(500);
  options.set_n_steps(60);
  v1::RolloutItem item = TestItem(1, 0, 4, kFish);
  for (auto& plan : *item.mutable_environments()) plan.set_force_reset_steps(7);
  GiveVelocities(2, item.mutable_environments(1));
  for (int env : {2, 3}) GiveVelocities(60, item.mutable_environments(env));
  const v1::RolloutRecord record = Compute(options, item, *TestBackend()).record;

  std::vector<int> forced(4, 0);
  for (const v1::EpisodeRecord& episode : record.episodes()) {
    if (episode.end() != v1::EpisodeRecord::END_FORCED) continue;
    EXPECT_EQ(episode.length(), 7);
    EXPECT_GT(episode.final_alive(), 0);
    ++forced[episode.environment()];
  }
  EXPECT_EQ(forced[0], 0) << "no velocities, no cut";
  EXPECT_LE(forced[1], 1) << "only the first of two is cut for another";
  for (int env : {2, 3}) {
    EXPECT_GE(forced[env], 6);
    EXPECT_EQ(record.environments(env).overrides(), record.environments(env).episodes_begun());
  }
  for (int env = 0; env < 4; ++env) {
    EXPECT_EQ(record.environments(env).forced_resets(), forced[env]);
  }
}

TEST(Episodes, ACutIsBootstrapped) {
  v1::RunOptions options = TestOptions();
  options.set_episode_limit(500);
  options.set_n_steps(4);
  options.set_gae_lambda(0);
  ConstantBackend backend(11, 4, [](const float*) { return 10.0f; });
  v1::RolloutItem item = TestItem(1, 0, 1, kFish);
  item.mutable_environments(0)->set_force_reset_steps(2);
  GiveVelocities(4, item.mutable_environments(0));
  const RolloutResult result = Compute(options, item, backend);
  ASSERT_EQ(result.record.episodes_size(), 2);
  for (int64_t i = 0; i < result.rows.size(); ++i) {
    const bool died = result.rows.returns[i] < -40;
    EXPECT_NEAR(result.rows.returns[i], died ? -50 : 0.7 + 0.99 * 10, 1e-4);
  }
}

}  // namespace
}  // namespace shoal
