// Small statistics of samples: means, percentiles, bootstrap intervals.
//
// Sums run in the order of the samples, in double, so that equal samples in equal order give equal
// bits. Every function is pure and thread-safe. Samples are finite numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"

namespace shoal {

// Arithmetic mean; none for no samples.
std::optional<double> MeanValue(std::span<const double> samples);

// Percentile `percent` (0..100) of samples in ascending order, by linear interpolation between the
// two nearest: numpy.percentile's default, to the last bit. At least one sample.
double SortedPercentile(std::span<const double> ascending, double percent);

// The same of samples in any order; none for no samples.
std::optional<double> LinearPercentile(std::vector<double> samples, double percent);

// A sample in eight numbers. `std` is the population standard deviation. All 0 where count is 0.
struct Distribution {
  int64_t count = 0;
  double mean = 0;
  double std = 0;
  double p10 = 0;
  double p50 = 0;
  double p90 = 0;
  double min = 0;
  double max = 0;
};
Distribution Describe(std::span<const double> samples);

// A mean with the interval that holds it with the given confidence.
struct ConfidenceInterval {
  double mean = 0;
  double low = 0;
  double high = 0;
};

struct BootstrapOptions {
  int resamples = 10000;     // at least 1
  double confidence = 0.95;  // between 0 and 1
  uint64_t seed = 0;
};

// Percentile bootstrap of the mean (Efron 1979): means of `resamples` samples of the same size
// drawn with replacement; the interval runs between the percentiles that leave (1 - confidence) / 2
// out on either side. Draw d of resample r is keyed by (seed, kBootstrap, r, d, 0, 0), so the
// answer depends on the arguments alone. kInvalidArgument: no samples, one that is not finite, or
// options out of range.
absl::StatusOr<ConfidenceInterval> BootstrapMean(std::span<const double> samples,
                                                 const BootstrapOptions& options);

// Two policies on the same scenes: what the second has more than the first.
struct PairedComparison {
  // Of second[i] - first[i].
  ConfidenceInterval difference;
  int64_t second_better = 0;
  int64_t equal = 0;
  int64_t first_better = 0;
};
// kInvalidArgument: unequal sizes, or as BootstrapMean.
absl::StatusOr<PairedComparison> ComparePaired(std::span<const double> first,
                                               std::span<const double> second,
                                               const BootstrapOptions& options);

}  // namespace shoal
