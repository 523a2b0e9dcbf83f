// A standing coordinator: serves a line of runs until it is told to end.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/metrics/metrics.h"
#include "common/rpc.h"
#include "common/shutdown.h"
#include "coordinator/run/run_loop.h"

namespace shoal {

struct ServeRunsOptions {
  // Folder of all runs and of queue.db.
  std::string runs;
  // A run whose folder is there, to be in line from the start; "": none. QueueKeeper::Adopt.
  std::string begin_with;
  // Of every run; run_dir and come_again are set here.
  RunLoopOptions run;
  ServerOptions server;
  MetricsOptions metrics;
  // When peers ask again for a run.
  absl::Duration come_again = absl::Milliseconds(500);
};

// Prints where it listens. After a signal the run that is on is stopped after its next commit, and goes
// on when a coordinator is started for the folder again; OK then. Call it from main's thread. Errors:
// the folder belongs to another, an address that cannot be listened at, queue.db.
absl::Status ServeRuns(const ServeRunsOptions& options, const ShutdownSignal& signal);

}  // namespace shoal
