// Fates of fish: by hand, against the world itself, and the ceilings of whole banks.
#include <gtest/gtest.h>

#include <tuple>

#include "actor/world/fates.h"
#include "tests/world/world_testing.h"

namespace shoal {
namespace {

constexpr int kFish = 96;

WorldOptions WithoutNeighbors() {
  WorldOptions options;
  options.include_neighbor_features = false;
  return options;
}

struct Counts {
  int saved = 0;
  int doomed = 0;
  int doomed_at_one = 0;
  int open = 0;
};

Counts CountFates(uint64_t bank, int scenes) {
  Counts counts;
  World world(WithoutNeighbors(), 1, kFish);
  for (uint64_t seed : BankSeeds(bank, scenes)) {
    world.Reset(0, {seed, 0.8, {}});
    for (const Fate& fate : FindFates(world, 0)) {
      counts.saved += fate.kind == FateKind::kSaved;
      counts.doomed += fate.kind == FateKind::kDoomed;
      counts.doomed_at_one += fate.kind == FateKind::kDoomed && fate.last_step == 1;
      counts.open += fate.kind == FateKind::kOpen;
    }
  }
  return counts;
}

// The published ceilings count those that are lost at step one; of the bank of 160 scenes two more
// fish are lost a step later.
TEST(Fates, AreTheCeilingsOfTheBanks) {
  for (const auto& [bank, scenes, published, lost_later] :
       {std::tuple{481001, 12, 0.9896, 0}, {412000, 40, 0.9862, 0}, {700001, 160, 0.9837, 2}}) {
    const Counts counts = CountFates(bank, scenes);
    const int fish = scenes * kFish;
    EXPECT_EQ(counts.open, 0) << bank;
    EXPECT_EQ(counts.saved + counts.doomed, fish) << bank;
    EXPECT_NEAR(1 - 1.0 * counts.doomed_at_one / fish, published, 5e-5) << bank;
    EXPECT_EQ(counts.doomed - counts.doomed_at_one, lost_later) << bank;
  }
}

// Step one's dead are those of the five trial steps of the world itself.
TEST(Fates, AgreeWithTheWorldAboutStepOne) {
  World world(WithoutNeighbors(), 1, kFish);
  for (uint64_t seed : BankSeeds(411232, 12)) {
    world.Reset(0, {seed, 0.8, {}});
    const EnvironmentState before = world.Save(0);
    const std::vector<uint8_t> unavoidable = UnavoidableStepOneDeaths(world, 0);
    const std::vector<Fate> fates = FindFates(world, 0);
    for (int fish = 0; fish < kFish; ++fish) {
      EXPECT_EQ(fates[fish].kind == FateKind::kDoomed && fates[fish].last_step == 1,
                unavoidable[fish] != 0)
          << "seed " << seed << " fish " << fish;
    }
    EXPECT_TRUE(world.Save(0) == before);
  }
}

EnvironmentState Hunted(std::vector<float> x, Predator predator) {
  EnvironmentState state;
  state.predator = predator;
  state.x = std::move(x);
  state.y.assign(state.x.size(), 0.0f);
  state.vx.assign(state.x.size(), 0.0f);
  state.vy.assign(state.x.size(), 0.0f);
  state.death_step.assign(state.x.size(), 0);
  return state;
}

TEST(Fates, TellTheLastStepOfAFishThatIsRunDown) {
  World world(WithoutNeighbors(), 1, 4);
  // A predator far too fast for fish that stand still in its way, 0.9 a step: fish 0 is reached at
  // once, fish 1 in the next step, fish 2 in the third; fish 3 is behind it.
  ASSERT_TRUE(world.Restore(0, Hunted({0.5f, 2.0f, 3.2f, -5.0f}, {0, 0, 9, -0.05f})).ok());
  const std::vector<Fate> fates = FindFates(world, 0);
  for (int fish = 0; fish < 3; ++fish) {
    EXPECT_EQ(fates[fish].kind, FateKind::kDoomed) << fish;
    EXPECT_EQ(fates[fish].last_step, fish + 1) << fish;
  }
  EXPECT_EQ(fates[3].kind, FateKind::kSaved);
}

TEST(Fates, LeaveOpenWhatTheLimitDoesNotReach) {
  World world(WithoutNeighbors(), 1, 1);
  ASSERT_TRUE(world.Restore(0, Hunted({5.0f}, {})).ok());
  const std::vector<Fate> fates = FindFates(world, 0, 10);
  EXPECT_EQ(fates[0].kind, FateKind::kOpen);
  EXPECT_EQ(fates[0].states, 10);
}

}  // namespace
}  // namespace shoal
