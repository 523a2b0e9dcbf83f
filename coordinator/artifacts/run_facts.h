// What run.db knows of a run, in the form that its report and its diagnosis are made from.
//
// Reads only, also while the run is on. Thread-safe for stores of different threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/evaluation/summary.h"
#include "coordinator/gate/penalty_gate.h"
#include "coordinator/store/run_store.h"
#include "coordinator/tail/stages.h"
#include "nlohmann/json.hpp"
#include "shoal/v1/config.pb.h"

namespace shoal {

struct EvaluationFacts {
  std::string kind;
  int64_t iteration = 0;
  EvaluationSummary summary;
  // Of every fish, scene by scene; 0: alive at the end.
  std::vector<uint32_t> death_steps{};
  // Of "multi" evaluations: the gate's answer with every criterion. Else nothing.
  std::optional<GateRecord> gate;
};

struct RunFacts {
  RunInfo info;
  v1::RunOptions options;
  // One object of measurements (IterationMeasurements as JSON) for each committed iteration, from 1.
  std::vector<nlohmann::ordered_json> iterations;
  // In the order in which they finished.
  std::vector<EvaluationFacts> evaluations;
  // As the options name them; empty without a tail queue.
  std::vector<TailStageSpec> tail_stages;
  // Where each environment stands in its own slots; loops and refills lead back.
  std::vector<int64_t> tail_used;
};

// The judgements of the "multi" evaluations, by a gate of the run's options. InvalidArgument: the
// options are none of a gate, or an evaluation is not finite.
absl::Status JudgeEvaluations(const v1::RunOptions& options, std::vector<EvaluationFacts>& evaluations);

// DataLoss: something in run.db cannot be read; other errors are the store's.
absl::StatusOr<RunFacts> ReadRunFacts(const RunStore& store);

}  // namespace shoal
