// Permutation, initial weights, Adam and its file, each by itself.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <vector>

#include "common/safetensors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "learner/ppo/adam.h"
#include "learner/ppo/initialization.h"
#include "learner/ppo/layout.h"
#include "learner/ppo/optimizer_state.h"
#include "learner/ppo/permutation.h"

namespace shoal {
namespace {

using ::testing::HasSubstr;

TEST(Permutation, HoldsEveryRowOnce) {
  for (int64_t rows : {0, 1, 2, 3, 10, 1001}) {
    std::vector<uint32_t> order = EpochPermutation(7, 3, 1, rows);
    std::sort(order.begin(), order.end());
    std::vector<uint32_t> all(rows);
    std::iota(all.begin(), all.end(), 0u);
    EXPECT_EQ(order, all);
  }
}

TEST(Permutation, DependsOnSeedIterationAndEpochAlone) {
  const auto order = EpochPermutation(7, 3, 1, 100);
  EXPECT_EQ(order, EpochPermutation(7, 3, 1, 100));
  EXPECT_NE(order, EpochPermutation(8, 3, 1, 100));
  EXPECT_NE(order, EpochPermutation(7, 4, 1, 100));
  EXPECT_NE(order, EpochPermutation(7, 3, 2, 100));
}

TEST(Permutation, IsUniform) {
  std::map<std::vector<uint32_t>, int> counts;
  constexpr int kDraws = 24000;
  for (int i = 0; i < kDraws; ++i) ++counts[EpochPermutation(1, i, 0, 4)];
  ASSERT_EQ(counts.size(), 24u);
  double chi_squared = 0;
  for (const auto& [order, count] : counts) chi_squared += std::pow(count - 1000.0, 2) / 1000.0;
  EXPECT_LT(chi_squared, 49.7);  // The 0.999 quantile with 23 degrees of freedom.
}

TEST(InitialParameters, AreOrthogonalWithTheirGainsAndZeroBiases) {
  const ParameterLayout layout = MakeParameterLayout(11, {64, 32});
  const std::vector<double> parameters = InitialParameters(layout, 5);
  ASSERT_EQ(layout.size, (11 * 64 + 64 + 64 * 32 + 32) * 2 + 32 * 5 + 5 + 32 + 1);
  for (int network = 0; network < kNetworks; ++network) {
    const auto& layers = layout.networks[network];
    const double head_gain = network == kPolicyNetwork ? 0.01 : 1;
    for (size_t l = 0; l < layers.size(); ++l) {
      const double gain = l + 1 == layers.size() ? head_gain : std::sqrt(2.0);
      const auto [in, out, weight, bias] = layers[l];
      const bool by_column = out > in;
      const auto at = [&](int64_t vector, int64_t k) {
        return parameters[weight + (by_column ? k * in + vector : vector * in + k)];
      };
      for (int64_t a = 0; a < std::min(in, out); ++a) {
        for (int64_t b = 0; b <= a; ++b) {
          double dot = 0;
          for (int64_t k = 0; k < std::max(in, out); ++k) dot += at(a, k) * at(b, k);
          ASSERT_NEAR(dot, a == b ? gain * gain : 0, 1e-12) << network << " " << l;
        }
      }
      for (int64_t o = 0; o < out; ++o) ASSERT_EQ(parameters[bias + o], 0);
    }
  }
}

TEST(InitialParameters, DependOnTheSeedAndDifferByNetwork) {
  const ParameterLayout layout = MakeParameterLayout(11, {16});
  const std::vector<double> parameters = InitialParameters(layout, 5);
  EXPECT_EQ(parameters, InitialParameters(layout, 5));
  EXPECT_NE(parameters, InitialParameters(layout, 6));
  EXPECT_NE(parameters[layout.networks[0][0].weight], parameters[layout.networks[1][0].weight]);
}

TEST(Adam, TwoStepsByHand) {
  // g = 2, then -1 scaled by 0.5; lr 0.1, epsilon 0.01.
  double first = 0, second = 0, parameter = 1;
  double gradient = 2;
  ApplyAdam(AdamStep(1, 0.1, 0.01, 1), 1, &gradient, &first, &second, &parameter);
  // m = 0.2, v = 0.004; corrected 2 and 4: 1 - 0.1 * 2 / 2.01.
  EXPECT_NEAR(first, 0.2, 1e-15);
  EXPECT_NEAR(second, 0.004, 1e-15);
  EXPECT_NEAR(parameter, 0.900497512437811, 1e-14);
  gradient = -1;
  ApplyAdam(AdamStep(2, 0.1, 0.01, 0.5), 1, &gradient, &first, &second, &parameter);
  // m = 0.18 - 0.05 = 0.13, over 0.19: 0.684210526; v = 0.003996 + 0.00025 = 0.004246, over
  // 0.001999: 2.124062031, its root 1.457416218: 0.900497512 - 0.0684210526 / 1.467416218.
  EXPECT_NEAR(first, 0.13, 1e-15);
  EXPECT_NEAR(second, 0.004246, 1e-15);
  EXPECT_NEAR(parameter, 0.853870623750149, 1e-12);
}

TEST(OptimizerState, RoundTrip) {
  const OptimizerMoments moments{{0.5, -1.25, float{0.1f}}, {0, 2, float{1e-30f}}, 123456789012};
  const auto bytes = SerializeOptimizerState(moments);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  const auto parsed = ParseOptimizerState(*bytes, 3);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->first, moments.first);
  EXPECT_EQ(parsed->second, moments.second);
  EXPECT_EQ(parsed->steps, moments.steps);
}

TEST(OptimizerState, RefusesWhatIsNoneOfThisSize) {
  const std::string bytes = *SerializeOptimizerState({{1, 2}, {1, 2}, 3});
  const auto message = [](std::string_view text, int64_t parameters) {
    return std::string(ParseOptimizerState(text, parameters).status().message());
  };
  EXPECT_EQ(message(bytes, 2), "");
  EXPECT_THAT(message(bytes, 3), HasSubstr("must be F32 of shape [3]"));
  EXPECT_THAT(message(bytes.substr(0, bytes.size() - 1), 2), HasSubstr("optimizer state"));
  EXPECT_THAT(message("", 2), HasSubstr("optimizer state"));
  EXPECT_THAT(message(*SerializeOptimizerState({{1}, {-1}, 3}), 1), HasSubstr("below 0"));
  EXPECT_THAT(message(*SerializeOptimizerState({{NAN}, {1}, 3}), 1), HasSubstr("not finite"));
  EXPECT_THAT(message(*SerializeOptimizerState({{1}, {1}, -3}), 1), HasSubstr("steps is \"-3\""));
  EXPECT_THAT(message(*SerializeOptimizerState({{1}, {1}, INT64_MAX}), 1),
              HasSubstr("steps is \"9223372036854775807\""));
  SafetensorsFile other;
  other.metadata = {{"format", "other"}, {"format_version", "1"}};
  EXPECT_THAT(message(*SerializeSafetensors(other), 1), HasSubstr("format is other"));
}

}  // namespace
}  // namespace shoal
