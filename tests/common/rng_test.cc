#include "common/rng.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace shoal {
namespace {

// kat_vectors of Random123 1.14, philox4x32 with ten rounds.
TEST(Philox, GivesTheKnownAnswers) {
  EXPECT_EQ(Philox4x32({0, 0, 0, 0}, {0, 0}),
            (RandomBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const uint32_t ones = 0xffffffff;
  EXPECT_EQ(Philox4x32({ones, ones, ones, ones}, {ones, ones}),
            (RandomBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (RandomBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

// The first outputs of the reference generator started at 0, whose state advances by the constant
// that SplitMix64 adds.
TEST(SplitMix, GivesTheKnownAnswers) {
  EXPECT_EQ(SplitMix64(0), 0xE220A8397B1DCDAFull);
  EXPECT_EQ(SplitMix64(0x9E3779B97F4A7C15), 0x6E789E6AA1B965F4ull);
}

TEST(KeyedBits, IsTheBlockOfItsCoordinatesUnderTheDerivedKey) {
  const PhiloxKey key = DerivePhiloxKey({42, RandomPurpose::kAction});
  const RandomBlock block = Philox4x32({1, 2, 3, 4}, key);
  EXPECT_EQ(KeyedBlock(42, RandomPurpose::kAction, 1, 2, 3, 4), block);
  EXPECT_EQ(KeyedBits(42, RandomPurpose::kAction, 1, 2, 3, 4),
            static_cast<uint64_t>(block[1]) << 32 | block[0]);
}

TEST(KeyedBits, NeverMayChange) {
  // Computed by a second implementation of the header's description, in Python. A change here
  // changes every recorded run.
  EXPECT_EQ(KeyedBits(0, RandomPurpose::kScene, 0, 0, 0, 0), 0xd966ec0bcec085f8u);
  EXPECT_EQ(KeyedBits(411232, RandomPurpose::kBootstrap, 127, 9, 499, 95), 0x4339fba8eb2dd8a3u);
}

TEST(KeyedBits, DependsOnEveryCoordinate) {
  std::set<uint64_t> seen;
  seen.insert(KeyedBits(7, RandomPurpose::kScene, 1, 1, 1, 1));
  seen.insert(KeyedBits(8, RandomPurpose::kScene, 1, 1, 1, 1));
  seen.insert(KeyedBits(7 + (uint64_t{1} << 32), RandomPurpose::kScene, 1, 1, 1, 1));
  seen.insert(KeyedBits(7, RandomPurpose::kAction, 1, 1, 1, 1));
  seen.insert(KeyedBits(7, RandomPurpose::kScene, 2, 1, 1, 1));
  seen.insert(KeyedBits(7, RandomPurpose::kScene, 1, 2, 1, 1));
  seen.insert(KeyedBits(7, RandomPurpose::kScene, 1, 1, 2, 1));
  seen.insert(KeyedBits(7, RandomPurpose::kScene, 1, 1, 1, 2));
  EXPECT_EQ(seen.size(), 8u);
}

TEST(DerivePhiloxKey, SeparatesSeedsAndPurposes) {
  std::set<PhiloxKey> keys;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    for (uint32_t purpose = 1; purpose <= 9; ++purpose) {
      keys.insert(DerivePhiloxKey({seed, static_cast<RandomPurpose>(purpose)}));
    }
  }
  EXPECT_EQ(keys.size(), 9000u);
}

TEST(UniformFloat, StaysBelowOneAndUsesTheHighestBits) {
  EXPECT_EQ(UniformFloat(uint32_t{0}), 0.0f);
  EXPECT_EQ(UniformFloat(uint32_t{0xff}), 0.0f);
  EXPECT_EQ(UniformFloat(uint32_t{0x100}), 0x1p-24f);
  EXPECT_EQ(UniformFloat(uint32_t{0x80000000}), 0.5f);
  EXPECT_EQ(UniformFloat(uint32_t{0xffffffff}), 1.0f - 0x1p-24f);
  EXPECT_EQ(UniformFloat(uint64_t{0xffffffffffffffff}), 1.0f - 0x1p-24f);
  EXPECT_EQ(UniformFloat(uint64_t{0x00000000ffffffff}), 0.0f);
}

TEST(UniformDouble, StaysBelowOneAndUsesTheHighestBits) {
  EXPECT_EQ(UniformDouble(0x7ff), 0.0);
  EXPECT_EQ(UniformDouble(0x800), 0x1p-53);
  EXPECT_EQ(UniformDouble(uint64_t{1} << 63), 0.5);
  EXPECT_EQ(UniformDouble(~uint64_t{0}), 1.0 - 0x1p-53);
}

TEST(BoundedInt, CoversItsRangeAndNoMore) {
  for (const uint64_t n : {uint64_t{1}, uint64_t{5}, uint64_t{1} << 63, ~uint64_t{0}}) {
    EXPECT_EQ(BoundedInt(0, n), 0u);
    EXPECT_EQ(BoundedInt(~uint64_t{0}, n), n - 1);
  }
}

// Chi-squared over the coordinates that runs walk through, neighbours in step and fish. The bound
// for 15 degrees of freedom would be passed by a fair generator in one of 10^6 seeds, and the seed
// is fixed.
TEST(KeyedBits, FillsBinsEvenly) {
  constexpr int kBins = 16;
  std::vector<int> floats(kBins), doubles(kBins), integers(kBins);
  const KeyedRandom random(411232, RandomPurpose::kAction);
  int count = 0;
  for (uint32_t environment = 0; environment < 4; ++environment) {
    for (uint32_t step = 0; step < 500; ++step) {
      for (uint32_t fish = 0; fish < 25; ++fish, ++count) {
        const uint64_t bits = random.Bits(environment, 3, step, fish);
        ++floats[static_cast<int>(UniformFloat(static_cast<uint32_t>(bits)) * kBins)];
        ++doubles[static_cast<int>(UniformDouble(bits) * kBins)];
        ++integers[BoundedInt(bits, kBins)];
      }
    }
  }
  const double expected = static_cast<double>(count) / kBins;
  for (const std::vector<int>& bins : {floats, doubles, integers}) {
    double chi_squared = 0;
    for (const int bin : bins) chi_squared += (bin - expected) * (bin - expected) / expected;
    EXPECT_LT(chi_squared, 56.5);
    EXPECT_GT(chi_squared, 2.0);  // Too even would be as wrong.
  }
}

}  // namespace
}  // namespace shoal
