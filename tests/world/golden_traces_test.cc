// Whole episodes against an independent model of WORLD.md (tests/data/world_traces.json): states,
// rewards, observations and deaths.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/world/world_testing.h"

namespace shoal {
namespace {

using nlohmann::json;

constexpr double kPositionTolerance = 1e-3;
constexpr double kTolerance = 1e-4;

BiasTable Table(const json& text) {
  absl::StatusOr<BiasTable> table = ParseBiasTable(text.get<std::string>());
  EXPECT_TRUE(table.ok()) << table.status();
  return *table;
}

WorldOptions OptionsOf(const json& given, EpisodeStart* start) {
  WorldOptions options;
  for (const auto& [name, value] : given.items()) {
    if (name == "initial_escape_boost") {
      options.initial_escape_boost = value;
    } else if (name == "escape_jitter_std") {
      options.escape_jitter_std = value;
    } else if (name == "predator_spawn_jitter_radius") {
      options.predator_spawn_jitter_radius = value;
    } else if (name == "predator_pre_roll_steps") {
      options.predator_pre_roll_steps = value;
    } else if (name == "predator_pre_roll_angle_jitter") {
      options.predator_pre_roll_angle_jitter = value;
    } else if (name == "predator_pre_roll_speed_jitter") {
      options.predator_pre_roll_speed_jitter = value;
    } else if (name == "predator_heading_bias") {
      options.predator_heading_bias = Table(value);
    } else if (name == "predator_pre_roll_speed_bias") {
      options.predator_pre_roll_speed_bias = Table(value);
    } else if (name == "tail_seed_velocity") {
      start->tail_velocity = value.get<std::array<float, 2>>();
    } else {
      ADD_FAILURE() << "the trace has an option this test does not know: " << name;
    }
  }
  return options;
}

// The largest difference of pairs [x, y] to `get(fish)`.
template <typename Get>
double Difference(const json& expected, Get get) {
  double largest = 0.0;
  for (size_t fish = 0; fish < expected.size(); ++fish) {
    const std::array<float, 2> actual = get(static_cast<int>(fish));
    for (int axis = 0; axis < 2; ++axis) {
      largest = std::max(largest, std::abs(actual[axis] - expected[fish][axis].get<double>()));
    }
  }
  return largest;
}

void ExpectState(const World& world, const json& expected) {
  const auto position = [&](int fish) { return world.fish_position(0, fish); };
  const auto velocity = [&](int fish) { return world.fish_velocity(0, fish); };
  EXPECT_LE(Difference(expected["fish_position"], position), kPositionTolerance);
  EXPECT_LE(Difference(expected["fish_velocity"], velocity), kPositionTolerance);
  const Predator& p = world.predator(0);
  EXPECT_NEAR(p.x, expected["predator_position"][0].get<double>(), kPositionTolerance);
  EXPECT_NEAR(p.y, expected["predator_position"][1].get<double>(), kPositionTolerance);
  EXPECT_NEAR(p.vx, expected["predator_velocity"][0].get<double>(), kPositionTolerance);
  EXPECT_NEAR(p.vy, expected["predator_velocity"][1].get<double>(), kPositionTolerance);
}

void ExpectObservations(const World& world, const json& expected) {
  std::vector<int32_t> fish(world.num_fish());
  for (int i = 0; i < world.num_fish(); ++i) fish[i] = i;
  std::vector<float> rows(static_cast<size_t>(world.num_fish()) * world.obs_dim());
  world.ObserveFish(0, fish.data(), world.num_fish(), rows.data());
  double largest = 0.0;
  for (int i = 0; i < world.num_fish(); ++i) {
    if (!world.alive(0, i)) continue;
    for (int value = 0; value < kNeighborObservation; ++value) {
      const double difference =
          std::abs(rows[static_cast<size_t>(i) * kNeighborObservation + value] -
                   expected[i][value].get<double>());
      EXPECT_LE(difference, kTolerance) << "fish " << i << ", value " << value;
      largest = std::max(largest, difference);
    }
  }
  testing::Test::RecordProperty("largest_difference", std::to_string(largest));
}

void ExpectStep(const World& world, const json& expected, float density_penalty_coef) {
  ExpectState(world, expected);
  EXPECT_EQ(world.alive_count(0), expected["alive"].get<int>());
  const std::string mask = expected["alive_mask"];
  std::vector<float> rewards(world.stride());
  world.Rewards(0, RewardKind::kShaped, density_penalty_coef, rewards.data());
  for (int fish = 0; fish < world.num_fish(); ++fish) {
    EXPECT_EQ(world.alive(0, fish), mask[fish] == '1') << "fish " << fish;
    EXPECT_NEAR(rewards[fish], expected["reward"][fish].get<double>(), kTolerance)
        << "fish " << fish;
  }
  if (!expected["observation"].is_null()) ExpectObservations(world, expected["observation"]);
}

void ReplayEpisode(const json& episode) {
  EpisodeStart start;
  const WorldOptions options = OptionsOf(episode["options"], &start);
  start.seed = episode["seed"];
  start.escape_boost_speed = episode["escape_boost_speed"];
  World world(options, 1, episode["num_fish"]);
  world.Reset(0, start);
  ExpectState(world, episode["initial"]);
  ExpectObservations(world, episode["observation_step0"]);

  const std::string policy = episode["policy"];
  size_t next = 0;
  for (int step = 1; step <= episode["horizon"].get<int>(); ++step) {
    std::vector<uint8_t> actions = MixedActions(world, step);
    if (policy != "mixed") RuleActions(world, 0, *FindRule(policy), nullptr, &actions);
    world.Step(actions.data());
    if (next < episode["steps"].size() && episode["steps"][next]["step"] == step) {
      SCOPED_TRACE("step " + std::to_string(step));
      ExpectStep(world, episode["steps"][next], episode["density_penalty_coef"]);
      ++next;
    }
  }
  EXPECT_EQ(next, episode["steps"].size());
  EXPECT_EQ(world.alive_count(0), episode["final_alive"].get<int>());
  for (int fish = 0; fish < world.num_fish(); ++fish) {
    const int death_step = world.death_step(0, fish);
    EXPECT_EQ(death_step == 0 ? -1 : death_step, episode["death_step"][fish].get<int>())
        << "fish " << fish;
  }
}

TEST(GoldenTraces, EveryEpisode) {
  const json episodes = ReadTestData("world_traces.json");
  ASSERT_EQ(episodes.size(), 12u);
  for (const json& episode : episodes) {
    SCOPED_TRACE("seed " + episode["seed"].dump());
    ReplayEpisode(episode);
  }
}

}  // namespace
}  // namespace shoal
