// Peers of a coordinator without anything behind them: actors that answer each lease with a made-up
// record after a set time, and a learner that has learned as soon as it is asked to. What is left is
// what the coordinator and gRPC cost.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace shoal {

struct SimulatedActorsOptions {
  // Of the coordinator.
  std::string address;
  int actors = 1;
  // From a lease's arrival to its result: between half and one and a half of this.
  absl::Duration hold = absl::ZeroDuration();
  // Of the shard's state that a record carries.
  int state_bytes = 3500;
};

// What was seen between Begin and Take.
struct LeaseFigures {
  int64_t grants = 0;
  // Seconds from a result's sending to the arrival of the lease after it, where both are of one
  // iteration: an item was there all the time, so this is the coordinator's answer and not a wait for
  // an iteration's end.
  std::vector<double> latencies;
};

// Each has a connection of its own, and one thread sends for all what is due. Thread safe.
class SimulatedActors {
 public:
  explicit SimulatedActors(const SimulatedActorsOptions& options);
  // Leaves: the streams are cancelled.
  ~SimulatedActors();

  // Until all are welcomed. DeadlineExceeded, or why a stream ended.
  absl::Status AwaitWelcome(absl::Time deadline);
  void Begin();
  // Also why a stream ended, if one did: the figures are worth nothing then.
  absl::Status Take(LeaseFigures* figures);

 private:
  class Crowd;
  std::unique_ptr<Crowd> crowd_;
};

// A learner that is ready at once. Thread safe.
class SimulatedLearner {
 public:
  explicit SimulatedLearner(const std::string& address);
  ~SimulatedLearner();

 private:
  class Stream;
  std::unique_ptr<Stream> stream_;
};

}  // namespace shoal
