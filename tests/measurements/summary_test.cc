#include "coordinator/evaluation/summary.h"

#include <cmath>
#include <vector>

#include "coordinator/evaluation/seeds.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace shoal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

v1::EvaluationEpisode Scene(uint64_t seed, std::vector<uint32_t> death_steps, double value) {
  v1::EvaluationEpisode episode;
  episode.set_seed(seed);
  episode.set_num_fish(static_cast<int>(death_steps.size()));
  episode.set_length(500);
  for (size_t fish = 0; fish < death_steps.size(); ++fish) {
    episode.add_death_step(death_steps[fish]);
    if (death_steps[fish] != 1) continue;
    v1::StepOneDeath* death = episode.add_step_one_deaths();
    death->set_fish_index(static_cast<int>(fish));
    death->mutable_fish_position()->set_x(0.1f);
    death->mutable_predator_velocity()->set_y(1.9f);
  }
  v1::SceneStart* start = episode.mutable_start();
  start->set_spawn_radius(value);
  start->set_spawn_angle(10 * value);
  start->set_initial_speed(1.5);
  start->set_initial_heading(20 * value);
  start->set_final_speed(2 * value);
  start->set_final_heading(30 * value);
  return episode;
}

std::vector<v1::EvaluationEpisode> Scenes() {
  std::vector<v1::EvaluationEpisode> scenes = {Scene(11, {0, 0, 0, 0, 99}, 1),
                                               Scene(12, {0, 1, 100, 500, 1}, 2),
                                               Scene(13, {0, 0, 149, 150, 0}, 3)};
  scenes[1].mutable_step_one_deaths(0)->set_unavoidable(true);
  return scenes;
}

TEST(SummarizeEvaluationTest, SummarizesByHand) {
  const auto s = SummarizeEvaluation(Scenes());
  ASSERT_TRUE(s.ok()) << s.status();
  EXPECT_EQ(s->episodes, 3);
  EXPECT_EQ(s->num_fish, 5);
  EXPECT_THAT(s->final_survival, ElementsAre(0.8, 0.2, 0.6));
  EXPECT_DOUBLE_EQ(s->avg_final_survival_rate, 1.6 / 3);
  EXPECT_EQ(s->min_final_survival_rate, 0.2);
  EXPECT_EQ(s->avg_min_survival_rate, s->avg_final_survival_rate);
  EXPECT_EQ(s->min_of_min_survival_rate, 0.2);
  EXPECT_EQ(s->median_min_survival_rate, 0.6);
  // 1, 1, 99, 100, 149, 150, 500 x 9: eight survivors and one that died at step 500.
  EXPECT_EQ(s->total_fish_samples, 15);
  EXPECT_DOUBLE_EQ(s->survival_fraction, 9.0 / 15);
  EXPECT_DOUBLE_EQ(s->mean_death_step, 5000.0 / 15);
  EXPECT_EQ(s->median_death_step, 500);
  EXPECT_DOUBLE_EQ(s->p10, 1 + 0.4 * 98);  // position 1.4
  EXPECT_DOUBLE_EQ(s->p25, 124.5);         // position 3.5
  EXPECT_EQ(s->p75, 500);
  EXPECT_EQ(s->p90, 500);
  EXPECT_DOUBLE_EQ(s->early_death_fraction_100, 3.0 / 15);
  EXPECT_DOUBLE_EQ(s->early_death_fraction_150, 5.0 / 15);
  EXPECT_EQ(s->step_one_death_count, 2);
  EXPECT_DOUBLE_EQ(s->step_one_death_ratio, 2.0 / 15);
  EXPECT_EQ(s->step_one_unavoidable_count, 1);
  EXPECT_EQ(s->step_one_avoidable_count, 1);
  EXPECT_DOUBLE_EQ(s->step_one_avoidable_ratio, 1.0 / 15);
  EXPECT_EQ(s->step_one_ne_high_speed_share, 1);
  EXPECT_THAT(s->episode_seeds, ElementsAre(11, 12, 13));
  EXPECT_EQ(s->pre_roll.spawn_radius.mean, 2);
  EXPECT_EQ(s->pre_roll.spawn_angle_deg.p50, 20);
  EXPECT_EQ(s->pre_roll.initial_heading_deg.max, 60);
  EXPECT_EQ(s->pre_roll.final_speed.min, 2);
  EXPECT_EQ(s->pre_roll.final_heading_deg.count, 3);
  EXPECT_EQ(s->pre_roll.initial_speed.std, 0);
}

TEST(SummarizeEvaluationTest, SurvivorsAloneHaveNoShareOfClusters) {
  const auto s = SummarizeEvaluation(std::vector{Scene(1, {0, 0}, 1)});
  ASSERT_TRUE(s.ok()) << s.status();
  EXPECT_EQ(s->p10, 500);
  EXPECT_EQ(s->survival_fraction, 1);
  EXPECT_FALSE(s->step_one_ne_high_speed_share.has_value());
  EXPECT_TRUE(ToJson(*s)["step_one_ne_high_speed_share"].is_null());
}

std::string SummaryError(const std::vector<v1::EvaluationEpisode>& scenes) {
  const auto s = SummarizeEvaluation(scenes);
  EXPECT_EQ(s.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(s.status().message());
}

TEST(SummarizeEvaluationTest, RefusesEpisodesThatContradictThemselves) {
  EXPECT_THAT(SummaryError({}), HasSubstr("without episodes"));
  auto scenes = Scenes();
  scenes[1] = Scene(12, {0, 0}, 1);
  EXPECT_THAT(SummaryError(scenes), HasSubstr("scene 1 (seed 12) has 2 fish, the first scene 5"));
  scenes = Scenes();
  scenes[0].add_death_step(3);
  EXPECT_THAT(SummaryError(scenes), HasSubstr("6 death steps for 5 fish"));
  scenes = Scenes();
  scenes[0].set_length(50);
  EXPECT_THAT(SummaryError(scenes), HasSubstr("fish 4 die at step 99 of 50"));
  scenes = Scenes();
  scenes[2].set_length(501);
  EXPECT_THAT(SummaryError(scenes), HasSubstr("501 steps"));
  scenes = Scenes();
  scenes[1].mutable_step_one_deaths()->RemoveLast();
  EXPECT_THAT(SummaryError(scenes), HasSubstr("lists 1 step-one deaths"));
  scenes = Scenes();
  scenes[2].mutable_start()->set_final_speed(std::nan(""));
  EXPECT_THAT(SummaryError(scenes), HasSubstr("scene 2 (seed 13) has a start"));
}

TEST(WorstScenesTest, PutsTheFewestAliveFirst) {
  EvaluationSummary summary;
  summary.final_survival = {0.5, 0.25, 0.75, 0.25};
  EXPECT_THAT(WorstScenes(summary, 3), ElementsAre(1, 3, 0));
  EXPECT_THAT(WorstScenes(summary, 9), ElementsAre(1, 3, 0, 2));
  EXPECT_THAT(WorstScenes(summary, 0), ElementsAre());
}

std::vector<std::string> Keys(const nlohmann::ordered_json& json) {
  std::vector<std::string> keys;
  for (const auto& entry : json.items()) keys.push_back(entry.key());
  return keys;
}

TEST(EvaluationHistoryLineTest, HasTheNamesAndTheNestingOfTheContract) {
  const nlohmann::ordered_json gate = {
      {"iteration", 12},           {"event", "locked"},   {"stage", 0},
      {"phase_limit", 3},          {"success_streak", 0}, {"freeze_until", 0},
      {"failure_detected", false}, {"failure_streak", 0}, {"step_one_death_ratio", 0.125}};
  const EvaluationContext context = {12, absl::FromUnixMillis(1767225600250), 0.02, 0.76};
  const auto summary = SummarizeEvaluation(Scenes());
  ASSERT_TRUE(summary.ok());
  const nlohmann::ordered_json line = EvaluationHistoryLine(context, ToJson(*summary), gate);
  EXPECT_THAT(
      Keys(line),
      ElementsAre("iteration", "timestamp", "summary", "death_stats", "density_penalty_coef",
                  "escape_boost_speed", "step_one_death_count", "step_one_death_ratio",
                  "step_one_unavoidable_count", "step_one_avoidable_ratio",
                  "step_one_ne_high_speed_share", "episode_seeds", "multi_eval_num_fish",
                  "multi_eval_episodes", "step_one_deaths", "step_one_clusters",
                  "pre_roll_stats_summary", "penalty_gate"));
  EXPECT_THAT(
      Keys(line["summary"]),
      ElementsAre("episodes", "avg_final_survival_rate", "min_final_survival_rate",
                  "avg_min_survival_rate", "min_of_min_survival_rate", "median_min_survival_rate"));
  EXPECT_THAT(Keys(line["death_stats"]),
              ElementsAre("total_fish_samples", "survival_fraction", "mean_death_step",
                          "median_death_step", "p10", "p25", "p75", "p90",
                          "early_death_fraction_100", "early_death_fraction_150"));
  EXPECT_THAT(Keys(line["step_one_deaths"][0]),
              ElementsAre("fish_idx", "predator_index", "fish_position", "predator_position",
                          "predator_velocity"));
  EXPECT_THAT(Keys(line["step_one_clusters"]),
              ElementsAre("total", "angle_bin_deg", "speed_bin", "clusters"));
  EXPECT_THAT(Keys(line["step_one_clusters"]["clusters"][0]),
              ElementsAre("angle_deg_start", "angle_deg_end", "speed_bin_start", "speed_bin_end",
                          "count", "share"));
  EXPECT_THAT(Keys(line["pre_roll_stats_summary"]),
              ElementsAre("spawn_radius", "spawn_angle_deg", "initial_speed", "initial_heading_deg",
                          "final_speed", "final_heading_deg"));
  EXPECT_THAT(Keys(line["pre_roll_stats_summary"]["spawn_radius"]),
              ElementsAre("count", "mean", "std", "p10", "p50", "p90", "min", "max"));
  EXPECT_THAT(Keys(line["penalty_gate"]),
              ElementsAre("event", "stage", "phase_limit", "success_streak", "freeze_until",
                          "failure_detected", "failure_streak", "rolling_p10_median",
                          "step_one_death_ratio"));
  EXPECT_EQ(line["timestamp"], "2026-01-01T00:00:00.250Z");
  EXPECT_EQ(line["escape_boost_speed"], 0.76);
  EXPECT_TRUE(line["penalty_gate"]["rolling_p10_median"].is_null());
  EXPECT_EQ(line["step_one_deaths"][0]["fish_position"].dump(), "[0.1,0.0]");
  EXPECT_EQ(line.dump().find("nan"), std::string::npos);
}

TEST(EvaluationHistoryLineTest, SaysWhereNoGateWasAsked) {
  const auto line = EvaluationHistoryLine({}, nlohmann::ordered_json::object(), nullptr);
  EXPECT_TRUE(line["penalty_gate"].is_null());
}

TEST(EvaluationSeedsTest, ContinueTheBank) {
  EXPECT_THAT(EvaluationSeeds(411232, 0, 3), ElementsAre(774941881, 1153548809, 1861755986));
  EXPECT_THAT(EvaluationSeeds(411232, 0, 1), ElementsAre(774941881));
  EXPECT_THAT(EvaluationSeeds(411232, 2, 1), ElementsAre(1861755986));
  const std::vector<uint64_t> six = EvaluationSeeds(411232, 0, 6);
  EXPECT_THAT(EvaluationSeeds(411232, 1, 3), ElementsAre(six[3], six[4], six[5]));
}

}  // namespace
}  // namespace shoal
