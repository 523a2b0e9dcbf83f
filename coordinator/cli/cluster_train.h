// shoal train --coordinator: a run of a standing cluster.
#pragma once

#include <atomic>
#include <string>

#include "coordinator/cli/prepare_run.h"

namespace shoal {

struct ClusterTrainOptions {
  std::string coordinator;
  // Of one answer, seconds.
  double timeout = 10;
  // Return once the run is in line.
  bool detach = false;
  // Go on with this run instead of sending one; follow it where it is in line or on already.
  std::string resume;
};

// Sends the run and follows it to its end. `interrupts` counts Ctrl-C: with the first it leaves the run
// going and returns. Returns an exit code, the same as for a run of this machine.
int TrainOnCluster(const RunRequest& request, const ClusterTrainOptions& options,
                   const std::atomic<int>& interrupts);

}  // namespace shoal
