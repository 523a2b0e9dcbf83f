#include "coordinator/cli/run_videos.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "actor/media/scene_video.h"
#include "actor/rollout/world_options.h"
#include "actor/world/numpy_random.h"
#include "common/files.h"
#include "common/options.h"
#include "coordinator/artifacts/stale_files.h"
#include "coordinator/cli/find_policy.h"
#include "coordinator/cli/video_jobs.h"
#include "coordinator/store/evaluation_episodes.h"
#include "coordinator/store/run_store.h"
#include "learner/checkpoint/checkpoint.h"
#include "nlohmann/json.hpp"

namespace shoal {
namespace {

// What all videos of a run are made from.
struct RunSource {
  RunStore store;
  RunInfo info;
  v1::RunOptions options;
  WorldOptions world;
  std::string checkpoints;
};

absl::StatusOr<RunSource> OpenRun(const std::string& run_dir) {
  const std::string path = absl::StrCat(run_dir, "/run.db");
  auto store = RunStore::OpenReadOnly(path);
  if (!store.ok()) return store.status();
  auto info = store->Info();
  if (!info.ok()) return info.status();
  auto options = ParseOptions(info->options, path);
  if (!options.ok()) return options.status();
  auto world = ReadWorldOptions(*options);
  if (!world.ok()) return world.status();
  return RunSource{*std::move(store), *std::move(info), *std::move(options), *std::move(world),
                   absl::StrCat(run_dir, "/checkpoints")};
}

// The policy of a folder of `checkpoints` ("iter_12", "best"), whose files were verified.
absl::StatusOr<NamedPlayer> PlayerOf(const RunSource& run, const std::string& folder) {
  return FindPlayer(absl::StrCat(run.checkpoints, "/", folder, "/", kPolicyFile), "");
}

SceneVideoOptions VideoOptions(const RunSource& run, const RunVideoOptions& options) {
  SceneVideoOptions video;
  video.max_steps = options.max_steps.value_or(static_cast<int>(run.options.video_max_steps()));
  video.fps = options.fps.value_or(static_cast<int>(run.options.video_fps()));
  video.cancelled = options.cancelled;
  return video;
}

int Alive(const google::protobuf::RepeatedField<uint32_t>& death_step) {
  return static_cast<int>(std::count(death_step.begin(), death_step.end(), 0u));
}

// Steps that all fish lived, those alive to the horizon.
int64_t Lived(const v1::EvaluationEpisode& episode) {
  int64_t sum = 0;
  for (uint32_t step : episode.death_step()) sum += step == 0 ? kHorizon : step;
  return sum;
}

// Numbers of the scenes, worst first.
std::vector<int> WorstFirst(const std::vector<v1::EvaluationEpisode>& episodes) {
  std::vector<int> order(episodes.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    const std::pair first(Alive(episodes[a].death_step()), Lived(episodes[a]));
    return first < std::pair(Alive(episodes[b].death_step()), Lived(episodes[b]));
  });
  return order;
}

std::string Described(const std::string& path, const SceneVideo& video) {
  const auto alive = std::count(video.death_step.begin(), video.death_step.end(), 0u);
  return absl::StrFormat("%s: %d of %d fish alive after step %d", path, alive,
                         video.death_step.size(), video.steps);
}

// Makes the folder, and removes what a killed program left unfinished in it.
absl::Status PrepareFolder(const std::string& folder) {
  if (absl::Status status = CreateDirectories(folder); !status.ok()) return status;
  return RemoveStaleFiles(folder).status();
}

void Tell(const std::function<void(const std::string&)>& listener, const std::string& text) {
  if (listener) listener(text);
}

// A video of an evaluation's scene, and how the scene went there.
struct WorstScene {
  VideoJob job;
  v1::EvaluationEpisode episode;
};

// Adds the worst scenes of one evaluation.
absl::Status AddWorstOf(const RunSource& run, const RunVideoOptions& options,
                        const EvaluationRow& row, std::vector<WorstScene>& scenes) {
  const auto spec = nlohmann::json::parse(row.spec, nullptr, /*allow_exceptions=*/false);
  if (!spec.is_object() || !spec.contains("policy_sha256") || !spec["policy_sha256"].is_string() ||
      !spec.contains("escape_boost_speed") || !spec["escape_boost_speed"].is_number()) {
    return absl::DataLossError(absl::StrCat(run.store.path(), ": evaluation ", row.id,
                                            " does not say what was evaluated"));
  }
  auto checkpoint = ReadCheckpoint(run.checkpoints, row.iteration,
                                   spec["policy_sha256"].get<std::string>());
  if (absl::IsNotFound(checkpoint.status()) || absl::IsDataLoss(checkpoint.status())) {
    Tell(options.skipped,
         absl::StrCat("evaluation of iteration ", row.iteration, ": no video, since its checkpoint is ",
                      absl::IsNotFound(checkpoint.status())
                          ? "not kept (kept are those of every --checkpoint_interval, and of evaluations with --tail_replay_count)"
                          : absl::StrCat("damaged: ", checkpoint.status().message())));
    return absl::OkStatus();
  }
  if (!checkpoint.ok()) return checkpoint.status();
  auto episodes = LoadEpisodes(run.store, row.id);
  if (!episodes.ok()) return episodes.status();
  const std::vector<int> order = WorstFirst(*episodes);
  const int64_t own = run.options.tail_replay_count() > 0 ? run.options.tail_replay_count() : 2;
  const int count = static_cast<int>(
      std::min<int64_t>(options.worst.value_or(static_cast<int>(own)), order.size()));
  for (int rank = 1; rank <= count; ++rank) {
    const int scene = order[rank - 1];
    const v1::EvaluationEpisode& episode = (*episodes)[scene];
    SceneVideoOptions video = VideoOptions(run, options);
    video.start.seed = episode.seed();
    video.start.escape_boost_speed = spec["escape_boost_speed"].get<double>();
    video.num_fish = episode.num_fish();
    video.title = absl::StrFormat("%s · iteration %d · scene %d (worst %d) · seed %d", run.info.name,
                                  row.iteration, scene, rank, episode.seed());
    const std::string path = absl::StrFormat("%s/media/tail_iter%03d_rank%d_ep%d.mp4",
                                             options.run_dir, row.iteration, rank, scene);
    auto player = [&run, folder = absl::StrCat("iter_", row.iteration)] {
      return PlayerOf(run, folder);
    };
    scenes.push_back({VideoJob{path, std::move(video), std::move(player)}, episode});
  }
  return absl::OkStatus();
}

void TellOf(const RunSource& run, const RunVideoOptions& options, const WorstScene& scene,
            const SceneVideo& shown) {
  const std::string& path = scene.job.path;
  const v1::EvaluationEpisode& episode = scene.episode;
  Tell(options.made, Described(path, shown));
  const bool whole = scene.job.options.max_steps == kHorizon;
  if (whole && !std::equal(shown.death_step.begin(), shown.death_step.end(),
                           episode.death_step().begin(), episode.death_step().end())) {
    Tell(options.skipped,
         absl::StrCat(path, " is not what was evaluated: there ", Alive(episode.death_step()),
                      " fish were alive at the end (the run's actors had another kernel: ",
                      run.info.kernel_id, ")"));
  }
}

struct ChosenPolicy {
  int64_t iteration = 0;
  // In `checkpoints`.
  std::string folder;
  // For people.
  std::string name;
};

absl::StatusOr<ChosenPolicy> ChoosePolicy(const RunSource& run, std::optional<int64_t> iteration) {
  if (!iteration) {
    auto best = ReadBestCheckpoint(run.checkpoints);
    if (best.ok()) return ChosenPolicy{best->iteration, "best", "best policy"};
    if (!absl::IsNotFound(best.status())) return best.status();
  }
  std::string sha256;
  int64_t wanted = iteration.value_or(0);
  if (!iteration) {
    auto last = run.store.LastCommitted();
    if (!last.ok()) return last.status();
    wanted = last->iteration;
    sha256 = last->policy_sha256;
  }
  auto checkpoint = ReadCheckpoint(run.checkpoints, wanted, sha256);
  if (checkpoint.ok()) {
    return ChosenPolicy{wanted, absl::StrCat("iter_", wanted), iteration ? "policy" : "last policy"};
  }
  if (!absl::IsNotFound(checkpoint.status())) return checkpoint.status();
  auto there = ListCheckpoints(run.checkpoints);
  return absl::NotFoundError(absl::StrCat(
      run.checkpoints, " has no checkpoint of iteration ", wanted, "; there are ",
      there.ok() && !there->empty() ? absl::StrJoin(*there, ", ") : "none"));
}

}  // namespace

absl::StatusOr<int> MakeWorstVideos(const RunVideoOptions& options) {
  auto run = OpenRun(options.run_dir);
  if (!run.ok()) return run.status();
  auto evaluations = run->store.FinishedEvaluations();
  if (!evaluations.ok()) return evaluations.status();
  absl::Status status = PrepareFolder(absl::StrCat(options.run_dir, "/media"));
  if (!status.ok()) return status;
  std::vector<WorstScene> scenes;
  std::vector<int64_t> there;
  bool found = false;
  for (const EvaluationRow& row : *evaluations) {
    if (row.kind != RunStore::kMultiEvaluation) continue;
    there.push_back(row.iteration);
    if (options.iteration && row.iteration != *options.iteration) continue;
    found = true;
    status = AddWorstOf(*run, options, row, scenes);
    if (!status.ok()) return status;
  }
  std::vector<VideoJob> jobs;
  for (const WorstScene& scene : scenes) jobs.push_back(scene.job);
  status = MakeVideos(run->world, jobs, [&](size_t i, const SceneVideo& shown) {
    TellOf(*run, options, scenes[i], shown);
  });
  if (!status.ok()) return status;
  if (found) return static_cast<int>(jobs.size());
  return absl::NotFoundError(absl::StrCat(
      run->store.path(), " has no finished multi-evaluation",
      options.iteration ? absl::StrCat(" of iteration ", *options.iteration) : "",
      there.empty() ? "" : absl::StrCat("; there are those of ", absl::StrJoin(there, ", "))));
}

absl::Status MakePolicyVideo(const RunVideoOptions& options, const PolicyScene& scene) {
  auto run = OpenRun(options.run_dir);
  if (!run.ok()) return run.status();
  auto chosen = ChoosePolicy(*run, options.iteration);
  if (!chosen.ok()) return chosen.status();
  auto player = PlayerOf(*run, chosen->folder);
  if (!player.ok()) return player.status();
  // The boost of its time; the initial policy is shown with the first plan's.
  auto plan = run->store.LoadPlan(std::max<int64_t>(chosen->iteration, 1));
  if (!plan.ok()) return plan.status();

  SceneVideoOptions video = VideoOptions(*run, options);
  video.start.seed = scene.seed ? *scene.seed
                                : BankSeeds(run->options.multi_eval_seed_base(), 1).front();
  video.start.escape_boost_speed = plan->plan.escape_boost_speed();
  video.start.tail_velocity = scene.tail_velocity;
  video.num_fish = options.num_fish.value_or(static_cast<int>(run->options.video_num_fish()));
  video.title = absl::StrFormat("%s · iteration %d, %s · seed %d", run->info.name, chosen->iteration,
                                chosen->name, video.start.seed);
  std::string path = scene.out;
  if (path.empty()) {
    path = absl::StrCat(options.run_dir, "/media/seed_", video.start.seed, ".mp4");
    absl::Status status = CreateDirectories(DirectoryOf(path));
    if (!status.ok()) return status;
  }
  if (auto removed = RemoveStaleFiles(DirectoryOf(path)); !removed.ok()) return removed.status();
  auto shown = WriteSceneVideo(run->world, video, *player->player, path);
  if (!shown.ok()) return shown.status();
  Tell(options.made, Described(path, *shown));
  return absl::OkStatus();
}

}  // namespace shoal
