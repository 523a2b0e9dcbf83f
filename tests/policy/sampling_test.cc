#include "actor/policy/sampling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "actor/policy/weights.h"
#include "tests/policy/random_policy.h"

namespace shoal {
namespace {

constexpr float kLargestUniform = 1.0f - 0x1p-24f;

std::vector<double> ReferenceLogSoftmax(const float* logits) {
  const double greatest = *std::max_element(logits, logits + kPolicyActions);
  double sum = 0;
  for (int a = 0; a < kPolicyActions; ++a) sum += std::exp(logits[a] - greatest);
  std::vector<double> result;
  for (int a = 0; a < kPolicyActions; ++a) result.push_back(logits[a] - greatest - std::log(sum));
  return result;
}

// Rows of logits from nearly equal to far apart.
std::vector<float> ManyLogits(int64_t rows) {
  TestRandom random(21);
  std::vector<float> logits;
  for (int64_t r = 0; r < rows; ++r) {
    const float scale = std::ldexp(1.0f, static_cast<int>(r % 16) - 8);
    for (int a = 0; a < kPolicyActions; ++a) logits.push_back(random.Symmetric(scale));
  }
  return logits;
}

TEST(Sampling, LogSoftmaxIsWithinItsBound) {
  constexpr int64_t kRows = 20001;
  const std::vector<float> logits = ManyLogits(kRows);
  std::vector<float> log_probs(logits.size());
  LogSoftmax(logits.data(), kRows, log_probs.data());
  double worst = 0;
  for (int64_t r = 0; r < kRows; ++r) {
    const std::vector<double> expected = ReferenceLogSoftmax(&logits[r * kPolicyActions]);
    for (int a = 0; a < kPolicyActions; ++a) {
      const double error = std::abs(log_probs[r * kPolicyActions + a] - expected[a]);
      worst = std::max(worst, error / std::max(1.0, std::abs(expected[a])));
    }
  }
  EXPECT_LT(worst, 5e-7);
}

TEST(Sampling, LogSoftmaxOfExtremes) {
  const std::vector<float> logits = {0, 0, 0, 0, 0, 1e30f, -1e30f, 0, 0, 0, 300, 0, 100, 212, 299};
  std::vector<float> log_probs(logits.size());
  LogSoftmax(logits.data(), 3, log_probs.data());
  for (int a = 0; a < kPolicyActions; ++a) EXPECT_NEAR(log_probs[a], -std::log(5.0), 2e-7);
  EXPECT_EQ(log_probs[5], 0.0f);
  EXPECT_EQ(log_probs[6], -2e30f);
  EXPECT_NEAR(log_probs[10], -std::log(1 + std::exp(-1.0)), 2e-7);
  EXPECT_NEAR(log_probs[11], -300 - std::log(1 + std::exp(-1.0)), 3e-5);
}

TEST(Sampling, ARowDoesNotDependOnItsCall) {
  constexpr int64_t kRows = 11;
  const std::vector<float> logits = ManyLogits(kRows);
  TestRandom random(22);
  std::vector<float> uniforms(kRows);
  for (float& uniform : uniforms) uniform = random.Uniform();
  std::vector<uint8_t> actions(kRows);
  std::vector<float> log_probs(kRows), all_log_probs(logits.size());
  SampleActions(logits.data(), uniforms.data(), kRows, actions.data(), log_probs.data());
  LogSoftmax(logits.data(), kRows, all_log_probs.data());
  for (int64_t r = 0; r < kRows; ++r) {
    const SampledAction one = SampleAction(&logits[r * kPolicyActions], uniforms[r]);
    EXPECT_EQ(one.action, actions[r]);
    EXPECT_EQ(one.log_prob, log_probs[r]);
    EXPECT_EQ(one.log_prob, all_log_probs[r * kPolicyActions + one.action]);
    float alone[kPolicyActions];
    LogSoftmax(&logits[r * kPolicyActions], 1, alone);
    EXPECT_EQ(std::memcmp(alone, &all_log_probs[r * kPolicyActions], sizeof(alone)), 0);
  }
}

// Rollouts carry these bits; processors and compilers must agree on them.
TEST(Sampling, BitsNeverChange) {
  constexpr int64_t kRows = 999;
  const std::vector<float> logits = ManyLogits(kRows);
  std::vector<float> log_probs(logits.size());
  LogSoftmax(logits.data(), kRows, log_probs.data());
  EXPECT_EQ(HashBits(log_probs), 16736466275209434554ull);
}

// Uniforms on an even grid must meet each action as often as its probability says, to one.
TEST(Sampling, FrequenciesAreTheProbabilities) {
  constexpr int64_t kRows = 1 << 16;
  const float logits[kPolicyActions] = {0.3f, -1.2f, 2.0f, -4.0f, 0.9f};
  std::vector<float> repeated, uniforms;
  for (int64_t r = 0; r < kRows; ++r) {
    repeated.insert(repeated.end(), logits, logits + kPolicyActions);
    uniforms.push_back(static_cast<float>(r) / kRows);
  }
  std::vector<uint8_t> actions(kRows);
  std::vector<float> log_probs(kRows);
  SampleActions(repeated.data(), uniforms.data(), kRows, actions.data(), log_probs.data());
  EXPECT_TRUE(std::is_sorted(actions.begin(), actions.end()));
  const std::vector<double> expected = ReferenceLogSoftmax(logits);
  for (int a = 0; a < kPolicyActions; ++a) {
    const auto count = std::count(actions.begin(), actions.end(), a);
    EXPECT_NEAR(static_cast<double>(count), kRows * std::exp(expected[a]), 1.5);
  }
}

TEST(Sampling, EdgesOfTheUniform) {
  const float even[kPolicyActions] = {0, 0, 0, 0, 0};
  EXPECT_EQ(SampleAction(even, 0.0f).action, 0);
  EXPECT_EQ(SampleAction(even, kLargestUniform).action, 4);
  // Actions that have no probability worth a uniform are not met at the edges either.
  const float inner[kPolicyActions] = {-50, -200, 0, -30, -100};
  EXPECT_EQ(SampleAction(inner, 0.0f).action, 2);
  EXPECT_EQ(SampleAction(inner, 0.5f).action, 2);
  EXPECT_EQ(SampleAction(inner, kLargestUniform).action, 2);
  const float first[kPolicyActions] = {500, 0, 0, 0, 0};
  EXPECT_EQ(SampleAction(first, kLargestUniform).action, 0);
  EXPECT_EQ(SampleAction(first, kLargestUniform).log_prob, 0.0f);
  const float last[kPolicyActions] = {0, 0, 0, 0, 500};
  EXPECT_EQ(SampleAction(last, 0.0f).action, 4);
}

TEST(Sampling, ActionsStayInRangeForAnyTotal) {
  TestRandom random(23);
  for (int i = 0; i < 20000; ++i) {
    float logits[kPolicyActions];
    for (float& logit : logits) logit = random.Symmetric(3.0f);
    EXPECT_EQ(SampleAction(logits, 0.0f).action, 0);
    EXPECT_EQ(SampleAction(logits, kLargestUniform).action, 4);
  }
  float broken[kPolicyActions] = {0, 0, NAN, INFINITY, -INFINITY};
  for (int i = 0; i < kPolicyActions; ++i) {
    std::rotate(broken, broken + 1, broken + kPolicyActions);
    const int action = SampleAction(broken, 0.5f).action;
    EXPECT_TRUE(action >= 0 && action < kPolicyActions);
  }
}

TEST(Sampling, GreedyTakesTheLowestOfTies) {
  const std::vector<float> logits = {1, 2, 2, 0, 2, -1, -1, -1, -1, -1, -5, -4, -3, -2, -1};
  std::vector<uint8_t> actions(3);
  GreedyActions(logits.data(), 3, actions.data());
  EXPECT_EQ(actions, (std::vector<uint8_t>{1, 0, 4}));
  EXPECT_EQ(GreedyAction(logits.data()), 1);
}

}  // namespace
}  // namespace shoal
