// run.db: everything a run remembers. The coordinator alone writes it; a commit is durable when it
// returns OK, and after a crash the database holds all of a commit or nothing of it.
//
// One thread at a time (the coordinator's loop owns it). A RunStore may be moved. Strings named
// JSON or spec are stored as they are. Times are kept to the microsecond.
//
// Errors name the file and say what SQLite said. Besides the codes listed at the methods, every one
// of them may return those of database.h: kDataLoss (damaged), kResourceExhausted (disk full),
// kPermissionDenied, kUnavailable (another process holds the database), kInternal.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "coordinator/store/database.h"
#include "shoal/v1/items.pb.h"
#include "shoal/v1/run.pb.h"

namespace shoal {

enum class RunState { kRunning, kStopped, kDone, kFailed };
// "running", "stopped", "done", "failed".
const char* RunStateName(RunState state);

struct RunInfo {
  std::string id;
  std::string name;
  // config.textproto, resolved.
  std::string options;
  std::string build;
  absl::Time created_at;
  // Empty until an actor was accepted.
  std::string kernel_id;
  RunState status = RunState::kRunning;
  // Why it ended, for people.
  std::string message;
};

// A lease that ended (or is still in force: no ended_at).
struct LeaseRow {
  uint64_t fencing = 0;
  std::string kind;   // "rollout" or "evaluation"
  int64_t group = 0;  // iteration or evaluation
  int32_t index = 0;  // shard or scene
  std::string worker;
  absl::Time offered_at;
  std::optional<absl::Time> ended_at;
  std::string outcome;
};

struct SavedPlan {
  v1::IterationPlan plan;
  std::string tail_hash;
};

struct ShardResult {
  int32_t shard = 0;
  // A serialized RolloutRecord without its next_state, and the XXH3-128 (hex) of the record as it came.
  std::string record;
  std::string record_xxh3;
  // Name of the worker whose result it is.
  std::string worker;
};

// Everything that one iteration adds.
struct IterationCommit {
  int64_t iteration = 0;
  // Of the version that its update made; 64 lowercase hex digits.
  std::string policy_sha256;
  std::string measurements;         // JSON
  std::string planner_state;        // bytes of the caller's making
  std::vector<ShardResult> shards;  // in shard order from 0
  // Serialized ShardStates after the iteration, one for each shard.
  std::shared_ptr<const std::vector<std::string>> states;
  // Tail slots that each environment has taken so far; empty where there is no queue.
  std::vector<int64_t> tail_used;
  std::vector<LeaseRow> leases;  // ended since the last commit
  // Iterations whose shards' and planner's states nothing needs any more.
  std::vector<int64_t> states_to_drop;
  absl::Time committed_at;
};

struct LastCommit {
  // 0: none yet.
  int64_t iteration = 0;
  // Of that version; for iteration 0 the initial policy's, empty while it is not known.
  std::string policy_sha256;
};

struct CommittedIteration {
  int64_t iteration = 0;
  std::string policy_sha256;
  std::string measurements;
  absl::Time committed_at;
};

struct EvaluationRow {
  int64_t id = 0;
  // What it is for: "multi" for those that feed the gate, "ordered" for those that people asked for
  // while the run trained, others as the caller likes.
  std::string kind;
  int64_t iteration = 0;
  std::string spec;
  absl::Time created_at;
  // Where it is finished:
  std::optional<absl::Time> finished_at;
  std::string summary;                    // JSON
  std::optional<std::string> gate_event;  // JSON
};

struct EvaluationScene {
  int32_t scene = 0;
  // A serialized EvaluationEpisode.
  std::string record;
  // Who computed it; empty in a run.db of a build that did not keep it.
  std::string worker;
};

// One commit in the order in which they were made.
struct JournalEntry {
  enum class Kind { kIteration, kEvaluation };
  int64_t sequence = 0;
  Kind kind = Kind::kIteration;
  // Iteration, or id of the evaluation.
  int64_t id = 0;
};

class RunStore {
 public:
  // Kind of the evaluations that feed the gate; they finish in the order of their ids.
  static constexpr absl::string_view kMultiEvaluation = "multi";
  // Kind of those that an order asked for.
  static constexpr absl::string_view kOrderedEvaluation = "ordered";
  // Of an iteration that had just been committed, and not one that follows the last.
  static bool DuringTraining(absl::string_view kind) {
    return kind == kMultiEvaluation || kind == kOrderedEvaluation;
  }

  // Makes run.db with its run. `info.status`, `.message` and `.kernel_id` count too.
  // kAlreadyExists: the file is there; kNotFound, kPermissionDenied: the folder is not there, or
  // may not be written.
  static absl::StatusOr<RunStore> Create(const std::string& path, const RunInfo& info);
  // Opens an existing one to go on with it, after CheckContent; tables of an older version that this
  // build knows become the present ones, after which that older build refuses them. kNotFound;
  // kDataLoss: damaged; kFailedPrecondition: of another schema version, or not a run's.
  static absl::StatusOr<RunStore> Open(const std::string& path);
  // For tools, also while the run is on: every method that writes fails with kPermissionDenied.
  // Content is not checked.
  static absl::StatusOr<RunStore> OpenReadOnly(const std::string& path);

  // Reads everything that a run is resumed from and compares it with the digests that were written
  // with it. kDataLoss names what is damaged.
  absl::Status CheckContent() const;

  // --- The run ---
  absl::StatusOr<RunInfo> Info() const;
  absl::Status SetStatus(RunState status, absl::string_view message);
  // The first call settles it, later ones must agree: kFailedPrecondition names both.
  absl::Status SetKernelId(absl::string_view kernel_id);
  absl::Status SetInitialPolicy(absl::string_view policy_sha256);
  // Reserves the fencing numbers first .. first + block - 1, block >= 1, and returns first. Numbers
  // grow across restarts and start at 1; those of a block that were not used are lost.
  absl::StatusOr<uint64_t> NextFencing(int64_t block);
  // In one transaction. A fencing number that is there already is replaced.
  absl::Status RecordLeases(std::span<const LeaseRow> leases);

  // --- Iterations ---
  // Saves the plan of an iteration before any of its items is offered. Plans come in order: at most
  // one after the last (kFailedPrecondition). Saving an equal plan again is no error; a different
  // one is kAlreadyExists, and nothing changes: a plan, once made, stands.
  // `acting`: orders that take effect with it, which are recorded as such in the same transaction
  // (UpdateOrder's errors).
  absl::Status SavePlan(const v1::IterationPlan& plan, absl::string_view tail_hash,
                        std::span<const v1::Order> acting = {});
  // kNotFound: none was saved.
  absl::StatusOr<SavedPlan> LoadPlan(int64_t iteration) const;
  // 0: none.
  absl::StatusOr<int64_t> LastPlan() const;

  // One transaction. kFailedPrecondition: the iteration is not the one after the last commit, or
  // has no plan; kInvalidArgument: a record that is not one of this iteration and shard, shards
  // that do not run from 0, other than one state for each, or a policy_sha256 that is none.
  absl::Status CommitIteration(const IterationCommit& commit);
  absl::StatusOr<LastCommit> LastCommitted() const;
  // Policy of version 0 .. the last committed one. kNotFound: not committed.
  absl::StatusOr<std::string> PolicySha256(int64_t version) const;
  // kNotFound: not committed, or the state was dropped (IterationCommit::states_to_drop).
  absl::StatusOr<std::string> LoadPlannerState(int64_t iteration) const;
  // Serialized ShardStates after the iteration, in shard order. Errors as LoadPlannerState.
  absl::StatusOr<std::vector<std::string>> LoadShardStates(int64_t iteration) const;
  // kNotFound: not committed.
  absl::StatusOr<CommittedIteration> LoadIteration(int64_t iteration) const;
  // In shard order, without next_state; none where the iteration is not committed. VisitShardRecords
  // gives one after the other, without holding all.
  absl::Status VisitShardRecords(int64_t iteration,
                                 absl::FunctionRef<void(const v1::RolloutRecord&)> visit) const;
  absl::StatusOr<std::vector<v1::RolloutRecord>> LoadShardRecords(int64_t iteration) const;
  // XXH3-128 (hex) of a shard's record as it came, and who computed it. kNotFound: not committed
  // (ShardWorker: empty).
  absl::StatusOr<std::string> ShardChecksum(int64_t iteration, int32_t shard) const;
  absl::StatusOr<std::string> ShardWorker(int64_t iteration, int32_t shard) const;
  // Slots taken by environment, after the last commit.
  absl::StatusOr<std::vector<int64_t>> LoadTailUsed() const;

  // Gives the iterations after this one up, with the evaluations of them and those after the last
  // iteration; plans stay, since the iterations must come to the same ones again. tail_used is as
  // after `iteration`. One transaction. kFailedPrecondition: nothing is committed after it.
  absl::Status RewindTo(int64_t iteration, std::span<const int64_t> tail_used, absl::Time now);
  // The policy that this iteration had come to when it was given up; empty where it never was.
  absl::StatusOr<std::string> RewoundPolicy(int64_t iteration) const;

  // --- Evaluations ---
  // Ids count from 0 without gaps (kFailedPrecondition). Adding an equal one again is no error, a
  // different one of the same id is kAlreadyExists. finished_at, summary and gate_event do not
  // count.
  absl::Status AddEvaluation(const EvaluationRow& evaluation);
  // Keeps one scene's record of a pending evaluation, and who computed it. An equal record again is
  // no error, and the first worker stays; another one is kAlreadyExists, and nothing changes.
  // kNotFound: no such evaluation; kFailedPrecondition: it is finished.
  absl::Status SaveEvaluationScene(int64_t evaluation, int32_t scene, absl::string_view record,
                                   absl::string_view worker);
  // In scene order.
  absl::StatusOr<std::vector<EvaluationScene>> LoadEvaluationScenes(int64_t evaluation) const;
  // One transaction: the summary and, where the gate was asked, its event. kFailedPrecondition: it
  // is finished already, or is "multi" while an earlier "multi" one is pending; kNotFound: no such
  // one.
  absl::Status FinishEvaluation(int64_t evaluation, absl::string_view summary,
                                std::optional<absl::string_view> gate_event,
                                absl::Time finished_at);
  // kNotFound.
  absl::StatusOr<EvaluationRow> LoadEvaluation(int64_t evaluation) const;
  // By id.
  absl::StatusOr<std::vector<EvaluationRow>> PendingEvaluations() const;
  absl::StatusOr<std::vector<EvaluationRow>> FinishedEvaluations() const;

  // --- Orders that people gave while the run was on ---
  // Ids count from 1 without gaps, request ids are unique (kFailedPrecondition).
  absl::Status AddOrder(const v1::Order& order);
  // By id.
  absl::StatusOr<std::vector<v1::Order>> Orders() const;

  // --- The order of commits ---
  // Iterations and finished evaluations with sequence > `after`, in order, at most `limit`.
  absl::StatusOr<std::vector<JournalEntry>> Journal(int64_t after, int64_t limit) const;

  const std::string& path() const { return database_.path(); }

 private:
  explicit RunStore(Database database) : database_(std::move(database)) {}
  // The text column `column` of the run; SettleOnce sets it if it is empty.
  absl::Status SettleOnce(const char* column, const char* what, absl::string_view value);
  absl::Status InsertLeases(std::span<const LeaseRow> leases);
  absl::Status InsertShards(const IterationCommit& commit);
  absl::Status InsertStates(int64_t iteration, std::span<const std::string> states);
  absl::Status InsertTailUsed(int64_t iteration, std::span<const int64_t> tail_used);
  absl::Status DropStates(std::span<const int64_t> iterations);
  // Runs a statement that changes the run's own row, and seals the row.
  absl::Status UpdateRun(absl::string_view sql, absl::FunctionRef<void(Statement&)> bind);
  // `damage` names a row that is not what it was, or returns "".
  absl::Status CheckRows(const char* sql,
                         absl::FunctionRef<std::string(const Statement&)> damage) const;
  absl::Status CheckPlans() const;
  absl::Status CheckIterations() const;
  absl::Status CheckShards() const;
  absl::Status CheckStates() const;
  // Tables of an older version, and what they hold, become those of the present one.
  absl::Status Upgrade();
  absl::Status MoveStates();
  // in_rows: from shard_states, or else from where older versions had them.
  absl::StatusOr<std::vector<std::string>> ReadStates(int64_t iteration, bool in_rows) const;
  // The first column of all rows.
  absl::StatusOr<std::vector<int64_t>> QueryInts(absl::string_view sql) const;
  absl::Status CheckEvaluations() const;
  absl::Status CheckOrders() const;
  absl::StatusOr<bool> HasTable(absl::string_view name) const;
  absl::Status UpdateOrder(const v1::Order& order);
  absl::Status InsertPlan(const v1::IterationPlan& plan, absl::string_view tail_hash);
  absl::Status Damaged(absl::string_view what) const;
  absl::StatusOr<int64_t> TakeSequence();
  absl::StatusOr<std::vector<EvaluationRow>> QueryEvaluations(absl::string_view condition,
                                                              int64_t argument) const;
  absl::Status Error(absl::StatusCode code, absl::string_view message) const;

  Database database_;
};

}  // namespace shoal
