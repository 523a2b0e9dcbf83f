// Runs of a few seconds with everything in them, and what undisturbed ones come to.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "shoal/v1/config.pb.h"
#include "tests/network/lab_run.h"

namespace shoal {

struct SmallRun {
  // "FISH:ITERATIONS,..." of the phases.
  std::string curriculum = "9:4,12:4";
  int n_steps = 24;
};

// A folder for the runs of one test program, and the undisturbed runs that others are compared with.
// Not thread safe.
class SmallRuns {
 public:
  SmallRuns();
  ~SmallRuns();

  // Makes the folder of a run that nobody works on yet; returns it.
  absl::StatusOr<std::string> Prepare(const std::string& name, const SmallRun& run);
  // The record of an undisturbed run of these options: by `shoal train`, once.
  absl::StatusOr<RunRecord> Reference(const SmallRun& run);

 private:
  std::filesystem::path folder_;
  std::map<std::string, RunRecord> references_;
};

}  // namespace shoal
