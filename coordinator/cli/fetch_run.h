// Copies a run's files from a standing coordinator.
#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "coordinator/cli/cluster_client.h"

namespace shoal {

struct FetchOptions {
  std::string name;
  // The copy is OUT/NAME.
  std::string out = "runs";
  // Called after every file with how many of how many are there.
  std::function<void(size_t, size_t)> progress;
  // Asked before every file.
  std::function<bool()> cancelled;
};

// The folder. It is filled under the name OUT/.NAME.fetching and renamed when all is there and has the
// hashes that the coordinator says: a copy that was cut short goes on where it was. AlreadyExists:
// OUT/NAME is there; Cancelled; DataLoss: a file that changed meanwhile or was damaged on the way;
// InvalidArgument: the coordinator names a file outside the folder.
absl::StatusOr<std::string> FetchRun(ClusterClient& client, const FetchOptions& options);

}  // namespace shoal
