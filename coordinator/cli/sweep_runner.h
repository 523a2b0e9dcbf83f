// Runs the runs of a sweep: each a `shoal train` of its own, so many at a time.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "coordinator/sweep/plan.h"

namespace shoal {

struct SweepRunnerOptions {
  // Folder of the sweep's runs, with what they say in OUT/logs.
  std::string out;
  int jobs = 1;
  // The program; `train` and the run's arguments follow.
  std::string shoal;
  // How often an end was asked for: once, and running runs are stopped so that they can go on; twice,
  // at once.
  std::function<int()> interrupts;
  // A line for people.
  std::function<void(const std::string&)> say;
};

// Makes OUT, or goes on with it: OUT/sweep.json keeps what each run was asked for. FailedPrecondition:
// a run of OUT was made with other options (with the name and both); DataLoss: sweep.json cannot be
// read.
absl::Status OpenSweep(const std::string& out, const std::vector<SweepRun>& runs);

// Trains what is not done yet, from the thread that calls, and waits for it. Of each run in order: ""
// where it is done, else why not. Cancelled: interrupted, when nothing runs any more.
absl::StatusOr<std::vector<std::string>> TrainSweep(const SweepRunnerOptions& options,
                                                    const std::vector<SweepRun>& runs);

}  // namespace shoal
