#include <utility>

#include "absl/strings/str_cat.h"
#include "common/hash.h"
#include "coordinator/store/digest.h"
#include "coordinator/store/run_store.h"
#include "google/protobuf/arena.h"

namespace shoal {
namespace {

bool IsSha256(absl::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == absl::string_view::npos;
}

}  // namespace

absl::StatusOr<int64_t> RunStore::LastPlan() const {
  return database_.QueryInt("SELECT coalesce(max(iteration), 0) FROM plans");
}

absl::Status RunStore::SavePlan(const v1::IterationPlan& plan, absl::string_view tail_hash,
                                std::span<const v1::Order> acting) {
  absl::StatusOr<Transaction> transaction = Transaction::Begin(database_);
  if (!transaction.ok()) return transaction.status();
  absl::Status status = InsertPlan(plan, tail_hash);
  for (const v1::Order& order : acting) {
    if (status.ok()) status = UpdateOrder(order);
  }
  return status.ok() ? transaction->Commit() : status;
}

absl::Status RunStore::InsertPlan(const v1::IterationPlan& plan, absl::string_view tail_hash) {
  const std::string bytes = plan.SerializeAsString();
  absl::StatusOr<int64_t> last = LastPlan();
  if (!last.ok()) return last.status();
  if (plan.iteration() < 1 || plan.iteration() > *last + 1) {
    return Error(
        absl::StatusCode::kFailedPrecondition,
        absl::StrCat("the plan of iteration ", plan.iteration(), " cannot follow that of ", *last));
  }
  if (plan.iteration() <= *last) {
    absl::StatusOr<SavedPlan> saved = LoadPlan(plan.iteration());
    if (!saved.ok()) return saved.status();
    if (saved->plan.SerializeAsString() == bytes && saved->tail_hash == tail_hash) {
      return absl::OkStatus();
    }
    return Error(absl::StatusCode::kAlreadyExists,
                 absl::StrCat("iteration ", plan.iteration(), " has another plan: saved ",
                              saved->plan.ShortDebugString(), " with tail ", saved->tail_hash,
                              ", now ", plan.ShortDebugString(), " with tail ", tail_hash));
  }
  absl::StatusOr<Statement> insert =
      database_.Prepare("INSERT INTO plans (iteration, plan, tail_hash, xxh3) VALUES (?, ?, ?, ?)");
  if (!insert.ok()) return insert.status();
  return insert->Bind(1, plan.iteration())
      .BindBlob(2, bytes)
      .BindText(3, tail_hash)
      .BindText(4, Digest({absl::StrCat(plan.iteration()), bytes, tail_hash}))
      .Run();
}

absl::StatusOr<SavedPlan> RunStore::LoadPlan(int64_t iteration) const {
  absl::StatusOr<Statement> query =
      database_.Prepare("SELECT plan, tail_hash FROM plans WHERE iteration = ?");
  if (!query.ok()) return query.status();
  absl::StatusOr<bool> row = query->Bind(1, iteration).Step();
  if (!row.ok()) return row.status();
  if (!*row) {
    return Error(absl::StatusCode::kNotFound,
                 absl::StrCat("iteration ", iteration, " has no plan"));
  }
  SavedPlan saved;
  if (!saved.plan.ParseFromString(query->Blob(0))) {
    return Error(absl::StatusCode::kDataLoss,
                 absl::StrCat("the plan of iteration ", iteration, " cannot be read"));
  }
  saved.tail_hash = query->Text(1);
  return saved;
}

absl::Status RunStore::InsertShards(const IterationCommit& commit) {
  absl::StatusOr<Statement> insert = database_.Prepare(
      "INSERT INTO shard_results (iteration, shard, record, record_xxh3, state_xxh3, worker, xxh3) "
      "VALUES (?, ?, ?, ?, ?, ?, ?)");
  if (!insert.ok()) return insert.status();
  if (commit.states == nullptr || commit.states->size() != commit.shards.size()) {
    return Error(absl::StatusCode::kInvalidArgument,
                 absl::StrCat("iteration ", commit.iteration, " has ", commit.shards.size(),
                              " shards and another number of states"));
  }
  google::protobuf::Arena arena;  // Spares dozens of allocations a shard.
  for (size_t i = 0; i < commit.shards.size(); ++i) {
    const ShardResult& shard = commit.shards[i];
    arena.Reset();
    auto& record = *google::protobuf::Arena::CreateMessage<v1::RolloutRecord>(&arena);
    if (!record.ParseFromString(shard.record) || record.iteration() != commit.iteration ||
        record.shard() != shard.shard || shard.shard != static_cast<int32_t>(i)) {
      return Error(absl::StatusCode::kInvalidArgument,
                   absl::StrCat("what was given for iteration ", commit.iteration, ", shard ", i,
                                " is not its record"));
    }
    const std::string state_xxh3 = Digest({(*commit.states)[i]});
    absl::Status status = insert->Bind(1, commit.iteration)
                              .Bind(2, int64_t{shard.shard})
                              .BindBlobInPlace(3, shard.record)
                              .BindText(4, shard.record_xxh3)
                              .BindText(5, state_xxh3)
                              .BindText(6, shard.worker)
                              .BindText(7, Digest({absl::StrCat(commit.iteration),
                                                   absl::StrCat(shard.shard), shard.record,
                                                   shard.record_xxh3, state_xxh3}))
                              .Run();
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status RunStore::InsertTailUsed(int64_t iteration, std::span<const int64_t> tail_used) {
  if (tail_used.empty()) return absl::OkStatus();
  absl::StatusOr<Statement> insert = database_.Prepare(
      "INSERT OR REPLACE INTO tail_pointers (environment, used, iteration) VALUES (?, ?, ?)");
  if (!insert.ok()) return insert.status();
  for (size_t environment = 0; environment < tail_used.size(); ++environment) {
    absl::Status status = insert->Bind(1, static_cast<int64_t>(environment))
                              .Bind(2, tail_used[environment])
                              .Bind(3, iteration)
                              .Run();
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status RunStore::DropStates(std::span<const int64_t> iterations) {
  for (const char* sql : {"DELETE FROM shard_states WHERE iteration = ?",
                          "UPDATE iterations SET planner_state = NULL WHERE iteration = ?"}) {
    absl::StatusOr<Statement> update = database_.Prepare(sql);
    if (!update.ok()) return update.status();
    for (const int64_t iteration : iterations) {
      if (absl::Status status = update->Bind(1, iteration).Run(); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

absl::Status RunStore::CommitIteration(const IterationCommit& commit) {
  if (!IsSha256(commit.policy_sha256)) {
    return Error(absl::StatusCode::kInvalidArgument,
                 absl::StrCat("\"", commit.policy_sha256, "\" is no SHA-256 of a policy"));
  }
  absl::StatusOr<Transaction> transaction = Transaction::Begin(database_);
  if (!transaction.ok()) return transaction.status();
  absl::StatusOr<LastCommit> last = LastCommitted();
  if (!last.ok()) return last.status();
  if (commit.iteration != last->iteration + 1) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 absl::StrCat("iteration ", commit.iteration, " cannot be committed after ",
                              last->iteration));
  }
  absl::StatusOr<int64_t> last_plan = LastPlan();
  if (!last_plan.ok()) return last_plan.status();
  if (commit.iteration > *last_plan) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 absl::StrCat("iteration ", commit.iteration, " has no plan"));
  }
  absl::StatusOr<int64_t> sequence = TakeSequence();
  if (!sequence.ok()) return sequence.status();
  absl::StatusOr<Statement> insert = database_.Prepare(
      "INSERT INTO iterations (iteration, sequence, policy_sha256, measurements, planner_state, "
      "committed_at, planner_xxh3, xxh3) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  if (!insert.ok()) return insert.status();
  const std::string planner_xxh3 = Digest({commit.planner_state});
  absl::Status status = insert->Bind(1, commit.iteration)
                            .Bind(2, *sequence)
                            .BindText(3, commit.policy_sha256)
                            .BindText(4, commit.measurements)
                            .BindBlob(5, commit.planner_state)
                            .Bind(6, absl::ToUnixMicros(commit.committed_at))
                            .BindText(7, planner_xxh3)
                            .BindText(8, Digest({absl::StrCat(commit.iteration),
                                                 commit.policy_sha256, commit.measurements,
                                                 planner_xxh3}))
                            .Run();
  if (status.ok()) status = InsertShards(commit);
  if (status.ok()) status = InsertStates(commit.iteration, *commit.states);
  if (status.ok()) status = InsertTailUsed(commit.iteration, commit.tail_used);
  if (status.ok()) status = InsertLeases(commit.leases);
  if (status.ok()) status = DropStates(commit.states_to_drop);
  if (status.ok()) status = transaction->Commit();
  return status;
}

absl::StatusOr<LastCommit> RunStore::LastCommitted() const {
  absl::StatusOr<int64_t> last =
      database_.QueryInt("SELECT coalesce(max(iteration), 0) FROM iterations");
  if (!last.ok()) return last.status();
  LastCommit result;
  result.iteration = *last;
  absl::StatusOr<std::string> policy = PolicySha256(*last);
  if (policy.ok()) {
    result.policy_sha256 = *std::move(policy);
  } else if (!absl::IsNotFound(policy.status())) {
    return policy.status();
  }
  return result;
}

absl::StatusOr<std::string> RunStore::PolicySha256(int64_t version) const {
  absl::StatusOr<Statement> query = database_.Prepare(
      "SELECT policy_sha256 FROM iterations WHERE iteration = ?1 UNION ALL "
      "SELECT initial_policy_sha256 FROM run WHERE ?1 = 0 AND initial_policy_sha256 != ''");
  if (!query.ok()) return query.status();
  absl::StatusOr<bool> row = query->Bind(1, version).Step();
  if (!row.ok()) return row.status();
  if (!*row) {
    return Error(absl::StatusCode::kNotFound,
                 absl::StrCat("policy version ", version, " is not committed"));
  }
  return query->Text(0);
}

absl::StatusOr<std::string> RunStore::LoadPlannerState(int64_t iteration) const {
  absl::StatusOr<Statement> query = database_.Prepare(
      "SELECT planner_state FROM iterations WHERE iteration = ? AND planner_state IS NOT NULL");
  if (!query.ok()) return query.status();
  absl::StatusOr<bool> row = query->Bind(1, iteration).Step();
  if (!row.ok()) return row.status();
  if (!*row) {
    return Error(absl::StatusCode::kNotFound,
                 absl::StrCat("the planner's state after iteration ", iteration, " is not kept"));
  }
  return query->Blob(0);
}

absl::StatusOr<CommittedIteration> RunStore::LoadIteration(int64_t iteration) const {
  absl::StatusOr<Statement> query = database_.Prepare(
      "SELECT iteration, policy_sha256, measurements, committed_at FROM iterations "
      "WHERE iteration = ?");
  if (!query.ok()) return query.status();
  absl::StatusOr<bool> row = query->Bind(1, iteration).Step();
  if (!row.ok()) return row.status();
  if (!*row) {
    return Error(absl::StatusCode::kNotFound,
                 absl::StrCat("iteration ", iteration, " is not committed"));
  }
  return CommittedIteration{query->Int(0), query->Text(1), query->Text(2),
                            absl::FromUnixMicros(query->Int(3))};
}

absl::Status RunStore::VisitShardRecords(
    int64_t iteration, absl::FunctionRef<void(const v1::RolloutRecord&)> visit) const {
  absl::StatusOr<Statement> query =
      database_.Prepare("SELECT record FROM shard_results WHERE iteration = ? ORDER BY shard");
  if (!query.ok()) return query.status();
  query->Bind(1, iteration);
  google::protobuf::Arena arena;
  for (int64_t shard = 0;; ++shard) {
    absl::StatusOr<bool> row = query->Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
    arena.Reset();
    auto& record = *google::protobuf::Arena::CreateMessage<v1::RolloutRecord>(&arena);
    if (!record.ParseFromString(query->Blob(0))) {
      return Error(absl::StatusCode::kDataLoss,
                   absl::StrCat("the record of iteration ", iteration, ", shard ", shard,
                                " cannot be read"));
    }
    visit(record);
  }
}

absl::StatusOr<std::vector<v1::RolloutRecord>> RunStore::LoadShardRecords(int64_t iteration) const {
  std::vector<v1::RolloutRecord> records;
  absl::Status status = VisitShardRecords(
      iteration, [&](const v1::RolloutRecord& record) { records.push_back(record); });
  if (!status.ok()) return status;
  return records;
}

absl::StatusOr<std::vector<int64_t>> RunStore::LoadTailUsed() const {
  return QueryInts("SELECT used FROM tail_pointers ORDER BY environment");
}

}  // namespace shoal
