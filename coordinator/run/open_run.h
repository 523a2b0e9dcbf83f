// A run's folder, opened by the one coordinator that may write it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/files.h"
#include "coordinator/artifacts/run_views.h"
#include "coordinator/run/planner.h"
#include "coordinator/store/run_store.h"
#include "shoal/v1/config.pb.h"

namespace shoal {

struct OpenedRun {
  // Held as long as the run is open.
  std::optional<DirectoryLock> lock;
  v1::RunOptions options;
  RunInfo info;
  std::unique_ptr<RunStore> store;
  std::vector<TailStage> stages;
  std::unique_ptr<Planner> planner;
  std::optional<RunViews> views;
};

// Reads config.textproto and the tail files it names (paths from the run's folder), opens run.db or
// makes it, and brings the text files up to what run.db says. NotFound: no such folder or
// configuration; InvalidArgument: options or files that do not hold; FailedPrecondition: another
// coordinator has it, or config.textproto is not what the run began with; DataLoss: run.db is damaged,
// or the text files and checkpoints show that it has lost what it had.
absl::StatusOr<OpenedRun> OpenRun(const std::string& run_dir, absl::Time now);

// Gives up what is committed after this iteration: run.db, the planner (fresh, nothing restored yet)
// and the text files go back. NotFound: its states are not kept.
absl::Status RewindRun(OpenedRun& run, const std::string& run_dir, int64_t iteration,
                       absl::Time now);

// The options with the tail files' paths, where they are relative, taken from `folder`.
absl::StatusOr<v1::RunOptions> WithTailPathsFrom(const v1::RunOptions& options,
                                                 const std::string& folder);

}  // namespace shoal
