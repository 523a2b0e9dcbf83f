// One run of the small configuration, disturbed or not, to its end.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/faults/cluster.h"
#include "tests/faults/fault.h"

namespace shoal {

struct FaultRunOptions {
  // Of shoal-coordinator, shoal-learner, shoal-actor.
  std::string programs;
  // The fault-injecting file layer, for LD_PRELOAD.
  std::string file_layer;
  int policy_lag = 0;
  // Faults at most; 0: an undisturbed run.
  int faults = 0;
  // Of the sequence's faults only those of these kinds; empty: all.
  std::set<FaultKind> only;
  // A run that is not done by then hangs.
  absl::Duration limit = absl::Seconds(180);
};

struct FaultTally {
  // By kind: those that came about, and those that found nothing to hit.
  std::map<FaultKind, int> injected, missed;
  int restarts = 0;
  // From a fault to the next commit, seconds, one for each time the run went on.
  std::vector<double> recovery_seconds;
  int total() const;
  std::set<FaultKind> never_injected() const;
  void Add(const FaultTally& other);
};

// Makes run_dir with the configuration, and trains in it, disturbed by what comes next in `sequence`,
// which is then as far as the run came. What has happened is in `tally` and, in words, in `story`, also
// where the run fails. FailedPrecondition: a program ended by itself with an error, or does not load the
// file layer.
absl::Status RunWithFaults(const std::string& run_dir, const FaultRunOptions& options,
                           FaultSequence& sequence, FaultTally& tally,
                           std::vector<std::string>& story);

}  // namespace shoal
