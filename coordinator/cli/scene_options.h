// The scenes that `shoal eval`, `shoal ceiling` and `shoal sweep` play: a bank and the world's options,
// by the names of RUN.md. The defaults are the standard evaluation.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "actor/evaluation/evaluation.h"
#include "actor/world/options.h"
#include "actor/world/world.h"

namespace shoal {

struct SceneArguments {
  uint64_t bank = 412000;
  int episodes = 40;
  int num_fish = kStandardFish;
  double boost = kStandardBoost;
  double jitter_std = 0.35;
  double spawn_jitter = 1.6;
  int pre_roll_steps = 16;
  double angle_jitter = 0.3;
  double speed_jitter = 0.2;
  // None: the default table; "": no table.
  std::optional<std::string> heading_bias;
  std::optional<std::string> speed_bias;
  // A mix file of predator velocities, scene i taking the (i mod count)th; "": none.
  std::string tail_path;
};

// Registers the options. `scenes` must outlive parsing.
void AddSceneOptions(CLI::App& app, SceneArguments& scenes);

// "BANK:EPISODES" and after it, with blanks between, any of the options, for example
// "412000:40 --num_fish 48". InvalidArgument, naming the text.
absl::StatusOr<SceneArguments> ParseScenes(const std::string& text);

// Sets what concerns the world; what policies observe is left as it is. InvalidArgument: a table that
// cannot be read.
absl::Status ApplySceneOptions(const SceneArguments& scenes, WorldOptions& world);

// How each of the scenes begins, in the bank's order. NotFound, InvalidArgument: of the mix file.
absl::StatusOr<std::vector<EpisodeStart>> SceneStarts(const SceneArguments& scenes);

}  // namespace shoal
