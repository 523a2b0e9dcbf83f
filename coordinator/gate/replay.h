// A recorded history of evaluations, run through a gate with any options.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/gate/penalty_gate.h"
#include "nlohmann/json_fwd.hpp"
#include "shoal/v1/config.pb.h"

namespace shoal {

// A record as files have it: {"iteration", "event", "stage", "phase_limit", "success_streak",
// "freeze_until", "failure_detected", "failure_streak", "rolling_p10_median" (where it exists),
// "step_one_death_ratio", "relaxed" (where it is true)}, in this order.
nlohmann::ordered_json GateRecordJson(const GateRecord& record);

// One evaluation a line, as eval_multi_history.jsonl has them; blank lines are skipped. Read are
// iteration, summary.min_final_survival_rate, death_stats.p10,
// death_stats.early_death_fraction_100, step_one_death_count, step_one_death_ratio (where it is
// missing: the count / (multi_eval_num_fish * multi_eval_episodes)) and, where it is there,
// step_one_avoidable_ratio, which must be there if the options judge by it. Iterations must
// increase. InvalidArgument names the line and the field.
absl::StatusOr<std::vector<GateInput>> ReadGateHistory(std::string_view jsonl,
                                                       const v1::RunOptions& options);

// The gate's records of a history, one GateRecordJson() a line.
absl::StatusOr<std::string> ReplayHistory(std::string_view jsonl, const v1::RunOptions& options);

}  // namespace shoal
