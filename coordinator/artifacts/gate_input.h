// What an evaluation says to the penalty gate.
#pragma once

#include <cstdint>

#include "coordinator/evaluation/summary.h"
#include "coordinator/gate/penalty_gate.h"

namespace shoal {

inline GateInput GateInputOf(int64_t iteration, const EvaluationSummary& summary) {
  GateInput input;
  input.iteration = iteration;
  input.p10 = summary.p10;
  input.min_final = summary.min_final_survival_rate;
  input.early_death_100 = summary.early_death_fraction_100;
  input.step_one_count = summary.step_one_death_count;
  input.step_one_ratio = summary.step_one_death_ratio;
  input.avoidable_ratio = summary.step_one_avoidable_ratio;
  return input;
}

}  // namespace shoal
