// The parts of a RunStatus that are made alike for a running run and from the run.db of one that is
// not: the gate, the tail queue, the latest iterations, the alerts.
//
// Pure and thread safe, but for RecentRun (one thread at a time).
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "coordinator/gate/penalty_gate.h"
#include "coordinator/run/alerts.h"
#include "coordinator/tail/tail_queue.h"
#include "nlohmann/json_fwd.hpp"
#include "shoal/v1/config.pb.h"
#include "shoal/v1/run.pb.h"

namespace shoal {

// What of a committed iteration is shown in the course of several. Shares in 0..1; empty where
// nothing was there to be measured.
struct IterationPoint {
  int64_t iteration = 0;
  absl::Time committed_at;
  std::optional<double> survival;
  std::optional<double> ne_share;
  // Since the coordinator that shows it started.
  bool live = false;
};

// From an iteration's measurements as JSON; what is missing stays empty.
IterationPoint PointOf(const nlohmann::ordered_json& measurements, absl::Time committed_at);

// The latest iterations and leases, a bounded number of them.
class RecentRun {
 public:
  static constexpr size_t kIterations = 30;

  // In order of iteration; one that does not follow the last begins anew (the run went back).
  void Add(const IterationPoint& point);
  // Leases offered and lost since the coordinator started; kept for five minutes.
  void NoteLeases(absl::Time now, int64_t offered, int64_t lost);

  // ne_shares and iterations_per_minute.
  void Fill(v1::RunStatus& status) const;
  // survival, survival_peak and the leases' figures.
  void Fill(AlertInput& input, absl::Time now) const;

 private:
  struct Leases {
    absl::Time at;
    int64_t offered;
    int64_t lost;
  };
  std::deque<IterationPoint> points_;
  std::deque<Leases> leases_;
};

// The gate's options and, where there is one, its last record.
v1::GateStatus GateStatusOf(const v1::RunOptions& options, const std::optional<GateRecord>& record);

// `used`: own slots used, one entry an environment; stages: of the queue.
v1::TailStatus TailStatusOf(const TailCounters& counters, const std::vector<int64_t>& used,
                            int64_t length, int64_t stages);

void AddAlerts(const AlertInput& input, v1::RunStatus& status);

}  // namespace shoal
