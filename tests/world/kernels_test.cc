// Every compiled variant of the kernels gives the same bits.
#include "actor/world/kernels.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/world/world_testing.h"

namespace shoal {
namespace {

constexpr int kFish = 37;
constexpr int kStride = 40;

// One environment's arrays, filled with fish everywhere, also at the rim and at the predator.
struct School {
  explicit School(uint64_t seed)
      : x(kStride + kLanePadding),
        y(x.size()),
        vx(x.size()),
        vy(x.size()),
        id(x.size()),
        death_step(x.size(), -1),
        actions(kStride, kHold) {
    NumpyRandom random(seed);
    for (int i = 0; i < kFish; ++i) {
      x[i] = static_cast<float>(random.Uniform(-7.0, 7.1));
      y[i] = static_cast<float>(random.Uniform(-7.0, 7.1));
      vx[i] = static_cast<float>(random.Uniform(-2.0, 2.0));
      vy[i] = static_cast<float>(random.Uniform(-2.0, 2.0));
      actions[i] = static_cast<uint8_t>(random.Bounded(5));
      death_step[i] = i % 9 == 4 ? 2 : 0;
    }
    vx[5] = vy[5] = 0.0f;      // no heading
    x[6] = x[7], y[6] = y[7];  // two at one place
    x[8] = y[8] = 0.0f;        // at the centre
    for (size_t i = 0; i < id.size(); ++i) id[i] = static_cast<int32_t>(i);
  }

  FishArrays arrays() {
    return {x.data(), y.data(), vx.data(), vy.data(), death_step.data(), kStride};
  }
  FishView view() const { return {x.data(), y.data(), vx.data(), vy.data(), id.data(), kFish}; }

  std::vector<float> x, y, vx, vy;
  std::vector<int32_t> id, death_step;
  std::vector<uint8_t> actions;
};

// All that the kernels make of one school, as one string of bytes.
std::string Everything(const Kernels& kernels, uint64_t seed, int average_count) {
  School school(seed);
  const Predator predator = {0.7f, -0.4f, 1.3f, -0.8f};
  std::string bytes;
  const auto add = [&](const auto& values) {
    bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0]));
  };
  for (int step = 3; step < 40; ++step) {
    std::vector<int> deaths = {
        kernels.step(school.actions.data(), predator, step, school.arrays())};
    add(deaths);
  }
  for (const auto* values : {&school.x, &school.y, &school.vx, &school.vy}) add(*values);
  add(school.death_step);

  std::vector<float> rows(kFish * kNeighborObservation);
  kernels.observe(school.view(), predator, kNeighborObservation, rows.data());
  std::vector<float> scratch(NeighborScratchSize(kFish, average_count));
  kernels.observe_neighbors(school.view(), school.view(), {3.0f, average_count},
                            kNeighborObservation, scratch.data(), rows.data() + kBaseObservation);
  add(rows);

  std::vector<float> counts(kFish + kLanePadding), outflow(kFish + kLanePadding);
  kernels.neighbor_sums(school.view(), school.view(), 3.0f, counts.data(), outflow.data());
  counts.resize(kFish);
  outflow.resize(kFish);
  add(counts);
  add(outflow);
  for (const RewardKind kind :
       {RewardKind::kShaped, RewardKind::kSurvival, RewardKind::kDeathOnly}) {
    std::vector<float> rewards(kStride);
    kernels.reward(school.x.data(), school.y.data(), school.death_step.data(), kStride, predator,
                   39, kind, rewards.data());
    add(rewards);
  }
  return bytes;
}

// The environments of a world lie one behind the other, a multiple of 8 lanes each.
TEST(Kernels, AStepLeavesWhatLiesBehindItsLanesAlone) {
  for (const Kernels* kernels : SupportedKernels()) {
    School school(7);
    const School before = school;
    FishArrays arrays = school.arrays();
    arrays.lanes = 24;
    for (int step = 3; step < 10; ++step) {
      kernels->step(school.actions.data(), {0.7f, -0.4f, 1.3f, -0.8f}, step, arrays);
    }
    EXPECT_NE(school.x[23], before.x[23]) << kernels->name;
    for (size_t i = 24; i < school.x.size(); ++i) {
      EXPECT_EQ(school.x[i], before.x[i]) << kernels->name << " " << i;
      EXPECT_EQ(school.y[i], before.y[i]) << kernels->name << " " << i;
      EXPECT_EQ(school.vx[i], before.vx[i]) << kernels->name << " " << i;
      EXPECT_EQ(school.vy[i], before.vy[i]) << kernels->name << " " << i;
      EXPECT_EQ(school.death_step[i], before.death_step[i]) << kernels->name << " " << i;
    }
  }
}

TEST(Kernels, AllVariantsGiveTheSameBits) {
  const std::vector<const Kernels*> variants = SupportedKernels();
  ASSERT_FALSE(variants.empty());
  EXPECT_STREQ(variants[0]->name, "baseline");
  EXPECT_EQ(&BestKernels(), variants.back());
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    for (const int average_count : {1, 6, 50}) {
      const std::string expected = Everything(*variants[0], seed, average_count);
      EXPECT_NE(expected, Everything(*variants[0], seed + 1, average_count));
      for (const Kernels* kernels : variants) {
        EXPECT_TRUE(Everything(*kernels, seed, average_count) == expected)
            << kernels->name << ", seed " << seed << ", average count " << average_count;
      }
    }
  }
}

}  // namespace
}  // namespace shoal
