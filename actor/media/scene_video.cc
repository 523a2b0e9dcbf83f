#include "actor/media/scene_video.h"

#include "absl/strings/str_cat.h"
#include "actor/evaluation/scene_stepper.h"
#include "actor/media/frame.h"
#include "actor/media/video_file.h"
#include "actor/rollout/settings.h"

namespace shoal {
namespace {

absl::Status Check(const SceneVideoOptions& options) {
  if (options.num_fish < 1 || options.num_fish > kMaxFish) {
    return absl::InvalidArgumentError(
        absl::StrCat("a video of ", options.num_fish, " fish; 1 to ", kMaxFish, " are right"));
  }
  if (options.max_steps < 1 || options.max_steps > kHorizon) {
    return absl::InvalidArgumentError(
        absl::StrCat("a video of ", options.max_steps, " steps; 1 to ", kHorizon, " are right"));
  }
  if (!(options.start.escape_boost_speed >= 0 && options.start.escape_boost_speed <= 1)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "escape boost speed ", options.start.escape_boost_speed, "; 0 to 1 are right"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SceneVideo> WriteSceneVideo(const WorldOptions& world_options,
                                           const SceneVideoOptions& options, Player& player,
                                           const std::string& path) {
  if (absl::Status status = Check(options); !status.ok()) return status;
  VideoFileOptions file_options;
  file_options.width = file_options.height = kFrameSize;
  file_options.fps = options.fps;
  auto file = VideoFile::Create(path, file_options);
  if (!file.ok()) return file.status();

  FrameText text;
  text.title = options.title;
  text.max_steps = options.max_steps;
  text.tail_injected = options.start.tail_velocity.has_value();
  FramePainter painter(text);
  SceneVideo video;
  World world(world_options, /*num_envs=*/1, options.num_fish);
  const auto show = [&]() -> absl::Status {
    if (options.cancelled && options.cancelled()) {
      return absl::CancelledError(absl::StrCat("stopped while ", path, " was made"));
    }
    painter.Draw(world.Save(0));
    ++video.frames;
    return (*file)->Add(painter.pixels(), painter.stride());
  };

  world.Reset(0, options.start);
  player.BeginScene(options.start.seed);
  SceneStepper stepper(world);
  absl::Status status = show();
  while (status.ok() && world.step(0) < options.max_steps && world.alive_count(0) > 0) {
    stepper.Step(player, &world);
    status = show();
  }
  // The end stands for a second, so that it can be read.
  for (int i = 0; status.ok() && i < options.fps; ++i) status = show();
  if (status.ok()) status = (*file)->Finish();
  if (!status.ok()) return status;
  video.steps = world.step(0);
  for (int fish = 0; fish < options.num_fish; ++fish) {
    video.death_step.push_back(static_cast<uint32_t>(world.death_step(0, fish)));
  }
  return video;
}

}  // namespace shoal
