#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include "actor/policy/backend.h"
#include "tests/policy/random_policy.h"

namespace shoal {
namespace {

using ::testing::HasSubstr;

#if SHOAL_HAS_TORCH

void ExpectClose(const std::vector<float>& a, const std::vector<float>& b) {
  float scale = 1;
  for (float value : a) scale = std::max(scale, std::abs(value));
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-5 * scale);
}

TEST(TorchBackend, AgreesWithTheFusedBackend) {
  for (Activation activation : {Activation::kTanh, Activation::kRelu}) {
    for (const std::vector<int>& hidden :
         {std::vector<int>{}, {7}, {33, 64}, {64, 64}, {384, 384}}) {
      const PolicyWeights weights = RandomPolicy(hidden, true, activation, 31);
      const auto torch = CreateBackend("torch", weights);
      ASSERT_TRUE(torch.ok()) << torch.status();
      const auto fused = *CreateBackend("fused", weights);
      for (int64_t rows : {1, 33, 130}) {
        const auto observations = TestRandom(32).Values(rows * weights.obs_dim, 1.0f);
        std::vector<float> a(rows * kPolicyActions), b(a.size());
        (*torch)->Logits(observations.data(), rows, a.data());
        fused->Logits(observations.data(), rows, b.data());
        ExpectClose(a, b);
        a.assign(rows, 0);
        b.assign(rows, 0);
        (*torch)->Values(observations.data(), rows, a.data());
        fused->Values(observations.data(), rows, b.data());
        ExpectClose(a, b);
      }
    }
  }
}

TEST(TorchBackend, SaysWhatDecidesItsBits) {
  const PolicyWeights weights = RandomPolicy({8}, false, Activation::kTanh, 33);
  const auto torch = CreateBackend("torch", weights);
  ASSERT_TRUE(torch.ok()) << torch.status();
  EXPECT_THAT((*torch)->kernel_id(), ::testing::StartsWith("torch-"));
  EXPECT_THAT((*torch)->kernel_id(), HasSubstr("blas-"));
  EXPECT_NE((*torch)->kernel_id(), (*CreateBackend("fused", weights))->kernel_id());
  (*torch)->Logits(nullptr, 0, nullptr);
}

TEST(TorchBackend, GivesTheSameBitsOnAnotherThread) {
  const PolicyWeights weights = RandomPolicy({64, 64}, true, Activation::kTanh, 34);
  const auto observations = TestRandom(35).Values(176 * weights.obs_dim, 1.0f);
  const auto backend = *CreateBackend("torch", weights);
  std::vector<float> here(176), there(176);
  backend->Values(observations.data(), 176, here.data());
  std::thread([&] {
    (*CreateBackend("torch", weights))->Values(observations.data(), 176, there.data());
  }).join();
  EXPECT_EQ(here, there);
}

#else

TEST(TorchBackend, SaysWhatIsMissing) {
  const auto torch = CreateBackend("torch", RandomPolicy({8}, false, Activation::kTanh, 33));
  EXPECT_EQ(torch.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(torch.status().message()), HasSubstr("libshoal_torch_backend.so"));
}

#endif

TEST(TorchBackend, RefusesBadWeights) {
  PolicyWeights weights = RandomPolicy({8}, false, Activation::kTanh, 36);
  weights.value.clear();
  EXPECT_EQ(CreateBackend("torch", weights).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace shoal
