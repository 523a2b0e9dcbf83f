// A scene played once more, as a video.
//
// This folder has no gRPC calls and no clock; its threads are the encoder's.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "actor/evaluation/player.h"
#include "actor/world/options.h"
#include "actor/world/world.h"

namespace shoal {

struct SceneVideoOptions {
  // With a tail velocity the video says so.
  EpisodeStart start;
  int num_fish = 25;
  // Steps shown at most, 1 to 500.
  int max_steps = 500;
  // Frames a second, 1 to 240.
  int fps = 20;
  // Second line of the picture.
  std::string title;
  // Asked before every frame; true ends the work with Cancelled. May be empty.
  std::function<bool()> cancelled;
};

struct SceneVideo {
  // The start, one frame a step, and one second of the end.
  int64_t frames = 0;
  int steps = 0;
  // Per fish; 0: alive at the end of the video.
  std::vector<uint32_t> death_step;
};

// Plays the scene to max_steps, or until no fish is alive, and writes the MP4 file (video_file.h says
// how; no partial file is left after an error). The scene is that of PlayScene. Thread safe, if no
// two calls share a player. InvalidArgument: an option out of range.
absl::StatusOr<SceneVideo> WriteSceneVideo(const WorldOptions& world, const SceneVideoOptions& options,
                                           Player& player, const std::string& path);

}  // namespace shoal
