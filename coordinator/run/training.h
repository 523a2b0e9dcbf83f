// The iterations of a run on their way: planned, rolled out, folded, learned, committed.
//
// At most 1 + policy_lag iterations are in flight. Rollouts of an iteration begin when those of the
// one before are folded (its shard states are needed) and the version that acts is there.
// Pure but for the store; not thread safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "coordinator/leases/lease_table.h"
#include "coordinator/run/background.h"
#include "coordinator/run/orders.h"
#include "coordinator/run/planner.h"
#include "coordinator/run/rollout_board.h"
#include "coordinator/store/run_store.h"
#include "shoal/v1/config.pb.h"
#include "shoal/v1/learner.pb.h"

namespace shoal {

class Training {
 public:
  // All must outlive this.
  Training(const v1::RunOptions& options, Planner* planner, SharedStore store, LeaseTable* leases,
           OrderBook* orders);

  // States of so many last iterations are kept for a restart; older ones only where a checkpoint that
  // stays could need them (RestorePoint).
  static constexpr int64_t kKeptStates = 3;

  // Takes the run up after the last committed iteration in the store.
  absl::Status Restore();

  // Committed so far; -1: not even version 0.
  int64_t committed() const { return committed_; }
  int64_t total() const { return planner_->total_iterations(); }
  // policy_sha256 of a version, where it is known.
  std::optional<std::string> PolicyHash(int64_t version) const;
  bool in_flight() const { return !flights_.empty(); }

  // A learner that holds version `ready.iteration` and no rows. FailedPrecondition: its policy is
  // not the committed one.
  absl::Status LearnerReady(const v1::LearnerReady& ready, const std::string& session);
  void LearnerGone();

  // Plans the next iteration if everything that it needs is known, evaluations being judged up to
  // iteration `judged`. True: one was planned.
  absl::StatusOr<bool> PlanNext(int64_t judged, absl::Time now);
  // The next plan waits for nothing but evaluations.
  bool WaitsForEvaluation(int64_t judged) const;

  v1::RolloutItem Item(const ItemKey& key) const;
  const ShardEntry& Result(const ItemKey& key) const;
  // A record came in. Late ones of committed iterations are kRepeated. record: the result's, which is
  // moved from; null: it cannot be read.
  absl::StatusOr<RolloutBoard::Verdict> Accept(const ItemKey& key, const v1::WorkResult& result,
                                               v1::RolloutRecord* record, const std::string& worker,
                                               absl::Time now);

  // A mismatch that the user let pass: the rows that the learner got with this result stand.
  void AdoptRows(const ItemKey& key, const v1::WorkResult& result);

  // The order for the next update, once, when its rows are all with the learner.
  std::optional<v1::BeginUpdate> NextUpdate();
  // The update did not happen. Shards whose rows the learner lacks are computed again; then the
  // order is given once more.
  void UpdateFailed(const v1::UpdateFailed& failed);
  // What is to be committed of the iteration, but for its leases; nothing where the update is not the
  // one that was asked for. Until Committed nothing else changes.
  absl::StatusOr<std::optional<IterationCommit>> BeginCommit(const v1::UpdateDone& done,
                                                             absl::Time now);
  // That commit is in the store. The iteration's measurements. *remains: its records, which take tens of
  // milliseconds to free where there are thousands, so that is left to the caller.
  IterationMeasurements Committed(const std::string& policy_sha256, std::shared_ptr<void>* remains);

  // The newest of these versions from which the run can go on: committed, with this policy, and with
  // its states still in the store. Nothing: there is none.
  absl::StatusOr<std::optional<int64_t>> RestorePoint(
      const std::vector<std::pair<int64_t, std::string>>& versions) const;

  // For progress: the iteration being rolled out or else learned, and its shards.
  int64_t current_iteration() const;
  int shards_done() const;
  bool updating() const { return updating_ != 0; }
  const IterationMeasurements* last() const { return last_ ? &*last_ : nullptr; }
  // Training survival of the last iteration in which an episode ended; negative: none.
  double survival_rate() const { return survival_rate_; }
  // The last committed iteration's wall time.
  absl::Duration iteration_time() const { return iteration_time_; }
  // When the last iteration was committed by this process; InfinitePast: none was.
  absl::Time last_commit() const { return last_commit_; }
  void AddEvaluationSeconds(double seconds) { evaluation_seconds_ += seconds; }

 private:
  struct Flight {
    Flight(RolloutBoard rollouts, absl::Time now) : board(std::move(rollouts)), planned_at(now) {}
    RolloutBoard board;
    absl::Time planned_at;
    absl::Time folded_at = absl::InfinitePast();
    bool folded = false;
    IterationMeasurements measurements;
    // The planner right after folding: what a restart after this iteration's commit goes on from.
    std::string planner_state;
    std::vector<int64_t> tail_used;
    ShardStateList next_states;
  };
  absl::Status FoldIfComplete(Flight& flight, absl::Time now);
  // An iteration that was given up and computed again must come to the policy it had.
  absl::Status CompareWithRewound(const v1::UpdateDone& done) const;
  std::vector<int64_t> StatesToDrop(int64_t committed) const;
  void OfferShards(Flight& flight);
  void NoteTimes(Flight& flight, const v1::UpdateDone& done, absl::Time now);

  v1::RunOptions options_;
  Planner* planner_;
  SharedStore store_;
  LeaseTable* leases_;
  OrderBook* orders_;

  int64_t committed_ = -1;
  int64_t planned_ = 0;
  std::map<int64_t, std::string> policy_sha256_;
  // Policies that planned iterations had come to before they were given up.
  std::map<int64_t, std::string> rewound_;
  // After the last folded iteration; null before the first.
  ShardStateList shard_states_;
  std::map<int64_t, Flight> flights_;
  std::string session_;   // of the ready learner; empty: none
  int64_t updating_ = 0;  // iteration that the learner learns; 0: none
  bool committing_ = false;  // it has, and its commit is being written
  absl::Time last_commit_ = absl::InfinitePast();
  absl::Duration iteration_time_ = absl::ZeroDuration();
  double evaluation_seconds_ = 0;
  double survival_rate_ = -1;
  std::optional<IterationMeasurements> last_;
};

}  // namespace shoal
