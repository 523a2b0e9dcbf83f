// Observations against a plain transcription of WORLD.md in double.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/world/world_testing.h"

namespace shoal {
namespace {

struct Neighbor {
  double distance, dx, dy, speed, outflow;
};

std::vector<double> NeighborValues(const EnvironmentState& s, int fish, double radius, int k) {
  std::vector<Neighbor> all;
  for (int j = 0; j < static_cast<int>(s.x.size()); ++j) {
    if (j == fish || s.death_step[j] != 0) continue;
    const double dx = double{s.x[j]} - s.x[fish], dy = double{s.y[j]} - s.y[fish];
    const double distance = std::hypot(dx, dy);
    if (distance > radius) continue;
    const double along = distance > 0 ? (s.vx[j] * dx + s.vy[j] * dy) / distance : 0.0;
    all.push_back({distance, dx, dy, std::hypot(s.vx[j], s.vy[j]), along});
  }
  std::vector<double> values(7, 0.0);
  if (all.empty()) return values;
  std::stable_sort(all.begin(), all.end(),
                   [](const Neighbor& a, const Neighbor& b) { return a.distance < b.distance; });
  const double count = static_cast<double>(all.size());
  const int kept = std::min<int>(k, static_cast<int>(all.size()));
  values[0] = std::min(count / k, 1.0);
  for (int i = 0; i < kept; ++i) {
    values[1] += all[i].dx / kept / radius;
    values[2] += all[i].dy / kept / radius;
  }
  values[3] = all[0].distance / radius;
  double mean = 0.0, variance = 0.0, outflow = 0.0;
  for (const Neighbor& n : all) mean += n.speed / count;
  for (const Neighbor& n : all) variance += (n.speed - mean) * (n.speed - mean) / count;
  for (const Neighbor& n : all) outflow += n.outflow / count;
  values[4] = mean / 2.0;
  values[5] = std::sqrt(variance) / 2.0;
  values[6] = outflow / 2.0;
  return values;
}

std::vector<float> Observe(const World& world, const std::vector<int32_t>& fish) {
  std::vector<float> rows(fish.size() * world.obs_dim());
  world.ObserveFish(0, fish.data(), static_cast<int>(fish.size()), rows.data());
  return rows;
}

void ExpectNeighborValues(const World& world) {
  const EnvironmentState state = world.Save(0);
  const WorldOptions& options = world.options();
  for (int fish = 0; fish < world.num_fish(); ++fish) {
    const std::vector<float> row = Observe(world, {fish});
    const std::vector<double> expected =
        NeighborValues(state, fish, options.neighbor_radius, options.neighbor_average_count);
    for (int i = 0; i < 7; ++i) {
      EXPECT_NEAR(row[kBaseObservation + i], expected[i], 1e-5)
          << "fish " << fish << ", value " << kBaseObservation + i;
    }
  }
}

TEST(Observe, NeighborValuesWithAnyCountAndRadius) {
  for (const int k : {1, 2, 6, 7, 100}) {
    for (const float radius : {0.5f, 3.0f, 20.0f}) {
      for (const int num_fish : {1, 2, 9, 33}) {
        WorldOptions options;
        options.neighbor_average_count = k;
        options.neighbor_radius = radius;
        World world(options, 1, num_fish);
        world.Reset(0, {static_cast<uint64_t>(100 * k + num_fish), 0.8, {}});
        ExpectNeighborValues(world);
        for (int step = 1; step <= 60; ++step) world.Step(MixedActions(world, step).data());
        ExpectNeighborValues(world);
      }
    }
  }
}

TEST(Observe, OfNeighborsAtOneDistanceTheFirstIdsAreAveraged) {
  WorldOptions options;
  options.neighbor_average_count = 2;
  World world(options, 1, 5);
  // Four neighbours of fish 2 at distance 1: the mean is that of fish 0 and 1.
  ASSERT_TRUE(world
                  .Restore(0, Scene({1, 0, 0, -1, 0}, {0, 1, 0, 0, -1}, {0, 0, 0, 0, 0},
                                    {0, 0, 0, 0, 0}, {8, 0, 0, 0}))
                  .ok());
  const std::vector<float> row = Observe(world, {2});
  EXPECT_FLOAT_EQ(row[12], 0.5f / 3.0f);
  EXPECT_FLOAT_EQ(row[13], 0.5f / 3.0f);
  EXPECT_EQ(row[11], 1.0f);
}

TEST(Observe, TwoFishAtOnePlaceAreNeighborsWithoutDirection) {
  World world(WorldOptions(), 1, 2);
  ASSERT_TRUE(world.Restore(0, Scene({1, 1}, {2, 2}, {0.5f, 1.0f}, {0, 0}, {8, 0, 0, 0})).ok());
  const std::vector<float> row = Observe(world, {0});
  const float expected[] = {1.0f / 6.0f, 0, 0, 0, 0.5f, 0, 0};
  for (int i = 0; i < 7; ++i) EXPECT_FLOAT_EQ(row[11 + i], expected[i]) << i;
}

TEST(Observe, ThePredatorIsSeenWithinAThirdOfTheStage) {
  World world(WorldOptions(), 1, 2);
  ASSERT_TRUE(world
                  .Restore(0, Scene({3.0f, -6.0f}, {4.0f, 8.0f}, {1.0f, 0}, {-0.5f, 0},
                                    {3.0f, 2.0f, 1.0f, -2.0f}))
                  .ok());
  const std::vector<float> rows = Observe(world, {0, 1});
  const float seen[] = {0.3f, 0.4f, 0.5f, -0.25f, 0.5f, 1.0f, 0.0f, -0.6f, 0.5f, -1.0f, 0.6f};
  const float unseen[] = {-0.6f, 0.8f, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  for (int i = 0; i < kBaseObservation; ++i) {
    EXPECT_NEAR(rows[i], seen[i], 1e-6) << i;
    EXPECT_NEAR(rows[kNeighborObservation + i], unseen[i], 1e-6) << i;
  }
}

TEST(Observe, LivingRowsAreThoseOfTheirFish) {
  World world(WorldOptions(), 3, 30);
  for (int env = 0; env < 3; ++env) world.Reset(env, {40u + env, 0.8, {}});
  std::vector<float> rows(30 * kNeighborObservation);
  std::vector<int32_t> ids(30);
  int with_dead = 0;
  for (int step = 1; step <= 200; ++step) {
    world.Step(MixedActions(world, step).data());
    for (int env = 0; env < 3; ++env) {
      const int count = world.ObserveLiving(env, rows.data(), ids.data());
      ASSERT_EQ(count, world.alive_count(env));
      with_dead += count < 30;
      std::vector<float> listed(count * kNeighborObservation);
      world.ObserveFish(env, ids.data(), count, listed.data());
      EXPECT_TRUE(std::equal(listed.begin(), listed.end(), rows.begin()));
      EXPECT_TRUE(std::is_sorted(ids.begin(), ids.begin() + count));
      for (int i = 0; i < count; ++i) EXPECT_TRUE(world.alive(env, ids[i]));
    }
  }
  EXPECT_GT(with_dead, 100);
}

TEST(Observe, WithoutNeighborFeaturesTheFirstElevenValuesAreTheSame) {
  WorldOptions options;
  World with(options, 1, 19);
  options.include_neighbor_features = false;
  World without(options, 1, 19);
  with.Reset(0, {8, 0.8, {}});
  without.Reset(0, {8, 0.8, {}});
  EXPECT_EQ(with.obs_dim(), 18);
  EXPECT_EQ(without.obs_dim(), 11);
  std::vector<float> long_rows(19 * 18), short_rows(19 * 11);
  std::vector<int32_t> ids(19);
  with.ObserveLiving(0, long_rows.data(), ids.data());
  without.ObserveLiving(0, short_rows.data(), ids.data());
  for (int fish = 0; fish < 19; ++fish) {
    for (int i = 0; i < 11; ++i) EXPECT_EQ(long_rows[fish * 18 + i], short_rows[fish * 11 + i]);
  }
}

}  // namespace
}  // namespace shoal
