// What `shoal runs` and `shoal cancel` do where --coordinator names a standing coordinator.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace shoal {

// The line and its history as flat rows. Errors are ClusterClient's; `timeout` in seconds.
absl::StatusOr<std::vector<nlohmann::ordered_json>> ListClusterRuns(const std::string& coordinator,
                                                                    double timeout);

// Takes a waiting run out of the line, or orders the one that is on to stop. Returns an exit code.
int StopClusterRun(const std::string& coordinator, const std::string& run, double timeout);

}  // namespace shoal
