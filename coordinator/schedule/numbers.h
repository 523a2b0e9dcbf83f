// Comparisons and the median, as every schedule and the gate use them.
#pragma once

#include <algorithm>
#include <vector>

namespace shoal {

// Thresholds compare with this tolerance, so that 0.05 reached by a ramp is the 0.05 of an option.
inline constexpr double kThresholdTolerance = 1e-9;

inline bool AtMost(double value, double limit) { return value <= limit + kThresholdTolerance; }
inline bool AtLeast(double value, double limit) { return value >= limit - kThresholdTolerance; }
inline bool Below(double value, double limit) { return value < limit - kThresholdTolerance; }
inline bool Above(double value, double limit) { return value > limit + kThresholdTolerance; }

// The middle value, or the mean of the two middle ones. `values` must not be empty.
inline double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  if (values.size() % 2 == 1) return values[half];
  return (values[half - 1] + values[half]) / 2;
}

}  // namespace shoal
