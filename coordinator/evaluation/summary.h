// What a multi-evaluation found: its episodes folded in scene order.
//
// Everything here is pure and thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "coordinator/evaluation/statistics.h"
#include "nlohmann/json_fwd.hpp"
#include "shoal/v1/items.pb.h"

namespace shoal {

// Steps of an evaluation's episode, and the death step that survivors count with.
inline constexpr int kEvaluationSteps = 500;

// How the predator began, over the scenes. Angles and headings in degrees.
struct PreRollSummary {
  Distribution spawn_radius;
  Distribution spawn_angle_deg;
  Distribution initial_speed;
  Distribution initial_heading_deg;
  Distribution final_speed;
  Distribution final_heading_deg;
};

struct EvaluationSummary {
  int64_t episodes = 0;
  int32_t num_fish = 0;  // of a scene; all scenes have as many

  // Share alive at the end, by scene, and over the scenes.
  std::vector<double> final_survival;
  double avg_final_survival_rate = 0;
  double min_final_survival_rate = 0;
  // Of the lowest share alive at any step of a scene. Fish never come back, so these are the final
  // shares' mean, minimum and median; they have names of their own in the original's files.
  double avg_min_survival_rate = 0;
  double min_of_min_survival_rate = 0;
  double median_min_survival_rate = 0;

  // Of the death step over all fish, survivors counted as 500. A fish that dies at step 500 itself
  // cannot be told from a survivor here and counts as one in `survival_fraction`; the final
  // survival above counts it as dead.
  int64_t total_fish_samples = 0;
  double survival_fraction = 0;  // share >= 500
  double mean_death_step = 0;
  double median_death_step = 0;
  double p10 = 0;
  double p25 = 0;
  double p75 = 0;
  double p90 = 0;
  double early_death_fraction_100 = 0;  // share < 100
  double early_death_fraction_150 = 0;  // share < 150

  // Deaths at step one; ratios are shares of all fish.
  int64_t step_one_death_count = 0;
  double step_one_death_ratio = 0;
  int64_t step_one_unavoidable_count = 0;
  int64_t step_one_avoidable_count = 0;
  double step_one_avoidable_ratio = 0;
  std::optional<double> step_one_ne_high_speed_share;  // none without such a death
  std::vector<v1::StepOneDeath> step_one_deaths;       // in (scene, fish) order

  std::vector<uint64_t> episode_seeds;
  PreRollSummary pre_roll;
};

// Episodes in scene order. kInvalidArgument names the scene and what is wrong: no episodes, fewer
// or more fish than in the first, a death after the episode's length, a list of step-one deaths
// that does not fit the death steps, a start that is not finite.
absl::StatusOr<EvaluationSummary> SummarizeEvaluation(
    std::span<const v1::EvaluationEpisode> episodes);

// The `count` scenes with the fewest fish alive at the end, worst first; of equal ones the earlier.
std::vector<int32_t> WorstScenes(const EvaluationSummary& summary, int count);

// The fields `summary`, `death_stats`, step_one_*, episode_seeds, multi_eval_* and
// pre_roll_stats_summary of eval_multi_history.jsonl, with their names and nesting: all of a line
// that does not depend on when and for what the evaluation was made.
nlohmann::ordered_json ToJson(const EvaluationSummary& summary);

// {spawn_radius: {count, mean, std, p10, p50, p90, min, max}, spawn_angle_deg, initial_speed,
// initial_heading_deg, final_speed, final_heading_deg}
nlohmann::ordered_json ToJson(const PreRollSummary& summary);

// When and under what decisions an evaluation was made.
struct EvaluationContext {
  int64_t iteration = 0;
  absl::Time finished_at;
  double density_penalty_coef = 0;
  double escape_boost_speed = 0;
};
// An object of eval_multi_history.jsonl. `summary` is ToJson(EvaluationSummary). `gate` is the
// gate's record as an object, or null where no gate was asked; its fields are written in the file's
// order, a missing rolling_p10_median as null. The timestamp is RFC 3339 in UTC, to the
// millisecond.
nlohmann::ordered_json EvaluationHistoryLine(const EvaluationContext& context,
                                             const nlohmann::ordered_json& summary,
                                             const nlohmann::ordered_json& gate);

// "2026-03-01T12:00:00.250Z"
std::string FormatTimestamp(absl::Time time);

}  // namespace shoal
