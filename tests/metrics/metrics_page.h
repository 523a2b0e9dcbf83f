// docs/METRICS.md as the tables in the code have it.
#pragma once

#include <string>

namespace shoal {
std::string MetricsPage();
}  // namespace shoal
