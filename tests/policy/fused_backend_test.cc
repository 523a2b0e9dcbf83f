#include "actor/policy/fused_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "tests/policy/random_policy.h"

namespace shoal {
namespace {

using ::testing::HasSubstr;

// What a dense network gives, in double.
std::vector<double> Reference(const std::vector<DenseLayer>& layers, Activation activation,
                              const float* observation) {
  std::vector<double> x(observation, observation + layers.front().in);
  for (const DenseLayer& layer : layers) {
    std::vector<double> y(layer.bias.begin(), layer.bias.end());
    for (int o = 0; o < layer.out; ++o) {
      for (int k = 0; k < layer.in; ++k) y[o] += double{layer.weight[o * layer.in + k]} * x[k];
      if (&layer == &layers.back()) continue;
      y[o] = activation == Activation::kTanh ? std::tanh(y[o]) : std::max(y[o], 0.0);
    }
    x = y;
  }
  return x;
}

struct Outputs {
  std::vector<float> logits;
  std::vector<float> values;
};

// The backend's answer, with guards behind it that must stay.
Outputs Infer(PolicyBackend& backend, const std::vector<float>& observations, int64_t rows) {
  constexpr float kGuard = 1234.5f;
  Outputs outputs{std::vector<float>(rows * kPolicyActions + 1, kGuard),
                  std::vector<float>(rows + 1, kGuard)};
  backend.Logits(observations.data(), rows, outputs.logits.data());
  backend.Values(observations.data(), rows, outputs.values.data());
  EXPECT_EQ(outputs.logits.back(), kGuard);
  EXPECT_EQ(outputs.values.back(), kGuard);
  outputs.logits.pop_back();
  outputs.values.pop_back();
  return outputs;
}

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

struct Network {
  std::vector<int> hidden;
  bool neighbors;
  Activation activation;
  int64_t rows;
};

// Widths around the kernel's panels (8, 16, 32) and rows around its blocks (6, 8) and panels (64).
std::vector<Network> Networks() {
  std::vector<Network> networks;
  for (Activation activation : {Activation::kTanh, Activation::kRelu}) {
    for (int width : {1, 7, 8, 15, 24, 33, 64, 65}) {
      for (int64_t rows : {1, 5, 13, 65, 131}) {
        networks.push_back({{width, width + 1}, width % 2 == 1, activation, rows});
      }
    }
    networks.push_back({{384, 384}, true, activation, 9});
    networks.push_back({{}, false, activation, 17});
    networks.push_back({{40, 9, 56}, true, activation, 7});
  }
  return networks;
}

TEST(FusedBackend, AgreesWithDoubleArithmetic) {
  for (const Network& network : Networks()) {
    const PolicyWeights weights =
        RandomPolicy(network.hidden, network.neighbors, network.activation, 7);
    const std::vector<float> observations =
        TestRandom(8).Values(network.rows * weights.obs_dim, 1.5f);
    const auto backend = CreateFusedBackend(weights);
    ASSERT_TRUE(backend.ok()) << backend.status();
    const Outputs outputs = Infer(**backend, observations, network.rows);
    for (int64_t r = 0; r < network.rows; ++r) {
      const float* row = observations.data() + r * weights.obs_dim;
      const std::vector<double> logits = Reference(weights.policy, weights.activation, row);
      for (int a = 0; a < kPolicyActions; ++a) {
        ASSERT_NEAR(outputs.logits[r * kPolicyActions + a], logits[a],
                    1e-5 * (1 + std::abs(logits[a])));
      }
      const double value = Reference(weights.value, weights.activation, row)[0];
      ASSERT_NEAR(outputs.values[r], value, 1e-5 * (1 + std::abs(value)));
    }
  }
}

TEST(FusedBackend, AllPathsGiveTheSameBits) {
  const std::vector<KernelPath> paths = AvailableKernelPaths();
  ASSERT_EQ(paths.front(), KernelPath::kPortable);
  for (const Network& network : Networks()) {
    const PolicyWeights weights =
        RandomPolicy(network.hidden, network.neighbors, network.activation, 9);
    // Large values among them, so that tanh is met beyond its clamp too.
    const std::vector<float> observations =
        TestRandom(10).Values(network.rows * weights.obs_dim, 20.0f);
    const Outputs expected =
        Infer(**CreateFusedBackend(weights, KernelPath::kPortable), observations, network.rows);
    for (KernelPath path : paths) {
      const auto backend = CreateFusedBackend(weights, path);
      ASSERT_TRUE(backend.ok()) << backend.status();
      const Outputs outputs = Infer(**backend, observations, network.rows);
      EXPECT_TRUE(SameBits(outputs.logits, expected.logits)) << KernelPathName(path);
      EXPECT_TRUE(SameBits(outputs.values, expected.values)) << KernelPathName(path);
    }
  }
}

// Processors and compilers must agree too. Who changes these bits on purpose changes kernel_id.
TEST(FusedBackend, BitsAreThoseOfItsKernelId) {
  for (const auto& [activation, logits, values] :
       {std::tuple(Activation::kTanh, 12267851948247081506ull, 1516402237401221529ull),
        std::tuple(Activation::kRelu, 16084160662976564761ull, 17973888615873032314ull)}) {
    const PolicyWeights weights = RandomPolicy({64, 40}, true, activation, 19);
    const std::vector<float> observations = TestRandom(20).Values(31 * weights.obs_dim, 1.0f);
    const auto backend = *CreateFusedBackend(weights);
    ASSERT_EQ(backend->kernel_id(), "shoal-fused-1");
    const Outputs outputs = Infer(*backend, observations, 31);
    EXPECT_EQ(HashBits(outputs.logits), logits);
    EXPECT_EQ(HashBits(outputs.values), values);
  }
}

TEST(FusedBackend, ARowDoesNotDependOnItsCall) {
  const PolicyWeights weights = RandomPolicy({64, 64}, true, Activation::kTanh, 11);
  constexpr int64_t kRows = 150;
  const std::vector<float> observations = TestRandom(12).Values(kRows * weights.obs_dim, 1.0f);
  for (KernelPath path : AvailableKernelPaths()) {
    const auto backend = *CreateFusedBackend(weights, path);
    const Outputs all = Infer(*backend, observations, kRows);
    for (int64_t begin = 0; begin < kRows; begin += 7) {
      for (int64_t rows : {1, 3, 8, 12, 66}) {
        if (begin + rows > kRows) continue;
        const std::vector<float> part(observations.begin() + begin * weights.obs_dim,
                                      observations.begin() + (begin + rows) * weights.obs_dim);
        const Outputs some = Infer(*backend, part, rows);
        ASSERT_EQ(std::memcmp(some.logits.data(), all.logits.data() + begin * kPolicyActions,
                              some.logits.size() * sizeof(float)),
                  0)
            << KernelPathName(path) << " rows " << rows << " at " << begin;
        ASSERT_EQ(std::memcmp(some.values.data(), all.values.data() + begin, rows * sizeof(float)),
                  0);
      }
    }
  }
}

// A network that hands one number through tanh to its value.
TEST(FusedBackend, TanhIsWithinItsBound) {
  PolicyWeights weights = RandomPolicy({1}, false, Activation::kTanh, 13);
  weights.value[0].weight.assign(11, 0.0f);
  weights.value[0].weight[0] = 1.0f;
  weights.value[0].bias[0] = 0.0f;
  weights.value[1].weight[0] = 1.0f;
  weights.value[1].bias[0] = 0.0f;
  const auto backend = *CreateFusedBackend(weights);
  double worst = 0;
  std::vector<float> observation(11, 0.0f);
  for (int i = -40000; i <= 40000; ++i) {
    observation[0] = static_cast<float>(i) * 2.5e-4f + static_cast<float>(i % 7) * 1e-5f;
    float value;
    backend->Values(observation.data(), 1, &value);
    worst = std::max(worst, std::abs(value - std::tanh(double{observation[0]})));
  }
  EXPECT_LT(worst, 4e-7);
}

TEST(FusedBackend, AcceptsNoRows) {
  const auto backend = *CreateFusedBackend(RandomPolicy({8}, false, Activation::kRelu, 14));
  backend->Logits(nullptr, 0, nullptr);
  backend->Values(nullptr, 0, nullptr);
}

TEST(FusedBackend, KeepsItsOwnWeights) {
  auto weights = std::make_unique<PolicyWeights>(RandomPolicy({8}, false, Activation::kRelu, 15));
  const std::vector<float> observations = TestRandom(16).Values(3 * 11, 1.0f);
  const auto backend = *CreateFusedBackend(*weights);
  const Outputs before = Infer(*backend, observations, 3);
  for (DenseLayer& layer : weights->policy) layer.weight.assign(layer.weight.size(), 0.0f);
  weights.reset();
  EXPECT_TRUE(SameBits(Infer(*backend, observations, 3).logits, before.logits));
}

TEST(FusedBackend, RefusesBadWeightsAndNames) {
  PolicyWeights weights = RandomPolicy({8}, false, Activation::kRelu, 17);
  EXPECT_TRUE(CreateBackend("fused", weights).ok());
  EXPECT_THAT(std::string(CreateBackend("mkl", weights).status().message()),
              HasSubstr("fused and torch are known"));
  weights.policy.pop_back();
  EXPECT_EQ(CreateBackend("fused", weights).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(FusedBackend, TakesItsPathFromTheEnvironment) {
  const PolicyWeights weights = RandomPolicy({8}, false, Activation::kRelu, 18);
  ASSERT_EQ(setenv("SHOAL_KERNEL", "portable", 1), 0);
  const auto portable = CreateFusedBackend(weights);
  ASSERT_EQ(setenv("SHOAL_KERNEL", "sse", 1), 0);
  const auto unknown = CreateFusedBackend(weights);
  ASSERT_EQ(unsetenv("SHOAL_KERNEL"), 0);
  ASSERT_TRUE(portable.ok()) << portable.status();
  EXPECT_EQ((*portable)->kernel_id(), (*CreateFusedBackend(weights))->kernel_id());
  EXPECT_EQ(unknown.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(unknown.status().message()), HasSubstr("SHOAL_KERNEL is \"sse\""));
}

}  // namespace
}  // namespace shoal
