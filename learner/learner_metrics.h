// The metrics of a learner.
#pragma once

#include <span>

#include "common/metrics/metrics.h"
#include "learner/learner_stats.h"

namespace shoal {

// What is not counted but looked at: queues.
struct LearnerQueues {
  int64_t tasks = 0;
  int64_t tasks_capacity = 0;
  int64_t rows = 0;
  int64_t rows_capacity = 0;  // 0: no run, so none are accepted.
  int64_t streams_capacity = 0;
  double busy_seconds = 0;  // That the task in work has taken; 0: none is.
};

// All that FillLearnerMetrics gives.
std::span<const MetricSpec> LearnerMetrics();

void FillLearnerMetrics(const LearnerStats& stats, const LearnerQueues& queues,
                        MetricValues& values);

}  // namespace shoal
