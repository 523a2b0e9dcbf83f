// Single lines of the views. Private to this folder; pure and thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "coordinator/artifacts/worst_seeds.h"
#include "coordinator/evaluation/measurements.h"
#include "coordinator/store/run_store.h"
#include "nlohmann/json.hpp"
#include "shoal/v1/config.pb.h"
#include "shoal/v1/items.pb.h"

namespace shoal {

// Header and row of metrics.csv, with their line ends. What was not measured is an empty cell.
std::string CsvHeader();
std::string CsvRow(const nlohmann::ordered_json& measurements);

// {iteration, phase, gate_phase_limit, effective_phase, density_penalty_coef,
// density_penalty_locked, density_penalty_lock_until, density_penalty_lock_value,
// escape_boost_speed, entropy_coef, first_death_p10, gate_iteration, gate_event, gate_stage,
// gate_freeze_until}. Phases count from 1, the gate's phase limit from 0; the effective phase is
// the one whose target holds. gate_* are of the last answer that the iteration's plan knew of, null
// before the first (`gate` is null then).
nlohmann::ordered_json PenaltyStageLine(const nlohmann::ordered_json& measurements,
                                        const nlohmann::ordered_json& gate,
                                        const v1::RunOptions& options);

// {iteration, evaluation, kind, episodes, pre_roll_stats_summary}
nlohmann::ordered_json PreRollLine(const EvaluationRow& evaluation,
                                   const nlohmann::ordered_json& summary);

// {source: "training", iteration, total, angle_bin_deg, speed_bin, clusters: [{..., sample}]}
nlohmann::ordered_json TrainingClusterLine(int64_t iteration,
                                           const std::vector<TrainingDeath>& deaths);
// The same with source "evaluation", and evaluation and kind after the iteration.
nlohmann::ordered_json EvaluationClusterLine(const EvaluationRow& evaluation,
                                             const std::vector<EvaluatedScene>& scenes);

// The step-one deaths of one more record, in its order, after those that are there.
void AddTrainingDeaths(const v1::RolloutRecord& record, std::vector<TrainingDeath>* deaths);

}  // namespace shoal
