#include "coordinator/run/open_run.h"

#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "actor/rollout/world_options.h"
#include "common/hash.h"
#include "common/options.h"
#include "common/version.h"
#include "coordinator/schedule/options.h"
#include "coordinator/tail/stages.h"

namespace shoal {
namespace {

absl::StatusOr<std::unique_ptr<RunStore>> OpenStore(const std::string& path,
                                                    const v1::RunOptions& options,
                                                    absl::Time now) {
  if (std::filesystem::exists(path)) {
    auto store = RunStore::Open(path);
    if (store.ok()) return std::make_unique<RunStore>(*std::move(store));
    // A file without anything in it is what a death in the very first commit leaves.
    if (!absl::IsNotFound(store.status())) return store.status();
  }
  RunInfo info;
  info.name = options.run_name();
  info.options = WriteOptions(options, "");
  info.build = GetBuildInfo().Build();
  info.created_at = now;
  info.id = Sha256Hex(absl::StrCat(info.name, "\n", absl::FormatTime(absl::RFC3339_full, now, absl::UTCTimeZone()),
                                   "\n", info.options))
                .substr(0, 16);
  auto store = RunStore::Create(path, info);
  if (!store.ok()) return store.status();
  return std::make_unique<RunStore>(*std::move(store));
}

}  // namespace

absl::StatusOr<v1::RunOptions> WithTailPathsFrom(const v1::RunOptions& options,
                                                 const std::string& folder) {
  auto from_folder = [&](const std::string& path) {
    return (std::filesystem::path(folder) / path).lexically_normal().string();
  };
  v1::RunOptions result = options;
  if (!options.tail_seed_replay_path().empty()) {
    result.set_tail_seed_replay_path(from_folder(options.tail_seed_replay_path()));
  }
  if (!options.tail_seed_stage_spec().empty()) {
    auto specs = ParseStageSpec(options.tail_seed_stage_spec());
    if (!specs.ok()) return specs.status();
    std::vector<std::string> parts;
    for (const TailStageSpec& spec : *specs) {
      parts.push_back(absl::StrCat(spec.iterations, ":", from_folder(spec.path)));
    }
    result.set_tail_seed_stage_spec(absl::StrJoin(parts, ";"));
  }
  return result;
}

absl::StatusOr<OpenedRun> OpenRun(const std::string& run_dir, absl::Time now) {
  OpenedRun run;
  const std::string config = absl::StrCat(run_dir, "/config.textproto");
  auto options = ReadOptionsFile(config);
  if (!options.ok()) return options.status();
  run.options = *std::move(options);
  if (absl::Status status = ResolveOptions(run.options); !status.ok()) {
    return absl::Status(status.code(), absl::StrCat(config, ": ", status.message()));
  }
  if (auto world = ReadWorldOptions(run.options); !world.ok()) return world.status();
  auto lock = DirectoryLock::Acquire(run_dir);
  if (!lock.ok()) return lock.status();
  run.lock.emplace(*std::move(lock));

  auto located = WithTailPathsFrom(run.options, run_dir);
  if (!located.ok()) return located.status();
  auto stages = LoadTailStages(*located);
  if (!stages.ok()) return stages.status();
  run.stages = *std::move(stages);
  auto planner = Planner::Create(run.options, run.stages);
  if (!planner.ok()) return planner.status();
  run.planner = *std::move(planner);

  auto store = OpenStore(absl::StrCat(run_dir, "/run.db"), run.options, now);
  if (!store.ok()) return store.status();
  run.store = *std::move(store);
  auto info = run.store->Info();
  if (!info.ok()) return info.status();
  run.info = *std::move(info);
  if (run.info.options != WriteOptions(run.options, "")) {
    return absl::FailedPreconditionError(
        absl::StrCat(config, " is not the configuration that this run began with (run.db has it): "
                             "give changed options to a run of another name"));
  }
  auto views = RunViews::Open(*run.store, run_dir);
  if (!views.ok()) return views.status();
  run.views.emplace(*std::move(views));
  return run;
}

absl::Status RewindRun(OpenedRun& run, const std::string& run_dir, int64_t iteration,
                       absl::Time now) {
  auto then = Planner::Create(run.options, run.stages);
  if (!then.ok()) return then.status();
  if (iteration > 0) {
    auto state = run.store->LoadPlannerState(iteration);
    if (!state.ok()) return state.status();
    if (absl::Status s = (*then)->RestoreState(*state); !s.ok()) return s;
  }
  absl::Status status = run.store->RewindTo(iteration, (*then)->TailUsed(), now);
  if (!status.ok()) return status;
  auto planner = Planner::Create(run.options, run.stages);
  if (!planner.ok()) return planner.status();
  run.planner = *std::move(planner);
  auto views = RunViews::Open(*run.store, run_dir);
  if (!views.ok()) return views.status();
  run.views.emplace(*std::move(views));
  return absl::OkStatus();
}

}  // namespace shoal
