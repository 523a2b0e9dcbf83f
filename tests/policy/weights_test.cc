#include "actor/policy/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <string>

#include "common/safetensors.h"
#include "tests/policy/random_policy.h"

namespace shoal {
namespace {

using ::testing::HasSubstr;

TEST(Weights, ReadsWhatItWrites) {
  for (bool neighbors : {false, true}) {
    PolicyWeights weights = RandomPolicy({7, 3}, neighbors, Activation::kRelu, 1);
    weights.neighbor_radius = 0.1;
    weights.neighbor_average_count = 9;
    const auto bytes = SerializePolicy(weights);
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    const auto read = ParsePolicy(*bytes);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, weights);
    EXPECT_EQ(*SerializePolicy(*read), *bytes);
  }
}

TEST(Weights, WritesTheNamesThatOthersRead) {
  const PolicyWeights weights = RandomPolicy({4}, true, Activation::kTanh, 2);
  const auto file = ParseSafetensors(*SerializePolicy(weights));
  ASSERT_TRUE(file.ok()) << file.status();
  const std::map<std::string, std::string> metadata = {{"format", "shoal.policy.v1"},
                                                       {"activation", "tanh"},
                                                       {"obs_dim", "18"},
                                                       {"include_neighbor_features", "true"},
                                                       {"neighbor_radius", "3"},
                                                       {"neighbor_average_count", "6"}};
  EXPECT_EQ(file->metadata, metadata);
  ASSERT_EQ(file->tensors.size(), 8u);
  EXPECT_EQ(file->tensors.at("policy.0.weight").shape, (std::vector<int64_t>{4, 18}));
  EXPECT_EQ(file->tensors.at("policy.0.bias").shape, (std::vector<int64_t>{4}));
  EXPECT_EQ(file->tensors.at("policy.1.weight").shape, (std::vector<int64_t>{5, 4}));
  EXPECT_EQ(file->tensors.at("value.1.weight").shape, (std::vector<int64_t>{1, 4}));
  float first;
  std::memcpy(&first, file->tensors.at("policy.0.weight").data.data(), sizeof(first));
  EXPECT_EQ(first, weights.policy[0].weight[0]);
}

TEST(Weights, RefusesEveryTruncation) {
  const std::string bytes = *SerializePolicy(RandomPolicy({2}, false, Activation::kTanh, 3));
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(ParsePolicy(bytes.substr(0, size)).ok()) << size << " bytes";
  }
}

struct BadWeights {
  const char* name;
  std::function<void(PolicyWeights&)> spoil;
  std::string message;
};

class WeightsBad : public ::testing::TestWithParam<BadWeights> {};

TEST_P(WeightsBad, AreRefusedWithTheirReason) {
  PolicyWeights weights = RandomPolicy({6, 4}, false, Activation::kTanh, 4);
  ASSERT_TRUE(ValidatePolicy(weights).ok());
  GetParam().spoil(weights);
  const absl::Status status = ValidatePolicy(weights);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().message));
  EXPECT_EQ(SerializePolicy(weights).status(), status);
}

INSTANTIATE_TEST_SUITE_P(
    All, WeightsBad,
    ::testing::Values(
        BadWeights{"ObsDim", [](PolicyWeights& w) { w.obs_dim = 12; }, "it must be 11"},
        BadWeights{"Neighbors", [](PolicyWeights& w) { w.include_neighbor_features = true; },
                   "it must be 18"},
        BadWeights{"Radius", [](PolicyWeights& w) { w.neighbor_radius = 0; }, "neighbor_radius"},
        BadWeights{"RadiusNaN", [](PolicyWeights& w) { w.neighbor_radius = std::nan(""); },
                   "neighbor_radius"},
        BadWeights{"Count", [](PolicyWeights& w) { w.neighbor_average_count = 0; }, "at least 1"},
        BadWeights{"RadiusHuge", [](PolicyWeights& w) { w.neighbor_radius = 1e300; },
                   "neighbor_radius"},
        BadWeights{"RadiusTiny", [](PolicyWeights& w) { w.neighbor_radius = 1e-300; },
                   "neighbor_radius"},
        BadWeights{"CountHuge", [](PolicyWeights& w) { w.neighbor_average_count = 1LL << 32; },
                   "at most 4096"},
        BadWeights{"NoLayers", [](PolicyWeights& w) { w.value.clear(); }, "network value has 0"},
        BadWeights{"Chain", [](PolicyWeights& w) { w.policy[1] = w.policy[0]; },
                   "policy.1 reads 11 values, but what comes before it has 6"},
        BadWeights{"FirstLayer", [](PolicyWeights& w) { w.value.erase(w.value.begin()); },
                   "value.0 reads 6 values"},
        BadWeights{"PolicyHead", [](PolicyWeights& w) { w.policy.pop_back(); },
                   "has 4 outputs; it must have 5"},
        BadWeights{"ValueHead", [](PolicyWeights& w) { w.value = w.policy; },
                   "has 5 outputs; it must have 1"},
        BadWeights{"WeightSize", [](PolicyWeights& w) { w.policy[1].weight.pop_back(); },
                   "policy.1 has 23 weights"},
        BadWeights{"BiasSize", [](PolicyWeights& w) { w.policy[1].bias.push_back(0); }, "5 biases"},
        BadWeights{"NoOutputs",
                   [](PolicyWeights& w) {
                     w.policy[0] = {11, 0, {}, {}};
                   },
                   "policy.0 has 0 outputs"},
        BadWeights{"NaN",
                   [](PolicyWeights& w) {
                     w.value[2].weight[3] = std::numeric_limits<float>::quiet_NaN();
                   },
                   "value.2.weight has the value nan at position 3"},
        BadWeights{
            "Infinite",
            [](PolicyWeights& w) { w.policy[0].bias[1] = -std::numeric_limits<float>::infinity(); },
            "policy.0.bias has the value -inf"}),
    [](const auto& info) { return info.param.name; });

struct BadPolicyFile {
  const char* name;
  std::function<void(SafetensorsFile&)> spoil;
  std::string message;
};

class WeightsBadFile : public ::testing::TestWithParam<BadPolicyFile> {};

TEST_P(WeightsBadFile, IsRefusedWithItsReason) {
  const PolicyWeights weights = RandomPolicy({6, 4}, false, Activation::kTanh, 5);
  SafetensorsFile file = *ParseSafetensors(*SerializePolicy(weights));
  GetParam().spoil(file);
  const auto policy = ParsePolicy(*SerializeSafetensors(file));
  ASSERT_FALSE(policy.ok());
  EXPECT_EQ(policy.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(policy.status().message()), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    All, WeightsBadFile,
    ::testing::Values(
        BadPolicyFile{"NoFormat", [](SafetensorsFile& f) { f.metadata.erase("format"); },
                      "the metadata have no format"},
        BadPolicyFile{"OtherFormat", [](SafetensorsFile& f) { f.metadata["format"] = "pt"; },
                      "must be shoal.policy.v1"},
        BadPolicyFile{"Activation", [](SafetensorsFile& f) { f.metadata["activation"] = "elu"; },
                      "must be tanh or relu"},
        BadPolicyFile{"ObsDim", [](SafetensorsFile& f) { f.metadata["obs_dim"] = "11x"; },
                      "must be a number"},
        BadPolicyFile{"NeighborFlag",
                      [](SafetensorsFile& f) { f.metadata["include_neighbor_features"] = "1"; },
                      "must be true or false"},
        BadPolicyFile{"Radius", [](SafetensorsFile& f) { f.metadata["neighbor_radius"] = "inf"; },
                      "must be above 0"},
        BadPolicyFile{"Count",
                      [](SafetensorsFile& f) { f.metadata.erase("neighbor_average_count"); },
                      "no neighbor_average_count"},
        BadPolicyFile{"NoBias", [](SafetensorsFile& f) { f.tensors.erase("value.1.bias"); },
                      "no tensor value.1.bias"},
        BadPolicyFile{"NoNetwork",
                      [](SafetensorsFile& f) {
                        std::erase_if(f.tensors, [](const auto& t) { return t.first[0] == 'p'; });
                      },
                      "no tensor policy.0.weight"},
        BadPolicyFile{"ExtraTensor",
                      [](SafetensorsFile& f) {
                        f.tensors["critic"] = {"U8", {1}, "x"};
                      },
                      "the tensor critic"},
        BadPolicyFile{"MissingLayer",
                      [](SafetensorsFile& f) {
                        f.tensors.erase("policy.1.weight");
                        f.tensors.erase("policy.1.bias");
                      },
                      "policy.2"},
        BadPolicyFile{"Dtype",
                      [](SafetensorsFile& f) {
                        f.tensors["value.2.bias"] = {"F64", {1}, std::string(8, '\0')};
                      },
                      "it must be F32 with 1 dimension"},
        BadPolicyFile{"Dimensions",
                      [](SafetensorsFile& f) { f.tensors["policy.0.weight"].shape = {66}; },
                      "it must be F32 with 2 dimensions"},
        BadPolicyFile{"TooWide",
                      [](SafetensorsFile& f) {
                        f.tensors["policy.0.bias"] = {"F32", {16385}, std::string(65540, '\0')};
                      },
                      "has a size of 16385"},
        BadPolicyFile{"Transposed",
                      [](SafetensorsFile& f) {
                        f.tensors["policy.0.weight"].shape = {11, 6};
                      },
                      "policy.0 reads 6 values"}),
    [](const auto& info) { return info.param.name; });

TEST(Weights, IgnoresForeignMetadata) {
  const PolicyWeights weights = RandomPolicy({6}, false, Activation::kTanh, 6);
  SafetensorsFile file = *ParseSafetensors(*SerializePolicy(weights));
  file.metadata["note"] = "kept by someone else";
  EXPECT_EQ(*ParsePolicy(*SerializeSafetensors(file)), weights);
}

}  // namespace
}  // namespace shoal
