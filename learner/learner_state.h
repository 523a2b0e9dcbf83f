// What a learner does, without the stream it is told on: begins from a committed iteration, learns
// from the rows of the next, writes checkpoints, and removes those that nobody needs.
//
// Each method takes a message of the coordinator (shoal/v1/learner.proto) and returns the answer.
// Not thread safe; the two stores are, and are shared with the services that actors call.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/cancellation.h"
#include "learner/ingest/policy_store.h"
#include "learner/ingest/row_store.h"
#include "learner/learner_stats.h"
#include "learner/ppo/trainer.h"
#include "shoal/v1/learner.pb.h"

namespace shoal {

// PpoTrainer::Create, or a stand-in.
using TrainerFactory =
    std::function<absl::StatusOr<std::unique_ptr<PpoTrainer>>(const TrainerOptions&)>;

// A run's options as the trainer's. InvalidArgument: hidden sizes or an activation that cannot be
// read.
absl::StatusOr<TrainerOptions> MakeTrainerOptions(const v1::RunOptions& options, int threads);

// The policy file with this SHA-256 among the checkpoints and the best one in a run's folder, or
// NotFound.
absl::StatusOr<std::string> FindPolicyOnDisk(const std::string& run_dir, const std::string& sha256);

class LearnerState {
 public:
  // run_dir holds checkpoints/ and best/. The stores must outlive this.
  LearnerState(const std::string& run_dir, int threads, TrainerFactory factory,
               RowStore* rows, PolicyStore* policies,
               std::shared_ptr<LearnerStats> stats = std::make_shared<LearnerStats>());

  // The run's folder from now on, before Begin of that run.
  void UseRun(const std::string& run_dir);

  // Drops everything and begins from the committed iteration: its checkpoint must be there and have
  // the welcome's hash, and so must the policies that are needed beside it; where nothing was ever
  // committed, version 0 is made from the seed and written. Rows are then accepted for `session`.
  // Answers LearnerReady; CheckpointDamaged where one of them is missing or not whole; or a fatal
  // UpdateFailed.
  v1::LearnRequest Begin(const v1::LearnerWelcome& welcome, const std::string& session);

  // Learns from the iteration's rows, writes its checkpoint and makes its policy available. Answers
  // UpdateDone; UpdateFailed with the shards that are missing, in which case nothing has happened;
  // or a fatal UpdateFailed, after which only Begin helps. Nothing: `cancellation` came while it
  // learned; only Begin helps then, too.
  std::optional<v1::LearnRequest> Update(const v1::BeginUpdate& begin,
                                         const Cancellation& cancellation);

  // Copies the best checkpoint and removes those that are neither to be kept nor newer than what is
  // committed.
  absl::Status Retain(const v1::Retain& retain);
  // Whose copy best/ is known to be since Begin; 0: of none.
  int64_t best_iteration() const { return best_; }

  // Of the trainer; empty before the first Begin.
  std::string device() const;

 private:
  absl::Status Load(const v1::LearnerWelcome& welcome);
  // DataLoss names the first that is not to be had.
  absl::Status CheckNeeded(const v1::LearnerWelcome& welcome) const;
  // The checkpoint of version_ is whole, as of now.
  void NoteCheckpoint();
  // Writes version `iteration` and makes it available.
  absl::Status Publish(int64_t iteration);
  v1::LearnRequest Damaged(int64_t iteration, const absl::Status& status);
  // Forgets the trainer: its state is not one that anybody asked for.
  v1::LearnRequest Fatal(int64_t iteration, const absl::Status& status);

  std::string checkpoints_;
  const int threads_;
  const TrainerFactory factory_;
  RowStore* const rows_;
  PolicyStore* const policies_;
  const std::shared_ptr<LearnerStats> stats_;
  std::unique_ptr<PpoTrainer> trainer_;  // null: not begun.
  int64_t version_ = 0;                  // That the trainer holds.
  std::string policy_sha256_;            // Of that version.
  int64_t best_ = 0;                     // best_iteration().
};

}  // namespace shoal
