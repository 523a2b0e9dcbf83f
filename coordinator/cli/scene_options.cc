#include "coordinator/cli/scene_options.h"

#include <CLI/CLI.hpp>
#include <array>
#include <sstream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "actor/world/numpy_random.h"
#include "common/command_line.h"
#include "common/files.h"
#include "coordinator/tail/mix_file.h"

namespace shoal {

void AddSceneOptions(CLI::App& app, SceneArguments& scenes) {
  app.add_option("--bank", scenes.bank, "bank of scenes")->capture_default_str();
  app.add_option("--episodes", scenes.episodes, "scenes")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_option("--num_fish", scenes.num_fish, "fish in a scene")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option("--escape_boost_speed", scenes.boost)
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--escape_jitter_std", scenes.jitter_std)
      ->check(CLI::Range(0.0, 10.0))
      ->capture_default_str();
  app.add_option("--predator_spawn_jitter_radius", scenes.spawn_jitter)
      ->check(CLI::Range(0.0, 10.0))
      ->capture_default_str();
  app.add_option("--predator_pre_roll_steps", scenes.pre_roll_steps)
      ->check(CLI::Range(0, 100000))
      ->capture_default_str();
  app.add_option("--predator_pre_roll_angle_jitter", scenes.angle_jitter)
      ->check(CLI::Range(0.0, 6.4))
      ->capture_default_str();
  app.add_option("--predator_pre_roll_speed_jitter", scenes.speed_jitter)
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--predator_heading_bias", scenes.heading_bias, "start-end:weight,...; \"\": none");
  app.add_option("--predator_pre_roll_speed_bias", scenes.speed_bias,
                 "start-end:weight,...; \"\": none");
  app.add_option("--tail_seed_replay_path", scenes.tail_path,
                 "tail scenes: scene i begins with velocity i of this mix file (`shoal tail make`), "
                 "again from the first after the last")
      ->type_name("FILE");
}

absl::StatusOr<SceneArguments> ParseScenes(const std::string& text) {
  std::vector<std::string> words = absl::StrSplit(text, ' ', absl::SkipEmpty());
  SceneArguments scenes;
  const std::vector<std::string> head =
      words.empty() ? std::vector<std::string>() : absl::StrSplit(words[0], ':');
  if (head.size() != 2 || !absl::SimpleAtoi(head[0], &scenes.bank) ||
      !absl::SimpleAtoi(head[1], &scenes.episodes) || scenes.episodes < 1 ||
      scenes.episodes > 1000000) {
    return absl::InvalidArgumentError(
        absl::StrCat("--bank ", text, ": expected is BANK:EPISODES, for example 412000:40, and after "
                     "it any options of the scenes"));
  }
  words.erase(words.begin());
  CLI::App app("scenes");
  AddSceneOptions(app, scenes);
  std::vector<const char*> argv = {"scenes"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  std::ostringstream shown;
  auto outcome = ParseCommandLine(app, static_cast<int>(argv.size()), argv.data(), shown);
  if (!outcome.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--bank \"", text, "\": ", outcome.status().message()));
  }
  return scenes;
}

absl::Status ApplySceneOptions(const SceneArguments& scenes, WorldOptions& world) {
  world.escape_jitter_std = scenes.jitter_std;
  world.predator_spawn_jitter_radius = scenes.spawn_jitter;
  world.predator_pre_roll_steps = scenes.pre_roll_steps;
  world.predator_pre_roll_angle_jitter = scenes.angle_jitter;
  world.predator_pre_roll_speed_jitter = scenes.speed_jitter;
  if (scenes.heading_bias) {
    auto table = ParseBiasTable(*scenes.heading_bias);
    if (!table.ok()) return table.status();
    world.predator_heading_bias = *std::move(table);
  }
  if (scenes.speed_bias) {
    auto table = ParseBiasTable(*scenes.speed_bias);
    if (!table.ok()) return table.status();
    world.predator_pre_roll_speed_bias = *std::move(table);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<EpisodeStart>> SceneStarts(const SceneArguments& scenes) {
  std::vector<Velocity> velocities;
  if (!scenes.tail_path.empty()) {
    auto text = ReadFile(scenes.tail_path);
    if (!text.ok()) return text.status();
    auto mix = ReadMix(*text, scenes.tail_path);
    if (!mix.ok()) return mix.status();
    velocities = *std::move(mix);
  }
  std::vector<EpisodeStart> starts;
  for (uint64_t seed : BankSeeds(scenes.bank, scenes.episodes)) {
    EpisodeStart start;
    start.seed = seed;
    start.escape_boost_speed = scenes.boost;
    if (!velocities.empty()) {
      const Velocity& velocity = velocities[starts.size() % velocities.size()];
      start.tail_velocity = std::array<float, 2>{static_cast<float>(velocity.x),
                                                 static_cast<float>(velocity.y)};
    }
    starts.push_back(start);
  }
  return starts;
}

}  // namespace shoal
