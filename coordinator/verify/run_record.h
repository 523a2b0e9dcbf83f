// Everything of a run that must not depend on who computed it, when, or on what crashed meanwhile:
// two runs of the same options, build and kind of learner CPU must have equal records.
//
// In it: plans, policies, measurements, planner states, shard records and states, tail pointers,
// evaluations with scenes and gate events, the last and the best checkpoint (each by its manifest, where
// its files are what that says and the last one's policy is the committed one), and the content of the
// text files; not in it: the run's
// name and id, times (IsTimeMeasurement and timestamps), leases, workers, logs, the order in which
// evaluations ended beside training.
//
// Reads only; also while the run is on. Thread-safe.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace shoal {

// What is compared: names ("iteration 12, shard 3", "metrics.csv, line 5") and values, each value as
// it is or, where it is long, by its XXH3-128. What a thing follows from stands before it, so that the
// first difference between two runs is where they parted.
using RunRecord = std::vector<std::pair<std::string, std::string>>;

// NotFound: no run there. DataLoss: run.db is damaged (RunStore::CheckContent), or a text file holds
// what cannot be read.
absl::StatusOr<RunRecord> ReadRunRecord(const std::string& run_dir);

// One line for each name in which they differ, in order, at most `limit` and then one that counts the
// rest; empty: they are equal.
std::vector<std::string> Differences(const RunRecord& first, const RunRecord& second,
                                     size_t limit = 20);

}  // namespace shoal
