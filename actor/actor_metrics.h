// What an actor counts while it works, and the metrics made of it. Thread safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "common/metrics/instruments.h"
#include "common/metrics/metrics.h"

namespace shoal {

struct ActorStats {
  std::atomic<int64_t> rollouts = 0;
  std::atomic<int64_t> evaluations = 0;
  std::atomic<int64_t> failures = 0;
  std::atomic<int64_t> dropped = 0;  // With their stream.
  std::atomic<int64_t> rows_sent = 0;
  std::atomic<int64_t> bytes_sent = 0;
  std::atomic<int64_t> pushes_open = 0;
  std::atomic<int64_t> environment_steps = 0;
  std::atomic<int64_t> policy_version = 0;  // Of the last rollout begun.
  std::atomic<double> last_result_time = 0;  // Seconds since the epoch; 0: none yet.
  std::atomic<bool> connected = false;       // Welcomed by a coordinator and not lost since.
  std::atomic<int64_t> waiting = 0;          // Leases.

  SecondsHistogram fetch;     // The policy, from the learner or from memory.
  SecondsHistogram rollout;   // Computing.
  SecondsHistogram evaluate;  // Computing.
  SecondsHistogram push;      // Rows to the learner.
  SecondsHistogram wait;      // For a lease.
};

// All that FillActorMetrics gives.
std::span<const MetricSpec> ActorMetrics();

// lease_capacity: most leases that may wait.
void FillActorMetrics(const ActorStats& stats, int64_t lease_capacity, MetricValues& values);

}  // namespace shoal
