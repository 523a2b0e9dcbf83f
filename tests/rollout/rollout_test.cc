// The rollout as a whole: against a slow and simple play of the same rules, and its promises of
// repeatability.
#include "actor/rollout/rollout.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "actor/policy/fused_backend.h"
#include "actor/policy/sampling.h"
#include "actor/rollout/world_options.h"
#include "actor/world/world.h"
#include "common/rng.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/rollout/test_items.h"

namespace shoal {
namespace {

constexpr int kFish = 12;

// One row of the slow play, and what is known of the step after it.
struct PlayedRow {
  std::vector<float> observation;
  int action;
  float log_prob;
  double reward;
  double value;
  double next_value;
  bool last;  // of its trajectory
};

float ValueOf(PolicyBackend& backend, const std::vector<float>& observation) {
  float value;
  backend.Values(observation.data(), 1, &value);
  return value;
}

// Plays environment `id` from its first episode, fish by fish, and finds advantages by their
// definition, the sum of (gamma lambda)^k delta(i + k).
struct SlowPlay {
  std::map<int, std::map<int, PlayedRow>> rows;  // fish, step of the rollout
  std::vector<v1::EpisodeRecord> ended;

  SlowPlay(const v1::RunOptions& options, const v1::IterationPlan& plan, PolicyBackend& backend,
           uint32_t id) {
    const int num_fish = plan.num_fish();
    World world(*ReadWorldOptions(options), 1, num_fish);
    const uint64_t seed = options.seed();
    uint32_t episode = 0;
    int limit = 0;
    v1::EpisodeRecord record;
    for (int step = 0; step < options.n_steps(); ++step) {
      if (limit == 0) {
        limit = episode == 0
                    ? 1 + BoundedInt(KeyedBits(seed, RandomPurpose::kFirstLimit, id, 0, 0, 0),
                                     options.episode_limit())
                    : options.episode_limit();
        world.Reset(0, {KeyedBits(seed, RandomPurpose::kScene, id, episode, 0, 0), 0.75, {}});
        record.Clear();
        record.set_environment(id);
        record.set_episode(episode);
        record.set_num_fish(num_fish);
      }
      std::vector<uint8_t> actions(world.stride(), 4);
      for (int32_t fish = 0; fish < num_fish; ++fish) {
        if (!world.alive(0, fish)) continue;
        PlayedRow& row = rows[fish][step];
        row.observation.resize(world.obs_dim());
        world.ObserveFish(0, &fish, 1, row.observation.data());
        float logits[5];
        backend.Logits(row.observation.data(), 1, logits);
        const SampledAction sampled =
            SampleAction(logits, UniformFloat(KeyedBits(seed, RandomPurpose::kAction, id, episode,
                                                        world.step(0), fish)));
        actions[fish] = row.action = sampled.action;
        row.log_prob = sampled.log_prob;
        row.value = ValueOf(backend, row.observation);
      }
      world.Step(actions.data());
      const bool over = world.alive_count(0) == 0 || world.step(0) == limit;
      Follow(options, plan, backend, world, step, over, &record);
      if (!over) continue;
      record.set_final_alive(world.alive_count(0));
      record.set_end(world.alive_count(0) == 0 ? v1::EpisodeRecord::END_TERMINATED
                                               : v1::EpisodeRecord::END_TRUNCATED);
      ended.push_back(record);
      limit = 0;
      ++episode;
    }
  }

  void Follow(const v1::RunOptions& options, const v1::IterationPlan& plan, PolicyBackend& backend,
              const World& world, int step, bool over, v1::EpisodeRecord* record) {
    std::vector<float> rewards(world.stride());
    world.Rewards(0, *ParseRewardKind(options.reward()),
                  static_cast<float>(plan.density_penalty_coef()), rewards.data());
    double sum = 0;
    for (int32_t fish = 0; fish < world.num_fish(); ++fish) {
      sum += rewards[fish];
      if (!rows[fish].contains(step)) continue;
      PlayedRow& row = rows[fish][step];
      row.reward = rewards[fish];
      row.last = over || !world.alive(0, fish) || step + 1 == options.n_steps();
      row.next_value = 0;
      if (world.alive(0, fish)) {
        std::vector<float> next(world.obs_dim());
        world.ObserveFish(0, &fish, 1, next.data());
        row.next_value = ValueOf(backend, next);
      }
    }
    record->set_length(world.step(0));
    record->set_alive_sum(record->alive_sum() + world.alive_count(0));
    record->set_reward_sum(record->reward_sum() + sum / world.num_fish());
    if (world.new_deaths(0) > 0 && record->first_death_step() == 0) {
      record->set_first_death_step(world.step(0));
    }
    if (world.step(0) != 1) return;
    for (int fish = 0; fish < world.num_fish(); ++fish) {
      if (!world.alive(0, fish)) record->add_step_one_deaths()->set_fish_index(fish);
    }
  }

  double Advantage(const v1::RunOptions& options, int fish, int step) const {
    double advantage = 0;
    double weight = 1;
    for (;; ++step) {
      const PlayedRow& row = rows.at(fish).at(step);
      advantage += weight * (row.reward + options.gamma() * row.next_value - row.value);
      weight *= options.gamma() * options.gae_lambda();
      if (row.last) return advantage;
    }
  }
};

void ExpectRows(const v1::RunOptions& options, const Rows& rows, int64_t* at, uint32_t id,
                const SlowPlay& play) {
  for (const auto& [fish, steps] : play.rows) {
    for (const auto& [step, row] : steps) {
      ASSERT_LT(*at, rows.size());
      const int64_t i = (*at)++;
      ASSERT_EQ(rows.keys[i], RowKey(id, fish, step));
      const auto first = rows.observations.begin() + i * rows.obs_dim;
      ASSERT_EQ(std::vector<float>(first, first + rows.obs_dim), row.observation);
      ASSERT_EQ(rows.actions[i], row.action);
      ASSERT_EQ(rows.log_probs[i], row.log_prob);
      const double advantage = play.Advantage(options, fish, step);
      ASSERT_NEAR(rows.advantages[i], advantage, 1e-5 * (1 + std::abs(advantage)));
      ASSERT_NEAR(rows.returns[i], advantage + row.value, 1e-5 * (1 + std::abs(advantage)));
    }
  }
}

// Environments 3 to 6 of the item, row by row and episode by episode.
void ExpectMatch(const v1::RunOptions& options, const v1::RolloutItem& item,
                 PolicyBackend& backend) {
  const RolloutResult result = Compute(options, item, backend);
  const v1::RolloutRecord& record = result.record;
  int64_t row = 0;
  int episode = 0;
  for (uint32_t id = 3; id < 7; ++id) {
    const SlowPlay play(options, item.plan(), backend, id);
    ExpectRows(options, result.rows, &row, id, play);
    for (const v1::EpisodeRecord& expected : play.ended) {
      ASSERT_LT(episode, record.episodes_size());
      v1::EpisodeRecord actual = record.episodes(episode++);
      ASSERT_EQ(actual.step_one_deaths_size(), expected.step_one_deaths_size());
      EXPECT_NEAR(actual.reward_sum(), expected.reward_sum(), 1e-9);
      actual.set_reward_sum(expected.reward_sum());
      *actual.mutable_step_one_deaths() = expected.step_one_deaths();
      EXPECT_EQ(actual.SerializeAsString(), expected.SerializeAsString());
    }
  }
  EXPECT_EQ(row, result.rows.size());
  EXPECT_EQ(episode, record.episodes_size());

  double sum = 0;
  double square_sum = 0;
  for (float advantage : result.rows.advantages) {
    sum += advantage;
    square_sum += double{advantage} * advantage;
  }
  EXPECT_EQ(record.advantage_sum(), sum);
  EXPECT_EQ(record.advantage_square_sum(), square_sum);
  EXPECT_EQ(record.unfiltered_rows(), row);
  EXPECT_EQ(record.rows(), row);
  EXPECT_EQ(record.rows_checksum(), RowsChecksum(result.rows));
  EXPECT_EQ(record.fish_steps(), row);
  EXPECT_EQ(record.environment_steps(), 4 * options.n_steps());
  EXPECT_EQ(record.iteration(), 1);
  EXPECT_EQ(record.shard(), 3);
  EXPECT_EQ(record.policy_sha256(), "a policy");
  EXPECT_EQ(record.environments_size(), 4);
}

int EpisodesEnded(const v1::RolloutRecord& record, v1::EpisodeRecord::End end) {
  return static_cast<int>(
      std::count_if(record.episodes().begin(), record.episodes().end(),
                    [end](const v1::EpisodeRecord& episode) { return episode.end() == end; }));
}

TEST(ComputeRollout, MatchesASlowPlayOfTheRules) {
  v1::RunOptions options = TestOptions();
  options.set_reward("shaped");
  options.set_include_neighbor_features(true);
  options.set_divergence_reward_coef(0.3);
  options.set_episode_limit(20);
  v1::RolloutItem item = TestItem(1, 3, 4, kFish);
  item.mutable_plan()->set_density_penalty_coef(0.05);
  const std::unique_ptr<PolicyBackend> backend = TestBackend(true);
  ExpectMatch(options, item, *backend);
  EXPECT_GT(
      EpisodesEnded(Compute(options, item, *backend).record, v1::EpisodeRecord::END_TRUNCATED), 6);
}

TEST(ComputeRollout, MatchesASlowPlayToTheLastFish) {
  v1::RunOptions options = TestOptions();
  options.set_reward("death_only");
  options.set_n_steps(600);
  options.set_episode_limit(500);
  const v1::RolloutItem item = TestItem(1, 3, 4, 1);
  // A lone fish that swims on along the rim is met by the predator at last.
  ConstantBackend backend(11, kAccelerate, [](const float* o) { return o[0] - 2 * o[5]; });
  ExpectMatch(options, item, backend);
  EXPECT_GT(
      EpisodesEnded(Compute(options, item, backend).record, v1::EpisodeRecord::END_TERMINATED), 2);
}

TEST(ComputeRollout, SameItemSameBytes) {
  const v1::RunOptions options = TestOptions();
  const std::unique_ptr<PolicyBackend> one = TestBackend();
  const std::unique_ptr<PolicyBackend> other = TestBackend();
  v1::RolloutItem first = TestItem(1, 0, 3, kFish);
  v1::RolloutItem second = TestItem(1, 3, 3, kFish);
  second.mutable_plan()->set_density_penalty_coef(0.05);
  const RolloutResult first_then = Compute(options, first, *one);
  const RolloutResult second_then = Compute(options, second, *one);
  // The other way round, by another backend.
  const RolloutResult second_now = Compute(options, second, *other);
  const RolloutResult first_now = Compute(options, first, *other);
  EXPECT_EQ(first_now.record.SerializeAsString(), first_then.record.SerializeAsString());
  EXPECT_EQ(second_now.record.SerializeAsString(), second_then.record.SerializeAsString());
  EXPECT_EQ(RowsChecksum(first_now.rows), first_then.record.rows_checksum());
  EXPECT_NE(first_now.record.rows_checksum(), second_now.record.rows_checksum());
}

TEST(ComputeRollout, OtherSeedOtherRows) {
  v1::RunOptions options = TestOptions();
  const std::unique_ptr<PolicyBackend> backend = TestBackend();
  const RolloutResult one = Compute(options, TestItem(1, 0, 2, kFish), *backend);
  options.set_seed(8);
  const RolloutResult other = Compute(options, TestItem(1, 0, 2, kFish), *backend);
  EXPECT_NE(one.record.rows_checksum(), other.record.rows_checksum());
}

void Append(const Rows& more, Rows* rows) {
  rows->keys.insert(rows->keys.end(), more.keys.begin(), more.keys.end());
  rows->observations.insert(rows->observations.end(), more.observations.begin(),
                            more.observations.end());
  rows->actions.insert(rows->actions.end(), more.actions.begin(), more.actions.end());
  rows->log_probs.insert(rows->log_probs.end(), more.log_probs.begin(), more.log_probs.end());
  rows->advantages.insert(rows->advantages.end(), more.advantages.begin(), more.advantages.end());
  rows->returns.insert(rows->returns.end(), more.returns.begin(), more.returns.end());
}

// What eight environments do in two iterations, cut into shards of `size`: everything of their
// records but the sums over a shard, which are rounded shard by shard.
std::string TwoIterations(const v1::RunOptions& options, int size) {
  const std::unique_ptr<PolicyBackend> backend = TestBackend();
  std::vector<std::string> states(8 / size);
  std::string all;
  for (int iteration : {1, 2}) {
    Rows rows;
    v1::RolloutRecord together;
    v1::ShardState next;
    for (int shard = 0; shard < 8 / size; ++shard) {
      v1::RolloutItem item = TestItem(iteration, shard * size, size, kFish);
      item.set_state(states[shard]);
      item.mutable_plan()->set_row_filter_active(iteration == 2);
      const RolloutResult result = Compute(options, item, *backend);
      states[shard] = result.record.next_state();
      Append(result.rows, &rows);
      together.mutable_episodes()->MergeFrom(result.record.episodes());
      together.mutable_environments()->MergeFrom(result.record.environments());
      together.set_fish_steps(together.fish_steps() + result.record.fish_steps());
      together.set_unfiltered_rows(together.unfiltered_rows() + result.record.unfiltered_rows());
      next.MergeFrom(StateOf(result.record));
    }
    together.set_rows_checksum(RowsChecksum(rows));
    together.set_next_state(next.SerializeAsString());
    all += together.SerializeAsString();
  }
  return all;
}

TEST(ComputeRollout, ShardsDoNotMatter) {
  for (int tracked : {0, 2}) {
    v1::RunOptions options = TestOptions();
    options.set_train_fish_per_env(tracked);
    const std::string whole = TwoIterations(options, 8);
    EXPECT_EQ(TwoIterations(options, 4), whole);
    EXPECT_EQ(TwoIterations(options, 1), whole);
  }
}

TEST(ComputeRollout, TwoRolloutsAreOneOfTwiceTheSteps) {
  for (int tracked : {0, 1, 3}) {
    v1::RunOptions options = TestOptions();
    options.set_train_fish_per_env(tracked);
    const std::unique_ptr<PolicyBackend> backend = TestBackend();
    const RolloutResult one = Compute(options, TestItem(1, 0, 4, kFish), *backend);
    v1::RolloutItem next = TestItem(2, 0, 4, kFish);
    next.set_state(one.record.next_state());
    const RolloutResult two = Compute(options, next, *backend);
    options.set_n_steps(2 * options.n_steps());
    const RolloutResult both = Compute(options, TestItem(1, 0, 4, kFish), *backend);

    EXPECT_EQ(two.record.next_state(), both.record.next_state());
    EXPECT_EQ(one.record.fish_steps() + two.record.fish_steps(), both.record.fish_steps());
    EXPECT_EQ(one.rows.size() + two.rows.size(), both.rows.size());
    std::vector<std::string> halves, whole;
    const auto add = [](const v1::RolloutRecord& record, std::vector<std::string>* episodes) {
      for (const v1::EpisodeRecord& episode : record.episodes()) {
        episodes->push_back(episode.SerializeAsString());
      }
    };
    add(one.record, &halves);
    add(two.record, &halves);
    add(both.record, &whole);
    EXPECT_THAT(halves, ::testing::UnorderedElementsAreArray(whole));
    for (int env = 0; env < 4; ++env) {
      EXPECT_EQ(one.record.environments(env).episodes_begun() +
                    two.record.environments(env).episodes_begun(),
                both.record.environments(env).episodes_begun());
    }
  }
}

TEST(ComputeRollout, ProcessorsDoNotMatter) {
  const v1::RunOptions options = TestOptions();
  const PolicyWeights weights = RandomPolicy({16}, false, Activation::kTanh, 3);
  absl::StatusOr<std::unique_ptr<PolicyBackend>> portable =
      CreateFusedBackend(weights, KernelPath::kPortable);
  ASSERT_TRUE(portable.ok()) << portable.status();
  const v1::RolloutItem item = TestItem(1, 0, 2, kFish);
  EXPECT_EQ(Compute(options, item, **portable).record.SerializeAsString(),
            Compute(options, item, *TestBackend()).record.SerializeAsString());
}

TEST(ComputeRollout, OneInferenceCallAStep) {
  const v1::RunOptions options = TestOptions();
  ConstantBackend backend(11, 0, [](const float*) { return 0.0f; });
  Compute(options, TestItem(1, 0, 4, kFish), backend);
  EXPECT_EQ(backend.logits_calls, options.n_steps());
}

TEST(ComputeRollout, RowFilterTakesRowsAway) {
  v1::RunOptions options = TestOptions();
  options.set_row_filter_keep(0.25);
  const std::unique_ptr<PolicyBackend> backend = TestBackend();
  v1::RolloutItem item = TestItem(1, 0, 4, kFish);
  const RolloutResult whole = Compute(options, item, *backend);
  item.mutable_plan()->set_row_filter_active(true);
  const double rows = whole.record.unfiltered_rows();
  const double mean = whole.record.advantage_sum() / rows;
  const double std = std::sqrt(whole.record.advantage_square_sum() / rows - mean * mean);
  item.mutable_plan()->set_advantage_mean(mean);
  item.mutable_plan()->set_advantage_std(std);
  const RolloutResult thinned = Compute(options, item, *backend);

  EXPECT_EQ(thinned.record.unfiltered_rows(), whole.record.unfiltered_rows());
  EXPECT_EQ(thinned.record.advantage_sum(), whole.record.advantage_sum());
  EXPECT_EQ(thinned.record.next_state(), whole.record.next_state());
  int64_t quiet = 0;
  int64_t kept_quiet = 0;
  int64_t at = 0;
  for (int64_t i = 0; i < whole.rows.size(); ++i) {
    const bool kept = at < thinned.rows.size() && thinned.rows.keys[at] == whole.rows.keys[i];
    if (kept) {
      EXPECT_EQ(thinned.rows.advantages[at], whole.rows.advantages[i]);
      EXPECT_EQ(thinned.rows.actions[at], whole.rows.actions[i]);
      ++at;
    }
    const bool loud = whole.rows.observations[i * 11 + 5] > 0.5f ||
                      std::abs(whole.rows.advantages[i] - mean) > 2 * std;
    EXPECT_TRUE(kept || !loud);
    quiet += !loud;
    kept_quiet += !loud && kept;
  }
  EXPECT_EQ(at, thinned.rows.size());
  ASSERT_GT(quiet, 500);
  // Four standard deviations.
  EXPECT_NEAR(kept_quiet / double(quiet), 0.25, 4 * std::sqrt(0.25 * 0.75 / quiet));
}

TEST(ComputeRollout, RefusesWhatDoesNotFit) {
  const std::unique_ptr<PolicyBackend> backend = TestBackend();
  const auto message = [&](const v1::RunOptions& options, const v1::RolloutItem& item) {
    return std::string(ComputeRollout(options, item, *backend).status().message());
  };
  using ::testing::HasSubstr;
  v1::RolloutItem item = TestItem(1, 0, 2, 0);
  EXPECT_THAT(message(TestOptions(), item), HasSubstr("num_fish is 0; 1 to 4096 are right"));
  item = TestItem(0, 0, 2, kFish);
  EXPECT_THAT(message(TestOptions(), item), HasSubstr("iterations count from 1"));
  item = TestItem(1, 0, 0, kFish);
  EXPECT_THAT(message(TestOptions(), item), HasSubstr("it has 0 environments"));
  item = TestItem(1, 4, 2, kFish);
  item.mutable_environments(1)->add_tail_velocities(1);
  EXPECT_THAT(message(TestOptions(), item), HasSubstr("environment 5: 1 tail velocity values"));
  item.mutable_environments(1)->add_tail_velocities(NAN);
  EXPECT_THAT(message(TestOptions(), item), HasSubstr("a tail velocity is not finite"));
  item = TestItem(1, 0, 2, kFish);
  item.mutable_environments(0)->add_tail_velocities(3e38f);
  item.mutable_environments(0)->add_tail_velocities(0);
  EXPECT_THAT(message(TestOptions(), item), HasSubstr("a tail velocity has the value 3e+38"));
  item = TestItem(1, 0, 2, kFish);
  item.mutable_plan()->set_escape_boost_speed(1e300);
  EXPECT_THAT(message(TestOptions(), item), HasSubstr("escape_boost_speed is 1e+300"));
  item = TestItem(1, 0, 2, kFish);
  item.mutable_plan()->set_density_penalty_coef(-1);
  EXPECT_THAT(message(TestOptions(), item), HasSubstr("density_penalty_coef -1"));
  item = TestItem(1, 0, 1, 4096);
  for (int i = 0; i < 999; ++i) item.add_environments();
  v1::RunOptions large = TestOptions();
  large.set_n_steps(65535);
  EXPECT_THAT(message(large, item), HasSubstr("it could make"));
}

TEST(ComputeRollout, RefusesAPolicyThatHasDiverged) {
  ConstantBackend backend(11, 0, [](const float*) { return NAN; });
  const absl::Status status =
      ComputeRollout(TestOptions(), TestItem(1, 0, 2, kFish), backend).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(status.message(), ::testing::HasSubstr("its weights have diverged"));
}

}  // namespace
}  // namespace shoal
