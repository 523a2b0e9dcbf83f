#include "coordinator/run/open_run.h"

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "actor/rollout/world_options.h"
#include "common/hash.h"
#include "common/options.h"
#include "common/version.h"
#include "coordinator/schedule/options.h"
#include "coordinator/tail/stages.h"

namespace shoal {
namespace {

// The last iteration of metrics.csv's rows, counted as long as they follow each other: a damaged digit
// must not show more than there was. 0: none. A text file is never ahead of run.db, so it tells what
// run.db had once.
int64_t LastIterationOfViews(const std::string& run_dir) {
  const absl::StatusOr<std::string> csv = ReadFile(absl::StrCat(run_dir, "/metrics.csv"));
  if (!csv.ok()) return 0;
  int64_t last = 0, iteration = 0;
  std::vector<absl::string_view> lines = absl::StrSplit(*csv, '\n');
  lines.pop_back();  // What follows the last end of a line is none, or cut.
  for (absl::string_view line : lines) {
    if (absl::SimpleAtoi(line.substr(0, line.find(',')), &iteration) && iteration == last + 1) ++last;
  }
  return last;
}

// DataLoss where the folder shows an iteration that run.db neither has nor gave up (RewindRun): its log
// was damaged, for SQLite takes the first page of it that is not whole for its end, or an older copy was
// put in its place.
absl::Status CheckNothingIsLost(const RunStore& store, const std::string& run_dir) {
  auto last = store.LastCommitted();
  if (!last.ok()) return last.status();
  const int64_t committed = std::max<int64_t>(last->iteration, 0);
  const int64_t shown = LastIterationOfViews(run_dir);
  for (int64_t i = committed + 1; i <= shown; ++i) {
    auto rewound = store.RewoundPolicy(i);
    if (!rewound.ok()) return rewound.status();
    if (!rewound->empty()) continue;
    return absl::DataLossError(absl::StrCat(
        store.path(), " ends with iteration ", committed, ", but metrics.csv beside it has ", shown,
        ": commits are lost, and orders may be. Put run.db and run.db-wal back from a copy; or move "
        "metrics.csv away to go on from what there is, which writes it anew"));
  }
  return absl::OkStatus();
}

// DataLoss where there is no run.db, or nothing in it, though the run has begun: a fresh one would
// begin it again without a word.
absl::Status CheckNothingHasBegun(const std::string& path, const std::string& run_dir) {
  std::error_code ignored;
  std::string trace;
  if (std::filesystem::file_size(path + "-wal", ignored) > 0 && !ignored) trace = "run.db-wal";
  if (LastIterationOfViews(run_dir) > 0) trace = "metrics.csv";
  const std::string checkpoints = absl::StrCat(run_dir, "/checkpoints");
  for (const auto& entry : std::filesystem::directory_iterator(checkpoints, ignored)) {
    const std::string name = entry.path().filename().string();
    int64_t iteration = 0;
    if (absl::StartsWith(name, "iter_") && absl::SimpleAtoi(name.substr(5), &iteration) && iteration > 0) {
      trace = absl::StrCat("checkpoints/", name);
    }
  }
  if (trace.empty()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      path, std::filesystem::exists(path) ? " is empty" : " is missing", ", but ", trace,
      " shows that the run has begun. Put a copy of run.db back, or start a new run"));
}

absl::StatusOr<std::unique_ptr<RunStore>> OpenStore(const std::string& path,
                                                    const std::string& run_dir,
                                                    const v1::RunOptions& options,
                                                    absl::Time now) {
  if (std::filesystem::exists(path)) {
    auto store = RunStore::Open(path);
    if (store.ok()) {
      if (absl::Status status = CheckNothingIsLost(*store, run_dir); !status.ok()) return status;
      return std::make_unique<RunStore>(*std::move(store));
    }
    // A file without anything in it is what a death in the very first commit leaves.
    if (!absl::IsNotFound(store.status())) return store.status();
  }
  if (absl::Status status = CheckNothingHasBegun(path, run_dir); !status.ok()) return status;
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

  auto store = OpenStore(absl::StrCat(run_dir, "/run.db"), run_dir, run.options, now);
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
