#include "actor/world/world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/world/world_testing.h"

namespace shoal {
namespace {

using testing::HasSubstr;

TEST(World, BeforeAResetNothingLives) {
  World world(WorldOptions(), 2, 13);
  EXPECT_EQ(world.stride(), 16);
  for (int env = 0; env < 2; ++env) {
    EXPECT_FALSE(world.active(env));
    EXPECT_EQ(world.alive_count(env), 0);
    EXPECT_EQ(world.step(env), 0);
  }
  world.Step(MixedActions(world, 1).data());
  EXPECT_EQ(world.step(0), 0);
}

TEST(World, ABatchIsItsSingleEnvironments) {
  constexpr int kEnvs = 5, kFish = 21;
  World batch(WorldOptions(), kEnvs, kFish);
  std::vector<World> singles(kEnvs, World(WorldOptions(), 1, kFish));
  for (int env = 0; env < kEnvs; ++env) {
    batch.Reset(env, {900u + env, 0.7, {}});
    singles[env].Reset(0, {900u + env, 0.7, {}});
  }
  std::vector<float> a(batch.stride()), b(batch.stride());
  for (int step = 1; step <= 300; ++step) {
    batch.Step(MixedActions(batch, step).data());
    for (int env = 0; env < kEnvs; ++env) {
      World& single = singles[env];
      single.Step(MixedActions(single, step).data());
      ASSERT_TRUE(batch.Save(env) == single.Save(0)) << "environment " << env << ", step " << step;
      ASSERT_EQ(batch.new_deaths(env), single.new_deaths(0));
      batch.Rewards(env, RewardKind::kShaped, 0.05f, a.data());
      single.Rewards(0, RewardKind::kShaped, 0.05f, b.data());
      ASSERT_EQ(a, b);
    }
  }
}

TEST(World, ARestoredEnvironmentContinuesBitForBit) {
  World world(WorldOptions(), 2, 25);
  world.Reset(0, {77, 0.8, {}});
  world.Reset(1, {78, 0.8, {}});
  for (int step = 1; step <= 60; ++step) world.Step(MixedActions(world, step).data());
  const EnvironmentState saved = world.Save(1);
  EXPECT_EQ(saved.step, 60);

  World other(WorldOptions(), 1, 25);
  other.Reset(0, {5, 0.1, {}});
  ASSERT_TRUE(other.Restore(0, saved).ok());
  EXPECT_TRUE(other.active(0));
  EXPECT_EQ(other.alive_count(0), world.alive_count(1));
  EXPECT_EQ(other.new_deaths(0), world.new_deaths(1));
  for (int step = 61; step <= 400; ++step) {
    world.Step(MixedActions(world, step).data());
    other.Step(MixedActions(other, step).data());
    ASSERT_TRUE(world.Save(1) == other.Save(0)) << "step " << step;
  }
  EXPECT_LT(other.alive_count(0), 25);
  for (int fish = 0; fish < 25; ++fish) {
    EXPECT_EQ(world.death_step(1, fish), other.death_step(0, fish));
    EXPECT_EQ(world.alive_mask(1)[fish], other.alive_mask(0)[fish]);
  }
}

TEST(World, RestoreRefusesWhatIsNoState) {
  World world(WorldOptions(), 1, 3);
  world.Reset(0, {1, 0.8, {}});
  const EnvironmentState good = world.Save(0);
  const auto error = [&](auto change) {
    EnvironmentState bad = good;
    change(&bad);
    const absl::Status status = world.Restore(0, bad);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_TRUE(world.Save(0) == good);
    return std::string(status.message());
  };
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_THAT(error([](auto* s) { s->x.pop_back(); }), HasSubstr("x has 2 values"));
  EXPECT_THAT(error([](auto* s) { s->death_step.push_back(0); }), HasSubstr("4 values"));
  EXPECT_THAT(error([](auto* s) { s->vy[1] = kNan; }), HasSubstr("vy of fish 1"));
  EXPECT_THAT(error([](auto* s) { s->y[2] = kInfinity; }), HasSubstr("finite"));
  EXPECT_THAT(error([](auto* s) { s->predator.vx = kNan; }), HasSubstr("predator"));
  EXPECT_THAT(error([](auto* s) { s->step = -1; }), HasSubstr("step is -1"));
  EXPECT_THAT(error([](auto* s) { s->death_step[0] = 1; }), HasSubstr("fish 0 died at step 1"));
  EXPECT_THAT(error([](auto* s) { s->death_step[0] = -1; }), HasSubstr("fish 0"));
  EXPECT_TRUE(world.Restore(0, good).ok());
}

TEST(World, AnInactiveEnvironmentStays) {
  World world(WorldOptions(), 2, 10);
  world.Reset(0, {1, 0.8, {}});
  world.Reset(1, {2, 0.8, {}});
  world.SetActive(0, false);
  const EnvironmentState before = world.Save(0);
  world.Step(MixedActions(world, 1).data());
  EXPECT_TRUE(world.Save(0) == before);
  EXPECT_EQ(world.step(1), 1);
  world.SetActive(0, true);
  world.Step(MixedActions(world, 2).data());
  EXPECT_EQ(world.step(0), 1);
}

TEST(World, NewDeathsAreThoseOfTheLastStep) {
  World world(WorldOptions(), 1, 60);
  world.Reset(0, {774941881, 0.75, {}});
  std::vector<int32_t> ids(60);
  int total = 0;
  for (int step = 1; step <= 500; ++step) {
    world.Step(MixedActions(world, step).data());
    const int deaths = world.NewDeaths(0, ids.data());
    EXPECT_EQ(deaths, world.new_deaths(0));
    total += deaths;
    for (int i = 0; i < deaths; ++i) {
      EXPECT_EQ(world.death_step(0, ids[i]), step);
      EXPECT_FALSE(world.alive(0, ids[i]));
      // It lies where it died, as near as that to the predator.
      const auto [x, y] = world.fish_position(0, ids[i]);
      EXPECT_LT(std::hypot(x - world.predator(0).x, y - world.predator(0).y), 0.7f);
    }
    EXPECT_EQ(world.alive_count(0), 60 - total);
  }
  EXPECT_GT(total, 5);
}

TEST(World, DeadFishAreFrozen) {
  World world(WorldOptions(), 1, 2);
  ASSERT_TRUE(world.Restore(0, Scene({0.3f, 5}, {0, 5}, {1, 1}, {0, 0}, {0, 0, 0, 0})).ok());
  world.Step(MixedActions(world, 1).data());
  ASSERT_FALSE(world.alive(0, 0));
  const auto position = world.fish_position(0, 0);
  const auto velocity = world.fish_velocity(0, 0);
  for (int step = 2; step < 20; ++step) world.Step(MixedActions(world, step).data());
  EXPECT_EQ(world.fish_position(0, 0), position);
  EXPECT_EQ(world.fish_velocity(0, 0), velocity);
  EXPECT_EQ(world.death_step(0, 0), 1);
  EXPECT_NE(world.fish_position(0, 1)[0], 5.0f);
}

TEST(Reset, TheSameSeedIsTheSameSceneWhateverWasBefore) {
  World world(WorldOptions(), 1, 40);
  const EpisodeStart start = {123456, 0.8, {}};
  const SceneStats stats = world.Reset(0, start);
  const EnvironmentState scene = world.Save(0);
  for (int step = 1; step <= 100; ++step) world.Step(MixedActions(world, step).data());
  const SceneStats again = world.Reset(0, start);
  EXPECT_TRUE(world.Save(0) == scene);
  EXPECT_EQ(stats.final_speed, again.final_speed);
  world.Reset(0, {123457, 0.8, {}});
  EXPECT_FALSE(world.Save(0) == scene);
}

TEST(Reset, ATailVelocityReplacesThePredatorsAndNothingElse) {
  World world(WorldOptions(), 1, 10);
  const SceneStats plain = world.Reset(0, {9, 0.8, {}});
  EnvironmentState expected = world.Save(0);
  const SceneStats tail = world.Reset(0, {9, 0.8, std::array<float, 2>{-0.5f, 1.25f}});
  expected.predator.vx = -0.5f;
  expected.predator.vy = 1.25f;
  EXPECT_TRUE(world.Save(0) == expected);
  EXPECT_EQ(tail.final_heading_deg, plain.final_heading_deg);
}

TEST(Reset, SceneStatsTellHowThePredatorBegan) {
  WorldOptions options;
  options.predator_pre_roll_steps = 0;
  World world(options, 1, 4);
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const SceneStats stats = world.Reset(0, {seed, 0.8, {}});
    const Predator& p = world.predator(0);
    EXPECT_LE(stats.spawn_radius, 1.6);
    EXPECT_NEAR(stats.spawn_radius, std::hypot(p.x, p.y), 1e-5);
    EXPECT_NEAR(std::cos(stats.spawn_angle_deg * M_PI / 180) * stats.spawn_radius, p.x, 1e-5);
    EXPECT_NEAR(stats.initial_speed, 1.5, 1e-6);
    EXPECT_GE(stats.initial_heading_deg, 0.0);
    EXPECT_LT(stats.initial_heading_deg, 330.0 + 1e-4);
    EXPECT_EQ(stats.final_heading_deg, stats.initial_heading_deg);
  }
  options.predator_spawn_jitter_radius = 0.0;
  World centred(options, 1, 4);
  EXPECT_EQ(centred.Reset(0, {3, 0.8, {}}).spawn_radius, 0.0);
}

// One fish and the predator far from it; the fish after one step with `action`.
EnvironmentState AfterOneStep(float x, float y, float vx, float vy, uint8_t action) {
  World world(WorldOptions(), 1, 1);
  EXPECT_TRUE(world.Restore(0, Scene({x}, {y}, {vx}, {vy}, {-8, 0, 0, 0})).ok());
  const std::vector<uint8_t> actions(world.stride(), action);
  world.Step(actions.data());
  return world.Save(0);
}

TEST(Step, Actions) {
  EXPECT_FLOAT_EQ(AfterOneStep(0, 0, 1, 0, kAccelerate).vx[0], 1.1f);
  EXPECT_FLOAT_EQ(AfterOneStep(0, 0, 1, 0, kAccelerate).x[0], 0.11f);
  EXPECT_FLOAT_EQ(AfterOneStep(0, 0, 1, 0, kDecelerate).vx[0], 0.9f);
  EXPECT_FLOAT_EQ(AfterOneStep(0, 0, 1, 0, kHold).vx[0], 1.0f);
  EXPECT_FLOAT_EQ(AfterOneStep(0, 0, 1, 0, kTurnLeft).vy[0], 0.5f);
  EXPECT_FLOAT_EQ(AfterOneStep(0, 0, 1, 0, kTurnRight).vy[0], -0.5f);
  EXPECT_FLOAT_EQ(AfterOneStep(0, 0, 0, 2, kAccelerate).vy[0], 2.0f);
  // Too slow to have a heading: +x.
  EXPECT_FLOAT_EQ(AfterOneStep(0, 0, 0, 0.005f, kAccelerate).vx[0], 0.1f);
  EXPECT_FLOAT_EQ(AfterOneStep(0, 0, 0, 0, kHold).x[0], 0.0f);
}

TEST(Step, TheRimTakesHalfOfTheOutwardSpeed) {
  const EnvironmentState state = AfterOneStep(9.9f, 0, 1.5f, 0.4f, kHold);
  EXPECT_NEAR(std::hypot(state.x[0], state.y[0]), 10.0, 1e-5);
  EXPECT_NEAR(state.vx[0], -0.75, 0.01);
  EXPECT_NEAR(state.vy[0], 0.4, 0.01);
}

TEST(Step, ThePredatorFallsAndBounces) {
  Predator predator = {0, 9.9f, 0.3f, 1.95f};
  StepPredator(&predator);
  EXPECT_NEAR(predator.y, 10.0, 1e-4);
  EXPECT_NEAR(predator.vy, -0.85 * 2.0, 0.01);
  predator = {0, 0, 1, 0};
  StepPredator(&predator);
  EXPECT_FLOAT_EQ(predator.x, 0.1f);
  EXPECT_FLOAT_EQ(predator.y, 0.005f);
  EXPECT_FLOAT_EQ(predator.vy, 0.05f);
}

TEST(UnavoidableStepOneDeaths, AFishThatOneActionSavesIsNotCounted) {
  World world(WorldOptions(), 1, 3);
  // Fish 0 is within reach whatever it does, fish 1 out of reach. Fish 2, at 0.8 with its speed
  // towards the predator, dies if it holds (0.69) and lives if it slows down (0.71).
  const EnvironmentState scene =
      Scene({0.1f, 5, 0.81f}, {0, 0, 0}, {0, 0, -1.15f}, {0, 0, 0}, {0, -0.005f, 0, 0});
  ASSERT_TRUE(world.Restore(0, scene).ok());
  EXPECT_EQ(UnavoidableStepOneDeaths(world, 0), (std::vector<uint8_t>{1, 0, 0}));
  EXPECT_TRUE(world.Save(0) == scene);
  const std::vector<uint8_t> hold(world.stride(), kHold);
  world.Step(hold.data());
  EXPECT_FALSE(world.alive(0, 2));
}

}  // namespace
}  // namespace shoal
