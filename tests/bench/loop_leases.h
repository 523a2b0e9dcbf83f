// Leases through the coordinator's run loop in one thread, without gRPC: what the coordinator itself
// does for a lease, apart from what its messages cost.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace shoal {

// Seconds of all leases together.
struct LoopLeaseFigures {
  int64_t leases = 0;
  // A result parsed, checked and taken in, and the next lease made, noted and serialized. Wall time.
  double events = 0;
  // The commits of the iterations and the text files after them. Processor time.
  double commits = 0;
};

// Plays `iterations` iterations of the run in run_dir with so many simulated actors, each of which
// answers with a state of so many bytes.
absl::Status RunLoopLeases(const std::string& run_dir, int actors, int iterations, int state_bytes,
                           LoopLeaseFigures* figures);

}  // namespace shoal
