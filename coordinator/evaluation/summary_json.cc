#include <string>
#include <utility>

#include "coordinator/evaluation/step_one.h"
#include "coordinator/evaluation/summary.h"
#include "nlohmann/json.hpp"

namespace shoal {
namespace {

using Json = nlohmann::ordered_json;

Json DistributionJson(const Distribution& d) {
  return {{"count", d.count}, {"mean", d.mean}, {"std", d.std}, {"p10", d.p10},
          {"p50", d.p50},     {"p90", d.p90},   {"min", d.min}, {"max", d.max}};
}

// The gate's record with the fields of the file, in the file's order.
Json GateJson(const Json& gate) {
  if (!gate.is_object()) return nullptr;
  Json json = Json::object();
  for (const char* name :
       {"event", "stage", "phase_limit", "success_streak", "freeze_until", "failure_detected",
        "failure_streak", "rolling_p10_median", "step_one_death_ratio"}) {
    json[name] = gate.value(name, Json(nullptr));
  }
  if (gate.contains("relaxed")) json["relaxed"] = gate["relaxed"];
  return json;
}

}  // namespace

nlohmann::ordered_json ToJson(const PreRollSummary& summary) {
  return {{"spawn_radius", DistributionJson(summary.spawn_radius)},
          {"spawn_angle_deg", DistributionJson(summary.spawn_angle_deg)},
          {"initial_speed", DistributionJson(summary.initial_speed)},
          {"initial_heading_deg", DistributionJson(summary.initial_heading_deg)},
          {"final_speed", DistributionJson(summary.final_speed)},
          {"final_heading_deg", DistributionJson(summary.final_heading_deg)}};
}

nlohmann::ordered_json ToJson(const EvaluationSummary& summary) {
  Json deaths = Json::array();
  for (const v1::StepOneDeath& death : summary.step_one_deaths) deaths.push_back(ToJson(death));
  return {{"summary",
           {{"episodes", summary.episodes},
            {"avg_final_survival_rate", summary.avg_final_survival_rate},
            {"min_final_survival_rate", summary.min_final_survival_rate},
            {"avg_min_survival_rate", summary.avg_min_survival_rate},
            {"min_of_min_survival_rate", summary.min_of_min_survival_rate},
            {"median_min_survival_rate", summary.median_min_survival_rate}}},
          {"death_stats",
           {{"total_fish_samples", summary.total_fish_samples},
            {"survival_fraction", summary.survival_fraction},
            {"mean_death_step", summary.mean_death_step},
            {"median_death_step", summary.median_death_step},
            {"p10", summary.p10},
            {"p25", summary.p25},
            {"p75", summary.p75},
            {"p90", summary.p90},
            {"early_death_fraction_100", summary.early_death_fraction_100},
            {"early_death_fraction_150", summary.early_death_fraction_150}}},
          {"step_one_death_count", summary.step_one_death_count},
          {"step_one_death_ratio", summary.step_one_death_ratio},
          {"step_one_unavoidable_count", summary.step_one_unavoidable_count},
          {"step_one_avoidable_ratio", summary.step_one_avoidable_ratio},
          {"step_one_ne_high_speed_share", summary.step_one_ne_high_speed_share.has_value()
                                               ? Json(*summary.step_one_ne_high_speed_share)
                                               : Json(nullptr)},
          {"episode_seeds", summary.episode_seeds},
          {"multi_eval_num_fish", summary.num_fish},
          {"multi_eval_episodes", summary.episodes},
          {"step_one_deaths", std::move(deaths)},
          {"step_one_clusters", ToJson(SummarizeStepOne(VelocitiesOf(summary.step_one_deaths)))},
          {"pre_roll_stats_summary", ToJson(summary.pre_roll)}};
}

nlohmann::ordered_json EvaluationHistoryLine(const EvaluationContext& context,
                                             const nlohmann::ordered_json& summary,
                                             const nlohmann::ordered_json& gate) {
  Json line = Json::object();
  line["iteration"] = context.iteration;
  line["timestamp"] = FormatTimestamp(context.finished_at);
  for (const auto& [name, value] : summary.items()) {
    // The two decisions stand between the statistics and the step-one fields.
    if (name == "step_one_death_count") {
      line["density_penalty_coef"] = context.density_penalty_coef;
      line["escape_boost_speed"] = context.escape_boost_speed;
    }
    line[name] = value;
  }
  line["penalty_gate"] = GateJson(gate);
  return line;
}

std::string FormatTimestamp(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

}  // namespace shoal
