// Rewards against cases worked by hand.
#include <gtest/gtest.h>

#include "tests/world/world_testing.h"

namespace shoal {
namespace {

constexpr float kTolerance = 1e-5f;

std::vector<float> Rewards(const World& world, RewardKind kind, float density_penalty_coef) {
  std::vector<float> rewards(world.stride(), 123.0f);
  world.Rewards(0, kind, density_penalty_coef, rewards.data());
  return rewards;
}

// Fish 0 alone far from all, 1 within sight of the predator, 2 at the rim, 3 about to die.
World FourFish() {
  World world(WorldOptions(), 1, 4);
  // The predator's next step takes it from (0, 0) to (0.15, 0.005).
  EXPECT_TRUE(world
                  .Restore(0, Scene({-6, 0.15f, 9.5f, 0.5f}, {0, 2.005f, 0, 0}, {0, 0, 0, 0},
                                    {0, 0, 0, 0}, {0, 0, 1.5f, 0}))
                  .ok());
  const std::vector<uint8_t> hold(world.stride(), kHold);
  world.Step(hold.data());
  return world;
}

TEST(Reward, Shaped) {
  World world = FourFish();
  std::vector<float> rewards = Rewards(world, RewardKind::kShaped, 0.0f);
  EXPECT_NEAR(rewards[0], 0.1f * (2 + 5), kTolerance);
  EXPECT_NEAR(rewards[1], 0.1f * (2 + 10 * 2.0f / (10.0f / 3)), kTolerance);
  EXPECT_NEAR(rewards[2], 0.1f * (2 + 5 - 2 * 0.5f), kTolerance);
  EXPECT_EQ(rewards[3], -50.0f);
  for (int lane = 4; lane < world.stride(); ++lane) EXPECT_EQ(rewards[lane], 0.0f);
  // Dead before: 0.
  const std::vector<uint8_t> hold(world.stride(), kHold);
  world.Step(hold.data());
  EXPECT_EQ(Rewards(world, RewardKind::kShaped, 0.0f)[3], 0.0f);
}

TEST(Reward, SurvivalAndDeathOnly) {
  World world = FourFish();
  std::vector<float> survival = Rewards(world, RewardKind::kSurvival, 0.0f);
  std::vector<float> death_only = Rewards(world, RewardKind::kDeathOnly, 0.0f);
  for (int fish = 0; fish < 3; ++fish) {
    EXPECT_EQ(survival[fish], 0.7f);
    EXPECT_EQ(death_only[fish], 0.0f);
  }
  EXPECT_EQ(survival[3], -50.0f);
  EXPECT_EQ(death_only[3], -1.0f);
  const std::vector<uint8_t> hold(world.stride(), kHold);
  world.Step(hold.data());
  EXPECT_EQ(Rewards(world, RewardKind::kSurvival, 0.0f)[3], 0.0f);
  EXPECT_EQ(Rewards(world, RewardKind::kDeathOnly, 0.0f)[3], 0.0f);
}

// Fish 0 has five neighbours at distance 1, each with the others near; fish 6 is alone.
World Crowd(float divergence_reward_coef) {
  WorldOptions options;
  options.divergence_reward_coef = divergence_reward_coef;
  World world(options, 1, 7);
  // Fish 1 swims away from fish 0 at 1, fish 2 towards it at 0.5; the others rest.
  EXPECT_TRUE(world
                  .Restore(0, Scene({-5, -4, -6, -5, -5, -4.5f, 6}, {0, 0, 0, 1, -1, 0.5f, -6},
                                    {0, 1, 0.5f, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0, 0}, {0, 8, 0, 0}))
                  .ok());
  return world;
}

TEST(Reward, DensityPenaltyInProportionToThePriceOfADeath) {
  World world = Crowd(0.0f);
  // Five neighbours of six, less the target of 0.4.
  const float crowding = 5.0f / 6.0f - 0.4f;
  EXPECT_NEAR(Rewards(world, RewardKind::kShaped, 0.5f)[0], 0.7f - 0.1f * 0.5f * crowding,
              kTolerance);
  EXPECT_NEAR(Rewards(world, RewardKind::kSurvival, 0.5f)[0], 0.7f - 0.1f * 0.5f * crowding,
              kTolerance);
  EXPECT_NEAR(Rewards(world, RewardKind::kDeathOnly, 0.5f)[0], -0.002f * 0.5f * crowding, 1e-7f);
  // Alone: none.
  EXPECT_EQ(Rewards(world, RewardKind::kSurvival, 0.5f)[6], 0.7f);
}

TEST(Reward, DivergenceIsObservationValue17) {
  World world = Crowd(0.3f);
  // Of five neighbours fish 1 goes away at 1 and fish 2 comes nearer at 0.5; in units of 2.
  const float outflow = (1.0f - 0.5f) / 5.0f / 2.0f;
  std::vector<float> rows(7 * kNeighborObservation);
  std::vector<int32_t> ids(7);
  ASSERT_EQ(world.ObserveLiving(0, rows.data(), ids.data()), 7);
  EXPECT_NEAR(rows[17], outflow, kTolerance);
  EXPECT_NEAR(Rewards(world, RewardKind::kSurvival, 0.0f)[0], 0.7f + 0.1f * 0.3f * outflow,
              kTolerance);
  EXPECT_NEAR(Rewards(world, RewardKind::kDeathOnly, 0.0f)[0], 0.002f * 0.3f * outflow, 1e-7f);
  EXPECT_NEAR(Rewards(world, RewardKind::kShaped, 0.5f)[0],
              0.7f + 0.1f * (0.3f * outflow - 0.5f * (5.0f / 6.0f - 0.4f)), kTolerance);
  EXPECT_EQ(Rewards(world, RewardKind::kSurvival, 0.0f)[6], 0.7f);
}

TEST(Reward, TheDeadAreNobodysNeighbours) {
  World world = Crowd(0.0f);
  EnvironmentState state = world.Save(0);
  state.step = 3;
  state.death_step[1] = 3;
  state.death_step[2] = 2;
  state.death_step[3] = 1;
  ASSERT_TRUE(world.Restore(0, state).ok());
  std::vector<float> rewards = Rewards(world, RewardKind::kSurvival, 0.5f);
  // Two are left, below the target of 0.4 * 6.
  EXPECT_EQ(rewards[0], 0.7f);
  EXPECT_EQ(rewards[1], -50.0f);
  EXPECT_EQ(rewards[2], 0.0f);
}

}  // namespace
}  // namespace shoal
