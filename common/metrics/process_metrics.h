// The values of ProcessMetrics(), from /proc. Thread safe.
#pragma once

#include "common/metrics/metrics.h"

namespace shoal {

// What cannot be read is left out.
void FillProcessMetrics(MetricValues& values);

}  // namespace shoal
