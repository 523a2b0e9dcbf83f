#include "coordinator/evaluation/statistics.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal {
namespace {

TEST(MeanValueTest, IsNoneForNothing) {
  EXPECT_FALSE(MeanValue({}).has_value());
  EXPECT_EQ(MeanValue(std::vector<double>{1, 2, 6}), 3);
}

// Expected values are those of numpy.percentile.
TEST(LinearPercentileTest, AgreesWithNumPy) {
  const std::vector<double> samples = {15, 20, 35, 40, 50};
  EXPECT_EQ(LinearPercentile(samples, 0), 15);
  EXPECT_DOUBLE_EQ(*LinearPercentile(samples, 10), 17);
  EXPECT_DOUBLE_EQ(*LinearPercentile(samples, 40), 29);
  EXPECT_EQ(LinearPercentile(samples, 50), 35);
  EXPECT_DOUBLE_EQ(*LinearPercentile(samples, 90), 46);
  EXPECT_EQ(LinearPercentile(samples, 100), 50);
}

// numpy.percentile of NumPy 2.4 and of every version since 1.22, as it prints them.
TEST(LinearPercentileTest, AgreesWithNumPyToTheLastBit) {
  std::vector<double> samples;
  for (const int n : {336, 403, 12, 404, 235, 258, 316, 143, 490, 27,  139, 192,
                      286, 205, 66, 23,  1,   25,  75,  500, 96,  327, 376}) {
    samples.push_back(n / 7.0);
  }
  EXPECT_EQ(LinearPercentile(samples, 2.5), 1.0071428571428571);
  EXPECT_EQ(LinearPercentile(samples, 10), 3.342857142857143);
  EXPECT_EQ(LinearPercentile(samples, 25), 10.071428571428571);
  EXPECT_EQ(LinearPercentile(samples, 50), 29.285714285714285);
  EXPECT_EQ(LinearPercentile(samples, 75), 47.35714285714286);
  EXPECT_EQ(LinearPercentile(samples, 90), 57.68571428571428);
  EXPECT_EQ(LinearPercentile(samples, 97.5), 70.64285714285714);
  EXPECT_EQ(LinearPercentile({0.7, 0.1, 0.2}, 10), 0.12000000000000001);
  EXPECT_EQ(LinearPercentile({0.7, 0.1, 0.2}, 25), 0.15000000000000002);
  EXPECT_EQ(LinearPercentile({0.7, 0.1, 0.2}, 33), 0.166);
  EXPECT_EQ(LinearPercentile({0.7, 0.1, 0.2}, 75), 0.44999999999999996);
}

TEST(LinearPercentileTest, TakesFewSamples) {
  EXPECT_FALSE(LinearPercentile({}, 50).has_value());
  EXPECT_EQ(LinearPercentile({7}, 0), 7);
  EXPECT_EQ(LinearPercentile({7}, 90), 7);
}

TEST(DescribeTest, DescribesASample) {
  const Distribution d = Describe(std::vector<double>{2, 4, 4, 4, 5, 5, 7, 9});
  EXPECT_EQ(d.count, 8);
  EXPECT_EQ(d.mean, 5);
  EXPECT_EQ(d.std, 2);
  EXPECT_DOUBLE_EQ(d.p10, 3.4);
  EXPECT_EQ(d.p50, 4.5);
  EXPECT_DOUBLE_EQ(d.p90, 7.6);
  EXPECT_EQ(d.min, 2);
  EXPECT_EQ(d.max, 9);
  EXPECT_EQ(Describe({}).count, 0);
}

std::vector<double> Ramp(int count) {
  std::vector<double> samples;
  for (int i = 0; i < count; ++i) samples.push_back(i / static_cast<double>(count));
  return samples;
}

TEST(BootstrapMeanTest, IsNearTheNormalInterval) {
  const std::vector<double> samples = Ramp(400);
  const auto interval = BootstrapMean(samples, {.resamples = 2000, .seed = 3});
  ASSERT_TRUE(interval.ok()) << interval.status();
  const double half_width = 1.96 * Describe(samples).std / std::sqrt(400.0);
  EXPECT_EQ(interval->mean, *MeanValue(samples));
  EXPECT_NEAR(interval->low, interval->mean - half_width, 0.1 * half_width);
  EXPECT_NEAR(interval->high, interval->mean + half_width, 0.1 * half_width);
}

TEST(BootstrapMeanTest, DependsOnTheSeedAlone) {
  const std::vector<double> samples = Ramp(20);
  const auto one = BootstrapMean(samples, {.resamples = 100, .seed = 1});
  const auto again = BootstrapMean(samples, {.resamples = 100, .seed = 1});
  const auto other = BootstrapMean(samples, {.resamples = 100, .seed = 2});
  EXPECT_EQ(one->low, again->low);
  EXPECT_EQ(one->high, again->high);
  EXPECT_NE(one->low, other->low);
}

TEST(BootstrapMeanTest, IsAPointForEqualSamples) {
  const auto interval = BootstrapMean(std::vector<double>(5, 0.25), {.resamples = 50});
  EXPECT_EQ(interval->low, 0.25);
  EXPECT_EQ(interval->high, 0.25);
}

TEST(BootstrapMeanTest, RefusesWhatHasNoAnswer) {
  const std::vector<double> one = {1};
  const std::vector<double> nan = {1, std::numeric_limits<double>::quiet_NaN()};
  EXPECT_EQ(BootstrapMean({}, {}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(BootstrapMean(nan, {}).status().message(), testing::HasSubstr("sample 1"));
  EXPECT_FALSE(BootstrapMean(one, {.resamples = 0}).ok());
  EXPECT_FALSE(BootstrapMean(one, {.confidence = 1}).ok());
  EXPECT_FALSE(BootstrapMean(one, {.confidence = std::nan("")}).ok());
}

TEST(ComparePairedTest, ComparesSceneByScene) {
  const std::vector<double> first = {0.5, 0.9, 0.7, 0.2};
  const std::vector<double> second = {0.75, 0.9, 0.5, 0.7};
  const auto comparison = ComparePaired(first, second, {.resamples = 200});
  ASSERT_TRUE(comparison.ok()) << comparison.status();
  EXPECT_NEAR(comparison->difference.mean, 0.1375, 1e-12);
  EXPECT_LT(comparison->difference.low, comparison->difference.mean);
  EXPECT_GT(comparison->difference.high, comparison->difference.mean);
  EXPECT_EQ(comparison->second_better, 2);
  EXPECT_EQ(comparison->equal, 1);
  EXPECT_EQ(comparison->first_better, 1);
  EXPECT_THAT(ComparePaired(first, std::vector<double>{1}, {}).status().message(),
              testing::HasSubstr("4 and 1"));
}

}  // namespace
}  // namespace shoal
