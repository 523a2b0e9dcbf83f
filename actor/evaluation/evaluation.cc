#include "actor/evaluation/evaluation.h"

#include <vector>

#include "absl/strings/str_format.h"
#include "actor/evaluation/scene_stepper.h"
#include "actor/rollout/settings.h"
#include "actor/rollout/step_one_deaths.h"
#include "actor/rollout/world_options.h"
#include "actor/world/world.h"

namespace shoal {
namespace {

void SetStart(const SceneStats& stats, v1::SceneStart* start) {
  start->set_spawn_radius(stats.spawn_radius);
  start->set_spawn_angle(stats.spawn_angle_deg);
  start->set_initial_speed(stats.initial_speed);
  start->set_initial_heading(stats.initial_heading_deg);
  start->set_final_speed(stats.final_speed);
  start->set_final_heading(stats.final_heading_deg);
}

}  // namespace

// The defaults of WorldOptions are those of a run's options, which may change; these may not.
WorldOptions StandardWorldOptions() {
  WorldOptions options;
  options.initial_escape_boost = true;
  options.escape_jitter_std = 0.35;
  options.predator_spawn_jitter_radius = 1.6;
  options.predator_pre_roll_steps = 16;
  options.predator_pre_roll_angle_jitter = 0.3;
  options.predator_pre_roll_speed_jitter = 0.2;
  options.predator_heading_bias = {{{0, 60, 1.1},
                                    {60, 90, 0.8},
                                    {90, 120, 0.08},
                                    {120, 150, 0.05},
                                    {150, 210, 0.9},
                                    {210, 270, 1.3},
                                    {270, 330, 1.2},
                                    {330, 360, 0.95}}};
  options.predator_pre_roll_speed_bias = {
      {{0, 1.0, 1.6}, {1.0, 1.6, 1.3}, {1.6, 2.0, 0.7}, {2.0, 2.4, 0.35}, {2.4, 3.0, 0.2}}};
  return options;
}

absl::StatusOr<v1::EvaluationEpisode> PlayScene(const WorldOptions& options,
                                                const EpisodeStart& start, int num_fish,
                                                Player& player) {
  const uint64_t seed = start.seed;
  const double escape_boost_speed = start.escape_boost_speed;
  if (num_fish < 1 || num_fish > kMaxFish) {
    return absl::InvalidArgumentError(
        absl::StrFormat("scene %d: %d fish; 1 to %d are right", seed, num_fish, kMaxFish));
  }
  if (!(escape_boost_speed >= 0 && escape_boost_speed <= 1)) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "scene %d: escape boost speed %g; 0 to 1 are right", seed, escape_boost_speed));
  }
  World world(options, /*num_envs=*/1, num_fish);
  v1::EvaluationEpisode episode;
  episode.set_seed(seed);
  episode.set_num_fish(num_fish);
  SetStart(world.Reset(0, start), episode.mutable_start());
  const std::vector<uint8_t> unavoidable = UnavoidableStepOneDeaths(world, 0);

  player.BeginScene(seed);
  SceneStepper stepper(world);
  while (world.step(0) < kHorizon && world.alive_count(0) > 0) {
    stepper.Step(player, &world);
    if (world.step(0) == 1) AddStepOneDeaths(world, 0, episode.mutable_step_one_deaths());
  }

  for (v1::StepOneDeath& death : *episode.mutable_step_one_deaths()) {
    death.set_unavoidable(unavoidable[death.fish_index()] != 0);
  }
  for (int fish = 0; fish < num_fish; ++fish) {
    episode.add_death_step(static_cast<uint32_t>(world.death_step(0, fish)));
  }
  episode.set_length(world.step(0));
  return episode;
}

absl::StatusOr<v1::EvaluationEpisode> PlayScene(const WorldOptions& options, uint64_t seed,
                                                int num_fish, double escape_boost_speed,
                                                Player& player) {
  EpisodeStart start;
  start.seed = seed;
  start.escape_boost_speed = escape_boost_speed;
  return PlayScene(options, start, num_fish, player);
}

absl::StatusOr<v1::EvaluationEpisode> ComputeEvaluation(const v1::RunOptions& options,
                                                        const v1::EvaluationItem& item,
                                                        PolicyBackend& backend) {
  absl::StatusOr<WorldOptions> world = ReadWorldOptions(options);
  if (!world.ok()) return world.status();
  GreedyPlayer player(&backend);
  return PlayScene(*world, item.seed(), item.num_fish(), item.escape_boost_speed(), player);
}

}  // namespace shoal
