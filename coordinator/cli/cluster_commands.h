// What `shoal runs` and `shoal stop` do where --coordinator names a standing coordinator.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/cli/run_target.h"
#include "nlohmann/json.hpp"

namespace shoal {

// The line and its history as flat rows. Errors are ClusterClient's; `timeout` in seconds.
absl::StatusOr<std::vector<nlohmann::ordered_json>> ListClusterRuns(const std::string& coordinator,
                                                                    double timeout);

// Takes a waiting run out of the line, or orders the one that is on to stop; `target` has both the
// run's name and the coordinator. Returns an exit code.
int StopClusterRun(const RunTarget& target);

}  // namespace shoal
