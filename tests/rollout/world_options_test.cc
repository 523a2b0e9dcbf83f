#include "actor/rollout/world_options.h"

#include <limits>

#include "actor/rollout/settings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal {
namespace {

using ::testing::HasSubstr;

TEST(ReadWorldOptions, DefaultsAreTheWorldsOwn) {
  const absl::StatusOr<WorldOptions> read = ReadWorldOptions(v1::RunOptions());
  ASSERT_TRUE(read.ok()) << read.status();
  const WorldOptions own;
  EXPECT_EQ(read->include_neighbor_features, own.include_neighbor_features);
  EXPECT_EQ(read->neighbor_radius, own.neighbor_radius);
  EXPECT_EQ(read->neighbor_average_count, own.neighbor_average_count);
  EXPECT_EQ(read->initial_escape_boost, own.initial_escape_boost);
  EXPECT_EQ(read->escape_jitter_std, own.escape_jitter_std);
  EXPECT_EQ(read->divergence_reward_coef, own.divergence_reward_coef);
  EXPECT_EQ(read->density_target, own.density_target);
  EXPECT_EQ(read->predator_spawn_jitter_radius, own.predator_spawn_jitter_radius);
  EXPECT_EQ(read->predator_pre_roll_steps, own.predator_pre_roll_steps);
  EXPECT_EQ(read->predator_pre_roll_angle_jitter, own.predator_pre_roll_angle_jitter);
  EXPECT_EQ(read->predator_pre_roll_speed_jitter, own.predator_pre_roll_speed_jitter);
  ASSERT_EQ(read->predator_heading_bias.bins.size(), 8u);
  EXPECT_EQ(read->predator_heading_bias.bins[2].weight, 0.08);
  ASSERT_EQ(read->predator_pre_roll_speed_bias.bins.size(), 5u);
  EXPECT_EQ(read->predator_pre_roll_speed_bias.bins[4].end, 3.0);
}

TEST(ReadWorldOptions, EmptyTablesAreOff) {
  v1::RunOptions options;
  options.set_predator_heading_bias("");
  options.set_predator_pre_roll_speed_bias("");
  const absl::StatusOr<WorldOptions> read = ReadWorldOptions(options);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(read->predator_heading_bias.empty());
  EXPECT_TRUE(read->predator_pre_roll_speed_bias.empty());
}

TEST(ReadWorldOptions, ErrorsNameTheOption) {
  v1::RunOptions options;
  options.set_predator_pre_roll_speed_bias("2-1:3");
  EXPECT_THAT(ReadWorldOptions(options).status().message(),
              HasSubstr("--predator_pre_roll_speed_bias \"2-1:3\": "));
  options.Clear();
  options.set_density_target(std::numeric_limits<double>::infinity());
  EXPECT_THAT(ReadWorldOptions(options).status().message(), HasSubstr("--density_target inf"));
}

// Options come from the coordinator, over the network; a world ends the program for them.
TEST(ReadWorldOptions, RefusesWhatAWorldCannotTake) {
  const auto error = [](void (*spoil)(v1::RunOptions&)) {
    v1::RunOptions options;
    spoil(options);
    return std::string(ReadWorldOptions(options).status().message());
  };
  EXPECT_THAT(error([](auto& o) { o.set_neighbor_radius(1e-50); }),
              HasSubstr("--neighbor_radius 1e-50"));
  EXPECT_THAT(error([](auto& o) { o.set_neighbor_average_count(int64_t{1} << 32); }),
              HasSubstr("--neighbor_average_count 4294967296"));
  EXPECT_THAT(error([](auto& o) { o.set_predator_pre_roll_steps(int64_t{1} << 40); }),
              HasSubstr("--predator_pre_roll_steps"));
  EXPECT_THAT(error([](auto& o) { o.set_predator_heading_bias("0-1e308:1"); }),
              HasSubstr("the bin 0-1e+308 ends above 360"));
  EXPECT_THAT(error([](auto& o) { o.set_predator_pre_roll_speed_bias("1-2:1,2-11:1"); }),
              HasSubstr("the bin 2-11 ends above 10"));
}

TEST(ReadRolloutSettings, ModesAndSlots) {
  v1::RunOptions options;
  options.set_train_fish_per_env(3);
  EXPECT_EQ(ReadRolloutSettings(options)->tracked_fish, 3);
  options.set_training_mode("focal");
  EXPECT_EQ(ReadRolloutSettings(options)->tracked_fish, 1);
  EXPECT_EQ(ReadRolloutSettings(options)->mode, TrainingMode::kFocal);
}

TEST(ReadRolloutSettings, ErrorsNameOptionAndValue) {
  v1::RunOptions options;
  options.set_training_mode("school");
  EXPECT_THAT(ReadRolloutSettings(options).status().message(),
              HasSubstr("--training_mode school: accepted are per_fish"));
  options.Clear();
  options.set_episode_limit(501);
  EXPECT_THAT(ReadRolloutSettings(options).status().message(),
              HasSubstr("--episode_limit 501: 1 to 500"));
  options.Clear();
  options.set_gamma(std::numeric_limits<double>::quiet_NaN());
  EXPECT_FALSE(ReadRolloutSettings(options).ok());
}

}  // namespace
}  // namespace shoal
