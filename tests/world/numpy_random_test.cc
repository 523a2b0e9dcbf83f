// The generator against NumPy's own draws (tests/data/world_numpy.json).
#include "actor/world/numpy_random.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "tests/world/world_testing.h"

namespace shoal {
namespace {

using nlohmann::json;

uint64_t Word(const json& text) { return std::stoull(text.get<std::string>()); }

class NumpyCases : public testing::Test {
 protected:
  const json data_ = ReadTestData("world_numpy.json");
};

TEST_F(NumpyCases, SeedSequenceAndRawOutputs) {
  for (const json& expected : data_["cases"]) {
    const uint64_t seed = Word(expected["seed"]);
    const auto state = SeedSequenceState(seed);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(state[i], Word(expected["state"][i])) << seed;
    NumpyRandom random(seed);
    for (const json& raw : expected["raw"]) EXPECT_EQ(random.NextUint64(), Word(raw)) << seed;
  }
}

TEST_F(NumpyCases, Uniforms) {
  for (const json& expected : data_["cases"]) {
    const uint64_t seed = Word(expected["seed"]);
    NumpyRandom unit(seed);
    for (const json& x : expected["doubles"]) EXPECT_EQ(unit.NextDouble(), x.get<double>()) << seed;
    NumpyRandom range(seed);
    for (const json& x : expected["uniform"]) {
      EXPECT_EQ(range.Uniform(-0.3, 2.9), x.get<double>()) << seed;
    }
  }
}

TEST_F(NumpyCases, NormalsWithTheirTail) {
  const int count = data_["normals_per_hash"];
  for (const json& expected : data_["cases"]) {
    const uint64_t seed = Word(expected["seed"]);
    NumpyRandom random(seed);
    std::vector<double> normals(count);
    uint64_t hash = 0xcbf29ce484222325u;
    for (double& value : normals) {
      value = random.StandardNormal();
      unsigned char bytes[sizeof(double)];
      std::memcpy(bytes, &value, sizeof(bytes));
      for (const unsigned char byte : bytes) hash = (hash ^ byte) * 0x100000001b3u;
    }
    for (int i = 0; i < 6; ++i) EXPECT_EQ(normals[i], expected["normals"][i].get<double>());
    ASSERT_FALSE(expected["normal_tail"].empty());
    for (const json& tail : expected["normal_tail"]) {
      EXPECT_EQ(normals[tail[0].get<int>()], tail[1].get<double>()) << seed;
    }
    EXPECT_EQ(hash, Word(expected["normal_hash"])) << seed;
  }
}

TEST_F(NumpyCases, BoundedIntegers) {
  for (const json& expected : data_["cases"]) {
    NumpyRandom random(Word(expected["seed"]));
    for (const json& value : expected["bounded"]) {
      EXPECT_EQ(random.Bounded((1u << 31) - 1), value.get<uint32_t>());
    }
  }
  NumpyRandom rejecting(99);
  for (const json& value : data_["bounded_3000000000_seed_99"]) {
    EXPECT_EQ(rejecting.Bounded(3000000000u), value.get<uint32_t>());
  }
}

TEST_F(NumpyCases, TheUnusedHalfWaitsWhileOtherKindsAreDrawn) {
  for (const json& expected : data_["cases"]) {
    NumpyRandom random(Word(expected["seed"]));
    const json& mixed = expected["mixed"];
    EXPECT_EQ(random.NextDouble(), mixed[0].get<double>());
    EXPECT_EQ(random.Bounded((1u << 31) - 1), mixed[1].get<double>());
    EXPECT_EQ(random.Normal(0.5, 0.35), mixed[2].get<double>());
    EXPECT_EQ(random.Bounded(1), mixed[3].get<double>());
    EXPECT_EQ(random.Bounded(5), mixed[4].get<double>());
    EXPECT_EQ(random.Bounded(1000003), mixed[5].get<double>());
    EXPECT_EQ(random.Bounded(3000000000u), mixed[6].get<double>());
    EXPECT_EQ(random.NextDouble(), mixed[7].get<double>());
  }
}

TEST_F(NumpyCases, BankSeeds) {
  const std::vector<uint64_t> expected = data_["bank_411232"];
  EXPECT_EQ(BankSeeds(411232, 20), expected);
  EXPECT_EQ(BankSeeds(411232, 3), (std::vector<uint64_t>{774941881, 1153548809, 1861755986}));
  EXPECT_TRUE(BankSeeds(411232, 0).empty());
}

TEST(NumpyRandom, ACopyGoesOnFromTheSamePoint) {
  NumpyRandom random(5);
  random.Bounded(10);
  NumpyRandom copy = random;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(random.NextUint32(), copy.NextUint32());
  EXPECT_EQ(random.StandardNormal(), copy.StandardNormal());
}

}  // namespace
}  // namespace shoal
