#include "coordinator/evaluation/statistics.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/rng.h"

namespace shoal {

std::optional<double> MeanValue(std::span<const double> samples) {
  if (samples.empty()) return std::nullopt;
  double sum = 0;
  for (const double sample : samples) sum += sample;
  return sum / static_cast<double>(samples.size());
}

double SortedPercentile(std::span<const double> ascending, double percent) {
  const double position = percent / 100 * static_cast<double>(ascending.size() - 1);
  const size_t lower = static_cast<size_t>(std::floor(position));
  const size_t upper = std::min(lower + 1, ascending.size() - 1);
  const double t = position - static_cast<double>(lower);
  const double difference = ascending[upper] - ascending[lower];
  // NumPy interpolates from the nearer end, so that both ends are met exactly.
  return t < 0.5 ? ascending[lower] + difference * t : ascending[upper] - difference * (1 - t);
}

std::optional<double> LinearPercentile(std::vector<double> samples, double percent) {
  if (samples.empty()) return std::nullopt;
  std::sort(samples.begin(), samples.end());
  return SortedPercentile(samples, percent);
}

Distribution Describe(std::span<const double> samples) {
  Distribution result;
  if (samples.empty()) return result;
  std::vector<double> ascending(samples.begin(), samples.end());
  std::sort(ascending.begin(), ascending.end());
  result.count = static_cast<int64_t>(samples.size());
  result.mean = *MeanValue(samples);
  double squares = 0;
  for (const double sample : samples) {
    squares += (sample - result.mean) * (sample - result.mean);
  }
  result.std = std::sqrt(squares / static_cast<double>(samples.size()));
  result.p10 = SortedPercentile(ascending, 10);
  result.p50 = SortedPercentile(ascending, 50);
  result.p90 = SortedPercentile(ascending, 90);
  result.min = ascending.front();
  result.max = ascending.back();
  return result;
}

absl::StatusOr<ConfidenceInterval> BootstrapMean(std::span<const double> samples,
                                                 const BootstrapOptions& options) {
  if (samples.empty()) {
    return absl::InvalidArgumentError("an interval of a mean needs at least one sample");
  }
  for (size_t i = 0; i < samples.size(); ++i) {
    if (!std::isfinite(samples[i])) {
      return absl::InvalidArgumentError(absl::StrCat("sample ", i, " is not finite"));
    }
  }
  if (options.resamples < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.resamples, " resamples; at least 1 is needed"));
  }
  if (!(options.confidence > 0 && options.confidence < 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("confidence ", options.confidence, "; it lies between 0 and 1"));
  }
  const KeyedRandom random(options.seed, RandomPurpose::kBootstrap);
  const uint64_t size = samples.size();
  std::vector<double> means(options.resamples);
  for (uint32_t resample = 0; resample < means.size(); ++resample) {
    double sum = 0;
    for (uint32_t draw = 0; draw < size; ++draw) {
      sum += samples[BoundedInt(random.Bits(resample, draw, 0, 0), size)];
    }
    means[resample] = sum / static_cast<double>(size);
  }
  std::sort(means.begin(), means.end());
  const double outside = (1 - options.confidence) / 2 * 100;
  return ConfidenceInterval{*MeanValue(samples), SortedPercentile(means, outside),
                            SortedPercentile(means, 100 - outside)};
}

absl::StatusOr<PairedComparison> ComparePaired(std::span<const double> first,
                                               std::span<const double> second,
                                               const BootstrapOptions& options) {
  if (first.size() != second.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a paired comparison needs samples of equal size, not ", first.size(), " and ",
                     second.size()));
  }
  PairedComparison result;
  std::vector<double> differences(first.size());
  for (size_t i = 0; i < first.size(); ++i) {
    differences[i] = second[i] - first[i];
    if (differences[i] > 0) {
      ++result.second_better;
    } else if (differences[i] < 0) {
      ++result.first_better;
    } else {
      ++result.equal;
    }
  }
  absl::StatusOr<ConfidenceInterval> interval = BootstrapMean(differences, options);
  if (!interval.ok()) return interval.status();
  result.difference = *interval;
  return result;
}

}  // namespace shoal
