// The scenes of an evaluation as run.db keeps them. Errors are the store's; kDataLoss: a record is no
// EvaluationEpisode (the message names file, evaluation and scene). Thread-safe for stores of
// different threads.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/store/run_store.h"
#include "shoal/v1/items.pb.h"

namespace shoal {

// The episode of one saved scene of `evaluation`.
absl::StatusOr<v1::EvaluationEpisode> ParseScene(const RunStore& store, int64_t evaluation,
                                                 const EvaluationScene& scene);

// Those of all saved scenes, in scene order; of a finished evaluation, that is every scene from 0.
absl::StatusOr<std::vector<v1::EvaluationEpisode>> LoadEpisodes(const RunStore& store,
                                                                int64_t evaluation);

}  // namespace shoal
