// What a run came to, from its run.db.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "coordinator/store/run_store.h"

namespace shoal {

// Its evaluations as a table, the gate's events, the best checkpoint, where the files are, and
// "policy_sha256 HEX" of the last committed version as the last line.
absl::StatusOr<std::string> RunSummary(const std::string& run_dir);

// How the run stands. NotFound: it was never started.
absl::StatusOr<RunInfo> ReadRunInfo(const std::string& run_dir);

}  // namespace shoal
