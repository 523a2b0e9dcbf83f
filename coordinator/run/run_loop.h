// The coordinator's run, as a state machine: actors and the learner come and go, results come in,
// and out go leases, updates and commits. Everything happens inside an event method, in its caller's
// thread, with the time passed in; no gRPC, no threads, no clock. What takes long beside them is given
// to a Background, which by default does it at once. Not thread safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "coordinator/leases/lease_table.h"
#include "coordinator/run/absent_peers.h"
#include "coordinator/run/background.h"
#include "coordinator/run/evaluations.h"
#include "coordinator/run/open_run.h"
#include "coordinator/run/ports.h"
#include "coordinator/run/run_numbers.h"
#include "coordinator/run/status_parts.h"
#include "coordinator/run/training.h"
#include "shoal/v1/run.pb.h"

namespace shoal {

struct RunLoopOptions {
  // OUT/RUN_NAME, with config.textproto in it; run.db is made where there is none.
  std::string run_dir;
  // A peer silent for so long loses its leases, and is cut off.
  absl::Duration lease_time = absl::Seconds(10);
  absl::Duration heartbeat_interval = absl::Seconds(1);
  // A run that is to stop after the next commit waits so long for a learner that has left.
  absl::Duration stop_patience = absl::Seconds(3);
  // Above 0: other runs may follow, and peers that are dismissed at the end are told to come again
  // after so long. The learner must be one that can serve any run.
  absl::Duration come_again = absl::ZeroDuration();
  // Peers of other builds are let in; the protocol must be the same in any case.
  bool any_build = true;
};

class RunLoop {
 public:
  // Opens the run and takes it up after its last committed iteration. NotFound: no run there;
  // InvalidArgument: options or tail files that do not hold; DataLoss: run.db contradicts them.
  static absl::StatusOr<std::unique_ptr<RunLoop>> Open(const RunLoopOptions& options,
                                                       absl::Time now);

  // From now on, for the rest of the loop's life; to be set before the first event.
  void SetBackground(Background* background) { background_ = background; }

  // An actor opens its stream. FailedPrecondition: it does not fit this run (message says why); the
  // port is not kept then.
  absl::StatusOr<WorkerId> WorkerArrived(const v1::WorkerHello& hello, WorkerPort* port,
                                         absl::Time now);
  // record: that of a rollout's result, where the caller has parsed it; it is moved from.
  void OnWorkerMessage(WorkerId id, const v1::WorkRequest& message, absl::Time now,
                       v1::RolloutRecord* record = nullptr);
  void WorkerGone(WorkerId id, absl::Time now);

  // The learner opens its stream. AlreadyExists: another one is there.
  absl::Status LearnerArrived(const v1::LearnerHello& hello, LearnerPort* port, absl::Time now);
  void OnLearnerMessage(LearnerPort* port, const v1::LearnRequest& message, absl::Time now);
  void LearnerGone(LearnerPort* port, absl::Time now);

  // Ends expired leases and cuts silent peers off; several times a second.
  void Tick(absl::Time now);
  // Stop after the next commit, or when the learner that it needs does not come back.
  void Stop(absl::Time now);

  // An order (RunService.GiveOrder has the errors), recorded when this returns; a pause, resume or stop
  // acts now, the others with a plan.
  absl::StatusOr<v1::Order> GiveOrder(const v1::Order& order, absl::Time now);
  const std::vector<v1::Order>& orders() const { return orders_.orders(); }
  // For reports, until the next event.
  const RunStore& store() const { return *Store(); }

  v1::RunStatus Status(absl::Time now) const;
  RunNumbers Numbers(absl::Time now) const;
  // Items of an iteration.
  int shards() const { return run_.planner->num_shards(); }
  // Done, stopped or failed: nothing will happen any more.
  bool over() const { return state_ != State::kRunning; }
  bool failed() const { return state_ == State::kFailed; }

 private:
  enum class State { kRunning, kDone, kStopped, kFailed };
  // Of an actor at a time, whatever it asks for.
  static constexpr int kMostLeases = 4;
  // An item or update that fails so often for a reason that will not pass stops the run.
  static constexpr int kMaxFailures = 3;
  struct Worker {
    WorkerPort* port = nullptr;
    v1::WorkerHello hello;
    absl::Time last_message;
    int active = 0;
    // Its only lease is one of an evaluation.
    bool plays = false;
    int64_t items_done = 0;
    bool HasRoom() const { return !plays && active < std::clamp(hello.leases(), 1, kMostLeases); }
  };
  struct Learner {
    LearnerPort* port = nullptr;
    v1::LearnerHello hello;
    absl::Time last_message;
    bool ready = false;
    // Retain orders that are not answered yet.
    int retains_open = 0;
    // Of the last answer.
    int64_t best_in_place = 0;
    std::string retain_error{};
  };

  explicit RunLoop(const RunLoopOptions& options) : options_(options) {}
  absl::Status Restore(absl::Time now);

  // Does everything that can be done now.
  void Advance(absl::Time now);
  absl::Status TryAdvance(absl::Time now);
  void Dispatch(absl::Time now);
  void SendLease(WorkerId id, const LeaseGrant& grant);
  // After a worker's leases have become more or fewer.
  void NoteRoom(WorkerId id, Worker& worker);
  void SendRetain();

  absl::Status OnResult(Worker& worker, const v1::WorkResult& result, v1::RolloutRecord* record,
                        absl::Time now);
  absl::Status OnRollout(const ItemKey& item, Worker& worker, const v1::WorkResult& result,
                         v1::RolloutRecord* record, absl::Time now);
  absl::Status OnFailure(Worker& worker, const v1::WorkFailure& failure, absl::Time now);
  // An actor, for people.
  static std::string WorkerText(const v1::WorkerHello& hello);
  // Two results of an item differ; `first`: whose the other one is, in words, "" where unknown.
  absl::Status Mismatch(const ItemKey& item, const std::string& first, const Worker& second);
  // Whose result of an item, or whose rows of it, came before this worker's.
  std::string FirstWorker(const ItemKey& item, const Worker& second) const;
  void Welcome();
  // Versions before the committed one whose policies are asked for yet, ascending.
  std::set<int64_t> NeededBeside(int64_t committed) const;
  // Something that should not have happened was let pass.
  void Alarm(const std::string& message);
  void OnRetained(const v1::Retained& retained);
  absl::Status OnReady(const v1::LearnerReady& ready);
  absl::Status OnUpdateDone(const v1::UpdateDone& done, absl::Time now);
  absl::Status OnCommitted(const std::string& policy_sha256, absl::Time now);
  absl::Status OnUpdateFailed(const v1::UpdateFailed& failed);
  // Goes back to the last committed iteration whose checkpoint is whole.
  absl::Status OnCheckpointDamaged(const v1::CheckpointDamaged& damaged, absl::Time now);
  // A result of an item that no lease stands for any more.
  absl::Status OnLateResult(const Worker& worker, const v1::WorkResult& result);
  absl::Status OnLateScene(const Worker& worker, const v1::WorkResult& result);

  // The store, once no work in the background uses it.
  RunStore* Store() const {
    background_->AwaitWork();
    return run_.store.get();
  }
  SharedStore Shared() {
    return SharedStore([this] { return Store(); });
  }
  // What nobody waits for: the text files are brought up to what run.db says, where that has changed, and
  // a committed iteration's records are freed.
  void LeaveToBackground(absl::Time now);
  // A status that is not OK ends the run as failed.
  void Check(const absl::Status& status);
  // The run ends; peers are dismissed.
  void End(State state, const std::string& message);
  // What peers are told once the run is over.
  v1::Dismissal MakeDismissal() const;
  std::vector<LeaseRow> TakeEndedLeases();
  void FillState(v1::RunStatus& status) const;
  void FillPeers(v1::RunStatus& status, absl::Time now) const;
  void FillCourse(v1::RunStatus& status) const;
  void FillAlerts(v1::RunStatus& status, absl::Time now) const;
  // What is shown of the iterations before this coordinator.
  absl::Status RestoreRecent();

  RunLoopOptions options_;
  Foreground foreground_;
  Background* background_ = &foreground_;
  OpenedRun run_;
  std::unique_ptr<LeaseTable> leases_;
  OrderBook orders_;
  std::unique_ptr<Training> training_;
  std::unique_ptr<Evaluations> evaluations_;

  State state_ = State::kRunning;
  std::string message_;
  bool stopping_ = false;
  // run.db says something that the text files do not say yet.
  bool views_due_ = false;
  // Of the last committed iteration.
  std::shared_ptr<void> remains_;
  int learner_failures_ = 0;
  int64_t alarms_ = 0;
  std::string alarm_;
  std::map<WorkerId, Worker> workers_;
  // Those without a lease, and those that compute a rollout and have use for a further one.
  std::set<WorkerId> idle_, roomy_;
  WorkerId next_worker_ = 1;
  Learner learner_;
  AbsentPeers absent_;
  RecentRun recent_;
  // When the last pause ended.
  absl::Time resumed_at_ = absl::InfinitePast();
  // When stopping and the learner's absence were both noticed first.
  absl::Time stop_waits_since_ = absl::InfiniteFuture();
};

}  // namespace shoal
