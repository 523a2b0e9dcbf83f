// From what the user gave to a run's folder.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "shoal/v1/config.pb.h"

namespace shoal {

struct RunRequest {
  // "": none.
  std::string preset;
  std::string config_file;
  // What the command line set.
  v1::RunOptions command_line;
  // Folder of all runs.
  std::string out = "runs";
};

// The options of a request before they are resolved: preset, then file, then command line, the later
// winning. Paths of tail files in the configuration file are taken from its folder.
absl::StatusOr<v1::RunOptions> CombineOptions(const RunRequest& request);

// Resolves and checks everything, then makes OUT/RUN_NAME with config.textproto and copies of the
// tail files (a preset's are made), in one step: it is there whole or not at all. Returns the folder.
// AlreadyExists: there is a run of that name.
absl::StatusOr<std::string> PrepareRun(const RunRequest& request);

// The folder of an existing run, named by its name under `out` or by its path. NotFound: there is
// none.
absl::StatusOr<std::string> FindRun(const std::string& out, const std::string& run);

}  // namespace shoal
