// The metrics of a coordinator.
#pragma once

#include <span>

#include "common/metrics/metrics.h"
#include "coordinator/run/run_numbers.h"

namespace shoal {

// All that FillRunMetrics gives.
std::span<const MetricSpec> RunMetrics();

// What was not measured (yet) is left out. Thread safe.
void FillRunMetrics(const RunNumbers& numbers, MetricValues& values);

}  // namespace shoal
