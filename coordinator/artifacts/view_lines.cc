#include "coordinator/artifacts/view_lines.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "coordinator/evaluation/step_one.h"

namespace shoal {
namespace {

using Json = nlohmann::ordered_json;

}  // namespace

std::string CsvHeader() { return absl::StrCat(absl::StrJoin(MeasurementNames(), ","), "\n"); }

std::string CsvRow(const Json& measurements) {
  std::string row;
  const char* separator = "";
  for (const std::string& name : MeasurementNames()) {
    const Json value = measurements.value(name, Json(nullptr));
    absl::StrAppend(&row, separator, value.is_null() ? "" : value.dump());
    separator = ",";
  }
  return row + "\n";
}

Json PenaltyStageLine(const Json& measurements, const Json& gate, const v1::RunOptions& options) {
  const auto measured = [&](const char* name) { return measurements.value(name, Json(nullptr)); };
  const auto of_gate = [&](const char* name) {
    return gate.is_object() ? gate.value(name, Json(nullptr)) : Json(nullptr);
  };
  const int64_t iteration = measurements.value("iteration", int64_t{0});
  const int64_t phase = measurements.value("phase", int64_t{0});
  const int64_t limit = measurements.value("gate_phase_limit", int64_t{0});
  return {{"iteration", iteration},
          {"phase", phase},
          {"gate_phase_limit", limit},
          {"effective_phase", std::min(phase, limit + 1)},
          {"density_penalty_coef", measured("density_penalty_coef")},
          {"density_penalty_locked", iteration <= options.density_penalty_lock_until()},
          {"density_penalty_lock_until", options.density_penalty_lock_until()},
          {"density_penalty_lock_value", options.density_penalty_lock_value()},
          {"escape_boost_speed", measured("escape_boost_speed")},
          {"entropy_coef", measured("entropy_coef")},
          {"first_death_p10", measured("first_death_p10")},
          {"gate_iteration", of_gate("iteration")},
          {"gate_event", of_gate("event")},
          {"gate_stage", of_gate("stage")},
          {"gate_freeze_until", of_gate("freeze_until")}};
}

Json PreRollLine(const EvaluationRow& evaluation, const Json& summary) {
  return {{"iteration", evaluation.iteration},
          {"evaluation", evaluation.id},
          {"kind", evaluation.kind},
          {"episodes", summary.value("multi_eval_episodes", Json(nullptr))},
          {"pre_roll_stats_summary", summary.value("pre_roll_stats_summary", Json(nullptr))}};
}

Json TrainingClusterLine(int64_t iteration, const std::vector<TrainingDeath>& deaths) {
  std::vector<Json> samples;
  for (const TrainingDeath& death : deaths) samples.push_back(SampleOf(iteration, death));
  Json line = {{"source", "training"}, {"iteration", iteration}};
  line.update(ClustersWithSamples(VelocitiesOf(deaths), samples));
  return line;
}

Json EvaluationClusterLine(const EvaluationRow& evaluation,
                           const std::vector<EvaluatedScene>& scenes) {
  std::vector<v1::StepOneDeath> deaths;
  std::vector<Json> samples;
  for (const EvaluatedScene& scene : scenes) {
    for (const v1::StepOneDeath& death : scene.episode.step_one_deaths()) {
      deaths.push_back(death);
      samples.push_back(SampleOf(scene, death));
    }
  }
  Json line = {{"source", "evaluation"},
               {"iteration", evaluation.iteration},
               {"evaluation", evaluation.id},
               {"kind", evaluation.kind}};
  line.update(ClustersWithSamples(VelocitiesOf(deaths), samples));
  return line;
}

void AddTrainingDeaths(const v1::RolloutRecord& record, std::vector<TrainingDeath>* deaths) {
  for (const v1::EpisodeRecord& episode : record.episodes()) {
    for (const v1::StepOneDeath& death : episode.step_one_deaths()) {
      deaths->push_back({episode.environment(), episode.episode(), death});
    }
  }
}

}  // namespace shoal
