// The run's numbers at a moment, for metrics: copies, so that they can be used without the run.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "coordinator/evaluation/measurements.h"
#include "coordinator/evaluation/summary.h"
#include "coordinator/gate/penalty_gate.h"
#include "coordinator/tail/tail_queue.h"
#include "shoal/v1/run.pb.h"

namespace shoal {

struct RunNumbers {
  v1::RunStatus status;
  // Of the last committed iteration, the last evaluation and the gate's last answer; empty until
  // there is one. Measurements and time of the commit are those since this coordinator started.
  std::optional<IterationMeasurements> iteration;
  absl::Time committed_at = absl::InfinitePast();
  std::optional<EvaluationSummary> evaluation;
  std::optional<GateRecord> gate;
  int64_t tail_length = 0;
  TailCounters tail;
  // Since this coordinator started: leases offered, and ended by outcome.
  int64_t leases_offered = 0;
  std::map<std::string, int64_t> leases_ended;
  int leases_active = 0;
  int items_available = 0;
};

}  // namespace shoal
