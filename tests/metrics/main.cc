// Prints docs/METRICS.md.
#include <cstdio>

#include "tests/metrics/metrics_page.h"

int main() { std::fputs(shoal::MetricsPage().c_str(), stdout); }
