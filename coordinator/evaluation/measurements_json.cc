#include <cmath>
#include <string_view>

#include "coordinator/evaluation/measurements.h"
#include "coordinator/evaluation/step_one.h"
#include "nlohmann/json.hpp"

namespace shoal {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kClusters = "step_one_clusters";

Json Number(int64_t value) { return value; }
Json Number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }
template <typename T>
Json Number(const std::optional<T>& value) {
  return value.has_value() ? Number(*value) : Json(nullptr);
}

void AddRollouts(const IterationMeasurements& m, Json& json) {
  json["iteration"] = m.iteration;
  json["phase"] = m.phase;
  json["num_fish"] = m.num_fish;
  json["policy_version"] = m.policy_version;
  json["episodes_ended"] = m.episodes_ended;
  json["survival_rate"] = Number(m.survival_rate);
  json["avg_reward"] = Number(m.avg_reward);
  json["episode_length"] = Number(m.episode_length);
  json["avg_num_alive"] = Number(m.avg_num_alive);
  json["final_num_alive"] = Number(m.final_num_alive);
  json["first_death_step"] = Number(m.first_death_step);
  json["first_death_p10"] = Number(m.first_death_p10);
  json["first_death_sample_size"] = m.first_death_sample_size;
  json["step_one_deaths"] = m.step_one_deaths.size();
  json[kClusters] = ToJson(SummarizeStepOne(VelocitiesOf(m.step_one_deaths)));
  json["step_one_top_share"] = Number(m.step_one_top_share);
  json["step_one_ne_high_speed_share"] = Number(m.step_one_ne_high_speed_share);
}

void AddDecisions(const IterationMeasurements& m, Json& json) {
  json["density_penalty_coef"] = Number(m.density_penalty_coef);
  json["entropy_coef"] = Number(m.entropy_coef);
  json["escape_boost_speed"] = Number(m.escape_boost_speed);
  json["gate_phase_limit"] = m.gate_phase_limit;
  json["prewarm_override_ratio"] = Number(m.prewarm_override_ratio);
  json["prewarm_override_hits"] = m.prewarm_override_hits;
  json["prewarm_override_episodes"] = m.prewarm_override_episodes;
  json["tail_stage_index"] = Number(m.tail_stage_index);
  json["tail_stage_progress"] = Number(m.tail_stage_progress);
  json["tail_queue_remaining"] = Number(m.tail_queue_remaining);
  json["tail_queue_remaining_ratio"] = Number(m.tail_queue_remaining_ratio);
  json["tail_schedule_ratio"] = Number(m.tail_schedule_ratio);
  json["tail_forced_resets"] = m.tail_forced_resets;
  json["tail_refills"] = m.tail_refills;
}

void AddUpdate(const IterationMeasurements& m, Json& json) {
  const bool has = m.update.has_value();
  const v1::UpdateStats& update = has ? *m.update : v1::UpdateStats::default_instance();
  const auto number = [has](auto value) { return has ? Number(value) : Json(nullptr); };
  json["policy_loss"] = number(update.policy_loss());
  json["value_loss"] = number(update.value_loss());
  json["entropy"] = number(update.entropy());
  json["approx_kl"] = number(update.approx_kl());
  json["clip_fraction"] = number(update.clip_fraction());
  json["explained_variance"] = number(update.explained_variance());
  json["gradient_norm"] = number(update.gradient_norm());
  json["learning_rate"] = Number(m.learning_rate);
  json["minibatches"] = number(update.minibatches());
  json["skipped_minibatches"] = number(update.skipped_minibatches());
  json["policy_lag"] = m.policy_lag;
}

void AddVolume(const IterationMeasurements& m, Json& json) {
  const AdvantageMoments moments = MomentsOfAdvantages(m);
  json["rows"] = m.rows;
  json["unfiltered_rows"] = m.unfiltered_rows;
  json["advantage_mean"] = Number(moments.mean);
  json["advantage_std"] = Number(moments.std);
  json["environment_steps"] = m.environment_steps;
  json["fish_steps"] = m.fish_steps;
  json["rows_per_second"] = Number(m.rows_per_second);
  json["rollout_seconds"] = Number(m.rollout_seconds);
  json["update_seconds"] = Number(m.update_seconds);
  json["evaluation_seconds"] = Number(m.evaluation_seconds);
  json["waiting_seconds"] = Number(m.waiting_seconds);
}

}  // namespace

nlohmann::ordered_json ToJson(const IterationMeasurements& measurements) {
  Json json = Json::object();
  AddRollouts(measurements, json);
  AddDecisions(measurements, json);
  AddUpdate(measurements, json);
  AddVolume(measurements, json);
  return json;
}

const std::vector<std::string>& MeasurementNames() {
  static const std::vector<std::string>* const names = [] {
    auto* result = new std::vector<std::string>;
    const Json json = ToJson(IterationMeasurements());
    for (const auto& entry : json.items()) {
      if (entry.key() != kClusters) result->push_back(entry.key());
    }
    return result;
  }();
  return *names;
}

bool IsTimeMeasurement(std::string_view name) {
  return name.ends_with("_seconds") || name.ends_with("_per_second");
}

}  // namespace shoal
