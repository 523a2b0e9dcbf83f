// The values of ProcessMetrics(), from /proc, malloc and the counts of calls. Thread safe.
#pragma once

#include "common/metrics/metrics.h"

namespace shoal {

// Bytes that malloc has given out and not got back, in all of its arenas. What threads keep in their
// caches counts as given out. Takes each arena's lock for a moment.
double HeapBytes();

// What cannot be read is left out.
void FillProcessMetrics(MetricValues& values);

}  // namespace shoal
