// report.html of a run.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace shoal {

// Reads RUN_DIR/run.db, also while the run is on, and replaces the file `out` ("": RUN_DIR/report.html)
// by its report. Returns the file's path. Errors are those of the store and of the file.
absl::StatusOr<std::string> WriteReport(const std::string& run_dir, const std::string& out = "");

}  // namespace shoal
