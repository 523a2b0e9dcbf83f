#include "coordinator/evaluation/measurements.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace shoal {
namespace {

using testing::HasSubstr;

v1::IterationPlan Plan() {
  v1::IterationPlan plan;
  plan.set_iteration(4);
  plan.set_phase(2);
  plan.set_num_fish(4);
  plan.set_policy_version(3);
  plan.set_density_penalty_coef(0.02);
  plan.set_entropy_coef(0.03);
  plan.set_escape_boost_speed(0.75);
  plan.set_learning_rate(1e-3);
  plan.set_gate_phase_limit(3);
  return plan;
}

v1::EpisodeRecord Episode(int environment, int number, int length, int alive, int alive_sum,
                          double reward, int first_death) {
  v1::EpisodeRecord episode;
  episode.set_environment(environment);
  episode.set_episode(number);
  episode.set_num_fish(4);
  episode.set_length(length);
  episode.set_final_alive(alive);
  episode.set_alive_sum(alive_sum);
  episode.set_reward_sum(reward);
  episode.set_first_death_step(first_death);
  episode.set_end(v1::EpisodeRecord::END_TRUNCATED);
  return episode;
}

void AddDeath(v1::EpisodeRecord& episode, int fish, float vx, float vy) {
  v1::StepOneDeath* death = episode.add_step_one_deaths();
  death->set_fish_index(fish);
  death->mutable_predator_velocity()->set_x(vx);
  death->mutable_predator_velocity()->set_y(vy);
}

void AddUse(v1::RolloutRecord& record, int begun, int overrides, int forced) {
  v1::EnvironmentUse* use = record.add_environments();
  use->set_episodes_begun(begun);
  use->set_overrides(overrides);
  use->set_forced_resets(forced);
}

v1::RolloutRecord Record(int shard) {
  v1::RolloutRecord record;
  record.set_iteration(4);
  record.set_shard(shard);
  record.set_policy_sha256("abc");
  return record;
}

// Three episodes in two shards; worked by hand in FoldsByHand.
std::vector<v1::RolloutRecord> Records() {
  std::vector<v1::RolloutRecord> records = {Record(0), Record(1)};
  *records[0].add_episodes() = Episode(0, 2, 10, 4, 40, 7.0, 0);
  v1::EpisodeRecord deadly = Episode(1, 0, 20, 1, 30, -3.0, 1);
  AddDeath(deadly, 2, 0.0f, 2.0f);    // 90 degrees, speed 2.0: NE at high speed
  AddDeath(deadly, 3, -0.1f, 2.05f);  // 92.8 degrees, speed 2.05: the same cluster
  AddDeath(deadly, 3, 1.0f, 0.0f);    // 0 degrees
  *records[0].add_episodes() = deadly;
  AddUse(records[0], 1, 1, 1);
  AddUse(records[0], 2, 1, 0);
  records[0].set_rows(30);
  records[0].set_unfiltered_rows(40);
  records[0].set_advantage_sum(8);
  records[0].set_advantage_square_sum(100);
  records[0].set_environment_steps(30);
  records[0].set_fish_steps(70);
  *records[1].add_episodes() = Episode(2, 5, 5, 2, 15, 2.0, 3);
  AddUse(records[1], 1, 0, 2);
  records[1].set_rows(10);
  records[1].set_unfiltered_rows(10);
  records[1].set_advantage_sum(2);
  records[1].set_advantage_square_sum(20);
  records[1].set_environment_steps(5);
  records[1].set_fish_steps(15);
  return records;
}

TEST(FoldIterationTest, FoldsByHand) {
  const auto m = FoldIteration(Plan(), Records(), true);
  ASSERT_TRUE(m.ok()) << m.status();
  EXPECT_EQ(m->iteration, 4);
  EXPECT_EQ(m->phase, 2);
  EXPECT_EQ(m->num_fish, 4);
  EXPECT_EQ(m->policy_version, 3);
  EXPECT_EQ(m->episodes_ended, 3);
  EXPECT_DOUBLE_EQ(*m->survival_rate, (1.0 + 0.25 + 0.5) / 3);
  EXPECT_DOUBLE_EQ(*m->avg_reward, 2.0);
  EXPECT_DOUBLE_EQ(*m->episode_length, 35.0 / 3);
  EXPECT_DOUBLE_EQ(*m->avg_num_alive, (4.0 + 1.5 + 3.0) / 3);
  EXPECT_DOUBLE_EQ(*m->final_num_alive, 7.0 / 3);
  EXPECT_DOUBLE_EQ(*m->first_death_step, 2.0);  // of 1 and 3
  EXPECT_DOUBLE_EQ(*m->first_death_p10, 1.2);
  EXPECT_EQ(m->first_death_sample_size, 2);
  ASSERT_EQ(m->step_one_deaths.size(), 3u);
  EXPECT_EQ(m->step_one_deaths[0].environment, 1);
  EXPECT_EQ(m->step_one_deaths[0].death.fish_index(), 2);
  EXPECT_DOUBLE_EQ(*m->step_one_top_share, 2.0 / 3);
  EXPECT_DOUBLE_EQ(*m->step_one_ne_high_speed_share, 2.0 / 3);
  EXPECT_EQ(m->prewarm_override_hits, 2);
  EXPECT_EQ(m->prewarm_override_episodes, 4);
  EXPECT_DOUBLE_EQ(*m->prewarm_override_ratio, 0.5);
  EXPECT_EQ(m->tail_forced_resets, 3);
  EXPECT_EQ(m->rows, 40);
  EXPECT_EQ(m->unfiltered_rows, 50);
  EXPECT_EQ(m->environment_steps, 35);
  EXPECT_EQ(m->fish_steps, 85);
  const AdvantageMoments moments = MomentsOfAdvantages(*m);
  EXPECT_DOUBLE_EQ(moments.mean, 0.2);
  EXPECT_DOUBLE_EQ(moments.std, std::sqrt(120.0 / 50 - 0.04));
}

TEST(FoldIterationTest, WithoutEpisodesNothingIsMeasured) {
  std::vector<v1::RolloutRecord> records = {Record(0)};
  AddUse(records[0], 0, 0, 0);
  const auto m = FoldIteration(Plan(), records, true);
  ASSERT_TRUE(m.ok()) << m.status();
  EXPECT_FALSE(m->survival_rate.has_value());
  EXPECT_FALSE(m->first_death_p10.has_value());
  EXPECT_FALSE(m->step_one_top_share.has_value());
  EXPECT_EQ(m->prewarm_override_ratio, 0);
  EXPECT_EQ(MomentsOfAdvantages(*m).std, 0);
  const nlohmann::ordered_json json = ToJson(*m);
  EXPECT_TRUE(json["survival_rate"].is_null());
  EXPECT_TRUE(json["policy_loss"].is_null());
  EXPECT_TRUE(json["tail_stage_index"].is_null());
  EXPECT_EQ(json["step_one_clusters"]["total"], 0);
  EXPECT_FALSE(FoldIteration(Plan(), records, false)->prewarm_override_ratio.has_value());
}

TEST(FoldIterationTest, AnEpisodeWithoutADeathIsLeftOutOfFirstDeaths) {
  std::vector<v1::RolloutRecord> records = {Record(0)};
  *records[0].add_episodes() = Episode(0, 0, 10, 4, 40, 0, 0);
  const auto m = FoldIteration(Plan(), records, false);
  EXPECT_EQ(m->episodes_ended, 1);
  EXPECT_FALSE(m->first_death_step.has_value());
  EXPECT_EQ(m->first_death_sample_size, 0);
}

TEST(FoldIterationTest, VarianceNeverFallsBelowZero) {
  IterationMeasurements m;
  m.unfiltered_rows = 3;
  m.advantage_sum = 0.3;
  m.advantage_square_sum = 0.03 - 1e-15;
  EXPECT_EQ(MomentsOfAdvantages(m).std, 0);
}

std::string FoldError(std::vector<v1::RolloutRecord> records) {
  const auto m = FoldIteration(Plan(), records, false);
  EXPECT_EQ(m.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(m.status().message());
}

TEST(FoldIterationTest, RefusesRecordsThatDoNotFitTogether) {
  EXPECT_THAT(FoldError({}), HasSubstr("no records"));
  auto records = Records();
  records[1].set_shard(2);
  EXPECT_THAT(FoldError(records), HasSubstr("shard 1: found the record of iteration 4, shard 2"));
  records = Records();
  records[1].set_iteration(3);
  EXPECT_THAT(FoldError(records), HasSubstr("iteration 3, shard 1"));
  records = Records();
  records[1].set_policy_sha256("def");
  EXPECT_THAT(FoldError(records), HasSubstr("policy def, shard 0 with abc"));
}

TEST(FoldIterationTest, RefusesRecordsThatContradictThemselves) {
  auto records = Records();
  records[0].mutable_episodes()->SwapElements(0, 1);
  EXPECT_THAT(FoldError(records), HasSubstr("environment 0, episode 2 is out of order"));
  records = Records();
  records[0].mutable_episodes(0)->set_final_alive(5);
  EXPECT_THAT(FoldError(records), HasSubstr("5 of 4 fish alive"));
  records = Records();
  records[0].mutable_episodes(0)->set_length(0);
  EXPECT_THAT(FoldError(records), HasSubstr("environment 0, episode 2 has no step"));
  records = Records();
  records[0].mutable_episodes(1)->set_first_death_step(2);
  EXPECT_THAT(FoldError(records), HasSubstr("first death at step 2 and lists 3"));
  records = Records();
  records[0].mutable_episodes(0)->set_reward_sum(std::nan(""));
  EXPECT_THAT(FoldError(records), HasSubstr("not finite"));
  records = Records();
  records[0].mutable_episodes(1)->mutable_step_one_deaths(0)->mutable_predator_velocity()->set_x(
      std::numeric_limits<float>::infinity());
  EXPECT_THAT(FoldError(records), HasSubstr("step-one death that is not finite"));
  records = Records();
  records[1].mutable_environments(0)->set_overrides(2);
  EXPECT_THAT(FoldError(records), HasSubstr("shard 1: an environment began 1 episodes, 2"));
  records = Records();
  records[1].set_rows(11);
  EXPECT_THAT(FoldError(records), HasSubstr("11 rows of 10"));
}

TEST(FoldIterationTest, RefusesCountsAndSumsThatNoShardHas) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  auto records = Records();
  records[0].set_environment_steps(kMost);
  EXPECT_THAT(FoldError(records), HasSubstr("shard 0: environment_steps is 9223372036854775807"));
  records = Records();
  records[1].set_fish_steps(-1);
  EXPECT_THAT(FoldError(records), HasSubstr("shard 1: fish_steps is -1"));
  records = Records();
  records[1].set_unfiltered_rows(kMost);
  EXPECT_THAT(FoldError(records), HasSubstr("unfiltered_rows"));
  records = Records();
  records[0].mutable_episodes(0)->set_alive_sum(41);  // 4 fish, 10 steps
  EXPECT_THAT(FoldError(records), HasSubstr("has 41 alive"));
  records = Records();
  records[0].set_advantage_sum(1e300);
  EXPECT_THAT(FoldError(records), HasSubstr("add up to 1e+300"));
  records = Records();
  records[0].set_advantage_square_sum(-1);
  EXPECT_THAT(FoldError(records), HasSubstr("squares to -1"));
  records = Records();
  records[0].set_advantage_square_sum(std::numeric_limits<double>::infinity());
  EXPECT_THAT(FoldError(records), HasSubstr("not finite"));
}

TEST(MeasurementsJsonTest, HasEveryNameOfTheContract) {
  const nlohmann::ordered_json json = ToJson(IterationMeasurements());
  for (const char* name : {"iteration",
                           "survival_rate",
                           "avg_reward",
                           "episode_length",
                           "avg_num_alive",
                           "final_num_alive",
                           "first_death_step",
                           "first_death_p10",
                           "first_death_sample_size",
                           "step_one_deaths",
                           "step_one_clusters",
                           "step_one_top_share",
                           "step_one_ne_high_speed_share",
                           "density_penalty_coef",
                           "entropy_coef",
                           "escape_boost_speed",
                           "prewarm_override_ratio",
                           "prewarm_override_hits",
                           "prewarm_override_episodes",
                           "tail_stage_index",
                           "tail_stage_progress",
                           "tail_queue_remaining",
                           "tail_queue_remaining_ratio",
                           "tail_schedule_ratio",
                           "tail_forced_resets",
                           "tail_refills",
                           "policy_loss",
                           "value_loss",
                           "entropy",
                           "approx_kl",
                           "clip_fraction",
                           "explained_variance",
                           "gradient_norm",
                           "learning_rate",
                           "policy_lag",
                           "rows",
                           "rows_per_second",
                           "rollout_seconds",
                           "update_seconds",
                           "evaluation_seconds",
                           "waiting_seconds"}) {
    EXPECT_TRUE(json.contains(name)) << name;
  }
  EXPECT_EQ(MeasurementNames().size() + 1, json.size());
  EXPECT_TRUE(IsTimeMeasurement("rollout_seconds"));
  EXPECT_TRUE(IsTimeMeasurement("rows_per_second"));
  EXPECT_FALSE(IsTimeMeasurement("rows"));
}

TEST(MeasurementsJsonTest, WritesWhatWasMeasured) {
  auto m = FoldIteration(Plan(), Records(), true);
  ASSERT_TRUE(m.ok());
  m->update.emplace();
  m->update->set_policy_loss(-0.5);
  m->update->set_explained_variance(std::nan(""));
  m->tail_stage_index = 2;
  m->policy_lag = 1;
  const nlohmann::ordered_json json = ToJson(*m);
  EXPECT_EQ(json["policy_loss"], -0.5);
  EXPECT_TRUE(json["explained_variance"].is_null());
  EXPECT_EQ(json["tail_stage_index"], 2);
  EXPECT_EQ(json["policy_lag"], 1);
  EXPECT_EQ(json["learning_rate"], 1e-3);
  EXPECT_EQ(json["step_one_deaths"], 3);
  const nlohmann::ordered_json top = json["step_one_clusters"]["clusters"][0];
  EXPECT_EQ(top.dump(), R"({"angle_deg_start":90.0,"angle_deg_end":120.0,"speed_bin_start":2.0,)"
                        R"("speed_bin_end":2.4,"count":2,"share":0.6666666666666666})");
  EXPECT_EQ(json["step_one_clusters"]["angle_bin_deg"], 30);
  EXPECT_EQ(json["step_one_clusters"]["speed_bin"], 0.4);
}


}  // namespace
}  // namespace shoal
