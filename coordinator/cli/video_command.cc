// shoal video: scenes of a run as MP4 files.

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/shutdown.h"
#include "coordinator/cli/commands.h"
#include "coordinator/cli/exit_codes.h"
#include "coordinator/cli/prepare_run.h"
#include "coordinator/cli/run_videos.h"

namespace shoal {
namespace {

struct VideoArguments {
  std::string run;
  std::string runs = "runs";
  int64_t iteration = 0;
  int worst = 0;
  uint64_t seed = 0;
  int num_fish = 0;
  int max_steps = 0;
  int fps = 0;
  std::vector<float> tail_velocity;
  std::string out;
};

// The options as CLI11 has them: whether each was given.
struct GivenOptions {
  CLI::Option* iteration;
  CLI::Option* worst;
  CLI::Option* seed;
  CLI::Option* num_fish;
  CLI::Option* max_steps;
  CLI::Option* fps;
  CLI::Option* tail_velocity;
  CLI::Option* out;
};

absl::Status Check(const VideoArguments& arguments, const GivenOptions& given) {
  const bool one_scene = given.seed->count() > 0;
  if (one_scene && given.worst->count() > 0) {
    return absl::InvalidArgumentError(
        "--worst asks for an evaluation's scenes and --seed for another one: give one of them");
  }
  for (const CLI::Option* option : {given.num_fish, given.tail_velocity, given.out}) {
    if (!one_scene && option->count() > 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(option->get_name(), " goes with --seed: an evaluation's scenes are what they "
                                           "were, and their files are named in media/"));
    }
  }
  for (const float value : arguments.tail_velocity) {
    if (!(std::fabs(value) <= 10)) {
      return absl::InvalidArgumentError("--tail_velocity: two numbers from -10 to 10 are right");
    }
  }
  return absl::OkStatus();
}

int RunVideo(const VideoArguments& arguments, const GivenOptions& given) {
  if (absl::Status status = Check(arguments, given); !status.ok()) return ReportError(status);
  // Taken over so that an interrupt ends the work in order: no unfinished file stays.
  const ShutdownSignal signal;
  auto folder = FindRun(arguments.runs, arguments.run);
  if (!folder.ok()) return ReportError(folder.status());
  RunVideoOptions options;
  options.run_dir = *folder;
  options.cancelled = [&signal] { return signal.count() > 0; };
  if (given.iteration->count() > 0) options.iteration = arguments.iteration;
  if (given.worst->count() > 0) options.worst = arguments.worst;
  if (given.num_fish->count() > 0) options.num_fish = arguments.num_fish;
  if (given.max_steps->count() > 0) options.max_steps = arguments.max_steps;
  if (given.fps->count() > 0) options.fps = arguments.fps;
  options.made = [](const std::string& text) {
    std::printf("%s\n", text.c_str());
    std::fflush(stdout);
  };
  options.skipped = [](const std::string& text) { std::fprintf(stderr, "shoal: %s\n", text.c_str()); };
  if (given.seed->count() > 0) {
    PolicyScene scene;
    scene.seed = arguments.seed;
    scene.out = arguments.out;
    if (given.tail_velocity->count() > 0) {
      scene.tail_velocity = {arguments.tail_velocity[0], arguments.tail_velocity[1]};
    }
    const absl::Status status = MakePolicyVideo(options, scene);
    return status.ok() ? kExitDone : ReportError(status);
  }
  auto videos = MakeWorstVideos(options);
  if (!videos.ok()) return ReportError(videos.status());
  if (*videos > 0) return kExitDone;
  return ReportError(absl::NotFoundError(
      "no video: no evaluation that is asked for has its checkpoint; --seed shows the best or last policy"));
}

}  // namespace

Command AddVideoCommand(CLI::App& app) {
  auto a = std::make_shared<VideoArguments>();
  CLI::App* video = app.add_subcommand(
      "video", "MP4 files of a run: the worst scenes of its evaluations, or with --seed one scene");
  GivenOptions given;
  video->add_option("run", a->run, "the run's name or folder")->required()->type_name("RUN");
  given.iteration =
      video->add_option("--iteration", a->iteration, "only this iteration's evaluation; with --seed its policy")
          ->check(CLI::Range(int64_t{0}, int64_t{1} << 40));
  given.worst = video->add_option("--worst", a->worst,
                                  "scenes of each evaluation (default: the run's tail_replay_count, or 2)")
                    ->check(CLI::Range(1, 1000));
  given.seed = video->add_option("--seed", a->seed, "one scene of the best policy, or of the last if none is best");
  given.num_fish = video->add_option("--num_fish", a->num_fish, "fish, with --seed (default: the run's video_num_fish)")
                       ->check(CLI::Range(1, 4096));
  given.tail_velocity = video->add_option("--tail_velocity", a->tail_velocity,
                                          "with --seed: the predator begins with this velocity, as with a tail slot")
                            ->expected(2)
                            ->type_name("VX VY");
  given.max_steps = video->add_option("--max_steps", a->max_steps, "steps at most (default: the run's video_max_steps)")
                        ->check(CLI::Range(1, 500));
  given.fps = video->add_option("--fps", a->fps, "frames a second (default: the run's video_fps)")
                  ->check(CLI::Range(1, 240));
  given.out = video->add_option("--out", a->out, "with --seed: the file (default: media/seed_S.mp4 of the run)")
                  ->type_name("FILE");
  video->add_option("--runs", a->runs, "folder of all runs")->type_name("DIR")->capture_default_str();
  return Command{video, [a, given] { return RunVideo(*a, given); }};
}

}  // namespace shoal
