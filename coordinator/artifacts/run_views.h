// The files of a run, as functions of run.db:
//   schedule_trace.json       {generated_at, trace: [one object of measurements an iteration]}
//   metrics.csv               one row an iteration: MeasurementNames() as the header
//   penalty_stage_debug.jsonl one line an iteration: what the penalty and the boost came from
//   eval_multi_history.jsonl  one line a multi-evaluation (EvaluationHistoryLine)
//   tb/events.out.tfevents.shoal  the same for TensorBoard (tensorboard.h)
//   pre_roll_stats.jsonl      one line an evaluation: how its scenes began
//   step_one_clusters.jsonl   one line an iteration with step-one deaths, one an evaluation
//   step_one_worst_seeds.json all step-one deaths of the run (worst_seeds.h)
//
// Their content depends on what run.db holds and on nothing else: files that were appended to and
// files that are rebuilt are equal byte for byte, and so, but for times, are those of two runs of
// one configuration, whenever their evaluations ended. For that, deaths (step_one_*) are in order of
// iteration, an iteration's own before those of its evaluation: where an evaluation is still being
// played, deaths of later iterations wait for it. Times in the files are those of commits. Lines of .jsonl files are appended whole, the other files replaced whole, both
// only after the commit, so no file is ever ahead of run.db. They are not synced one by one (run.db
// is what lasts); RunViews::Open brings back whatever a crash or a person took away.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "coordinator/artifacts/worst_seeds.h"
#include "coordinator/store/run_store.h"
#include "nlohmann/json.hpp"
#include "shoal/v1/config.pb.h"

namespace shoal {

// One thread at a time. Memory grows by the text of schedule_trace.json and metrics.csv.
class RunViews {
 public:
  // Makes all files in `run_dir`, which exists, equal to what run.db says; files that are equal
  // already are left alone. Errors are the store's and those of files (codes follow errno, the
  // message names the path); kDataLoss: something in run.db that a view needs cannot be read.
  static absl::StatusOr<RunViews> Open(const RunStore& store, std::string run_dir);

  // Adds what was committed since: call it after CommitIteration and FinishEvaluation. After an
  // error the next call rebuilds the files.
  absl::Status Update(const RunStore& store);

  // Waits until all files are on the disk: for the end of a run, after which nobody may open it
  // again.
  absl::Status Sync() const;

 private:
  explicit RunViews(std::string run_dir) : run_dir_(std::move(run_dir)) {}

  // The content of the views, without their files.
  struct State {
    v1::RunOptions options;
    std::string generated_at;
    int64_t last_sequence = 0;
    // The objects of the trace, separated by ",\n".
    std::string trace;
    std::string csv;
    WorstSeeds worst_seeds;
    // Deaths of iterations that wait for the evaluation of an earlier one, in order.
    std::deque<std::pair<int64_t, std::vector<TrainingDeath>>> deaths_ahead;
    // Gate events that no iteration has met yet, and the last one that one has.
    std::deque<nlohmann::ordered_json> gate_ahead;
    nlohmann::ordered_json gate;
    // .jsonl lines that are in no file yet, in order.
    std::vector<std::pair<std::string, std::string>> lines;
    // Records of the TensorBoard file that are not in it yet, in order.
    std::string events;
    // Which of the other files have changed.
    bool iterations_changed = false;
    bool deaths_changed = false;
  };

  absl::Status Rebuild(const RunStore& store);
  absl::Status Append(const RunStore& store);
  static absl::Status Advance(const RunStore& store, State& state);
  static absl::Status AddIteration(const RunStore& store, int64_t iteration, State& state);
  static absl::Status AddEvaluation(const RunStore& store, int64_t evaluation, State& state);
  // Adds the waiting deaths of iterations up to this one.
  static void AddDeaths(int64_t up_to, State& state);
  std::string Path(const std::string& name) const;
  absl::Status WriteIfDifferent(const std::string& name, const std::string& content) const;

  std::string run_dir_;
  State state_;
  // A file may be behind the state.
  bool stale_ = true;
};

// RunViews::Open and Sync, for those who want the files and nothing more.
absl::Status RebuildViews(const RunStore& store, const std::string& run_dir);

}  // namespace shoal
