// Videos of a run: what its evaluations found worst, and a scene of one of its policies.
//
// Scenes are played once more, in the run's own world, by the checkpoint that was evaluated, with the
// inference of this build. Reads run.db and checkpoints, also while the run is on; writes into the
// run's media/ or where it is told to. A caller's threads one at a time; videos of evaluations are made
// several at a time.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace shoal {

struct RunVideoOptions {
  // The run's folder.
  std::string run_dir;
  // Where they are not set, the run's own tail_replay_count (2 where that is 0), video_num_fish,
  // video_max_steps and video_fps stand.
  std::optional<int> worst;
  std::optional<int> num_fish;
  std::optional<int> max_steps;
  std::optional<int> fps;
  // Only this iteration's evaluation; or this iteration's policy.
  std::optional<int64_t> iteration;
  // Told what was made ("PATH: ..."), and what was not and why. May be empty.
  std::function<void(const std::string&)> made;
  std::function<void(const std::string&)> skipped;
  // Asked before every frame, by several threads; true ends the work with Cancelled. May be empty.
  std::function<bool()> cancelled;
};

// media/tail_iterNNN_rankR_epE.mp4 of every finished multi-evaluation: its worst scenes, those with the
// fewest fish alive at the end first, of equals those whose fish lived shorter, then the earlier scene; R from
// 1, E the scene's number from 0. An evaluation whose checkpoint is gone is skipped. Returns how many
// videos were made. NotFound: no run there, or no evaluation that is asked for.
absl::StatusOr<int> MakeWorstVideos(const RunVideoOptions& options);

struct PolicyScene {
  // NumPy seed of the scene; the first of the run's bank of evaluation scenes where it is not set.
  std::optional<uint64_t> seed;
  // Replaces the predator's velocity at the start, as a tail slot does.
  std::optional<std::array<float, 2>> tail_velocity;
  // "": media/seed_SEED.mp4.
  std::string out;
};

// One scene of the policy of options.iteration, else of the best one, else of the last. NotFound: no
// run there, or no checkpoint that is asked for (with what there is).
absl::Status MakePolicyVideo(const RunVideoOptions& options, const PolicyScene& scene);

}  // namespace shoal
