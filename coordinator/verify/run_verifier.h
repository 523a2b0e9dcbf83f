// Items of a run computed once more, and compared with what the run recorded: its plans from the
// planner's states, its shards' records from the shards' states and the checkpoint of the policy that
// acted, its evaluations' scenes from the checkpoint that was evaluated.
//
// What can be verified depends on what is kept: an iteration needs the states before it and the
// checkpoint of its acting version (every checkpoint_interval-th is kept, and the last ones), an
// evaluation the checkpoint of its iteration.
//
// Reads only; also while the run is on. One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "actor/policy/backend.h"
#include "coordinator/store/run_store.h"
#include "coordinator/tail/stages.h"
#include "shoal/v1/config.pb.h"
#include "shoal/v1/items.pb.h"

namespace shoal {

// What came of one iteration or evaluation.
struct Verification {
  // Items computed again, and those of them that came out differently (or the plan), in words.
  int64_t items = 0;
  std::vector<std::string> mismatches;
  // Not empty: it cannot be verified, and why.
  std::string skipped;
};

class RunVerifier {
 public:
  // Checks the content of run.db first (DataLoss). NotFound: no run there. FailedPrecondition: this
  // build has not the inference kernel that the run's actors had.
  static absl::StatusOr<std::unique_ptr<RunVerifier>> Open(const std::string& run_dir);

  int64_t committed() const { return committed_; }
  int shards() const { return shards_; }
  const std::vector<EvaluationRow>& evaluations() const { return evaluations_; }

  // An iteration from 1 to committed(): its plan and its shards, or the one given.
  // InvalidArgument: no such iteration or shard. Other errors: what is needed is there and cannot be
  // read, a checkpoint that is damaged for one.
  absl::StatusOr<Verification> VerifyIteration(int64_t iteration, std::optional<int> shard);
  absl::StatusOr<Verification> VerifyEvaluation(const EvaluationRow& evaluation);

 private:
  explicit RunVerifier(RunStore store) : store_(std::move(store)) {}
  absl::Status Prepare(const std::string& run_dir);
  // The policy of a version. NotFound: its checkpoint is not kept.
  absl::StatusOr<PolicyBackend*> Policy(int64_t version);
  absl::StatusOr<std::vector<std::string>> StatesBefore(int64_t iteration) const;

  RunStore store_;
  std::string checkpoints_;
  v1::RunOptions options_;
  RunInfo info_;
  std::vector<TailStage> stages_;
  std::vector<EvaluationRow> evaluations_;
  int64_t committed_ = 0;
  int shards_ = 0;
  int64_t version_ = -1;
  std::unique_ptr<PolicyBackend> backend_;  // of version_
};

}  // namespace shoal
