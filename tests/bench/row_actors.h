// Simulated actors that wait where real ones compute and then push made-up rows, as large as real ones,
// to the learner: what a cluster's actors are to coordinator and learner, without their cores.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace shoal {

struct RowActorsOptions {
  // Of the coordinator.
  std::string address;
  int actors = 1;
  // From a lease to its rows: between half and one and a half of this.
  absl::Duration hold = absl::Milliseconds(40);
  // Of the run's shards.
  int obs_dim = 11;
  int n_steps = 128;
  // Rows a step of each environment.
  int fish = 4;
};

// Each has a thread and its own connections. To be dismissed is a failure: the run has no end.
class RowActors {
 public:
  explicit RowActors(const RowActorsOptions& options);
  ~RowActors();

  int64_t items_done() const { return items_; }
  // Of the first that has failed.
  absl::Status status() const;

 private:
  void Work(int number);
  absl::Status TryWork(int number);

  const RowActorsOptions options_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int64_t> items_ = 0;
  mutable absl::Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace shoal
