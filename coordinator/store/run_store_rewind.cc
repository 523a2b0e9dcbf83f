// Damage noticed, and commits given up because of it.
#include "absl/strings/str_cat.h"
#include "coordinator/store/digest.h"
#include "coordinator/store/run_store.h"
#include "coordinator/store/schema.h"

namespace shoal {

absl::Status RunStore::Damaged(absl::string_view what) const {
  return Error(absl::StatusCode::kDataLoss,
               absl::StrCat(what, " is not what was written (its digest differs): the file is "
                                  "damaged. Put a copy of it back, or start a new run"));
}

absl::Status RunStore::CheckContent() const {
  absl::StatusOr<std::string> run = RunDigest(database_);
  if (!run.ok()) return run.status();
  absl::StatusOr<Statement> query = database_.Prepare("SELECT xxh3 FROM run");
  if (!query.ok()) return query.status();
  absl::StatusOr<bool> row = query->Step();
  if (!row.ok()) return row.status();
  if (!*row || query->Text(0) != *run) return Damaged("the run's own record");
  absl::Status status = CheckPlans();
  if (status.ok()) status = CheckIterations();
  if (status.ok()) status = CheckShards();
  if (status.ok()) status = CheckStates();
  if (status.ok()) status = CheckEvaluations();
  if (status.ok()) status = CheckOrders();
  return status;
}

absl::Status RunStore::CheckRows(const char* sql,
                                 absl::FunctionRef<std::string(const Statement&)> damage) const {
  absl::StatusOr<Statement> query = database_.Prepare(sql);
  if (!query.ok()) return query.status();
  while (true) {
    absl::StatusOr<bool> row = query->Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
    if (const std::string what = damage(*query); !what.empty()) return Damaged(what);
  }
}

absl::Status RunStore::CheckPlans() const {
  return CheckRows("SELECT iteration, plan, tail_hash, xxh3 FROM plans", [](const Statement& row) {
    const std::string digest =
        Digest({absl::StrCat(row.Int(0)), row.Blob(1), row.Text(2)});
    return digest == row.Text(3) ? "" : absl::StrCat("the plan of iteration ", row.Int(0));
  });
}

absl::Status RunStore::CheckIterations() const {
  return CheckRows(
      "SELECT iteration, policy_sha256, measurements, planner_state, planner_xxh3, xxh3 "
      "FROM iterations",
      [](const Statement& row) -> std::string {
        const std::string digest =
            Digest({absl::StrCat(row.Int(0)), row.Text(1), row.Text(2), row.Text(4)});
        if (digest != row.Text(5)) return absl::StrCat("iteration ", row.Int(0));
        if (row.IsNull(3) || Digest({row.Blob(3)}) == row.Text(4)) return "";
        return absl::StrCat("the planner's state after iteration ", row.Int(0));
      });
}

absl::Status RunStore::CheckShards() const {
  return CheckRows(
      "SELECT iteration, shard, record, record_xxh3, next_state, state_xxh3, xxh3 "
      "FROM shard_results",
      [](const Statement& row) -> std::string {
        const std::string digest = Digest({absl::StrCat(row.Int(0)), absl::StrCat(row.Int(1)),
                                           row.Blob(2), row.Text(3), row.Text(5)});
        const std::string name = absl::StrCat("iteration ", row.Int(0), ", shard ", row.Int(1));
        if (digest != row.Text(6)) return absl::StrCat("the record of ", name);
        if (row.IsNull(4) || Digest({row.Blob(4)}) == row.Text(5)) return "";
        return absl::StrCat("the state after ", name);
      });
}

absl::Status RunStore::RewindTo(int64_t iteration, std::span<const int64_t> tail_used,
                                absl::Time now) {
  absl::StatusOr<Transaction> transaction = Transaction::Begin(database_);
  if (!transaction.ok()) return transaction.status();
  absl::StatusOr<LastCommit> last = LastCommitted();
  if (!last.ok()) return last.status();
  if (iteration < 0 || iteration >= last->iteration) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 absl::StrCat("cannot go back to iteration ", iteration, ": committed is ",
                              last->iteration));
  }
  absl::StatusOr<Statement> remember = database_.Prepare(
      "INSERT OR REPLACE INTO rewound_iterations (iteration, policy_sha256, rewound_at) "
      "SELECT iteration, policy_sha256, ? FROM iterations WHERE iteration > ?");
  if (!remember.ok()) return remember.status();
  absl::Status status = remember->Bind(1, absl::ToUnixMicros(now)).Bind(2, iteration).Run();
  // Evaluations are numbered in the order in which they were made: those of the iterations given up
  // are the last ones, and so are those after the last iteration.
  for (const char* sql :
       {"DELETE FROM gate_events WHERE evaluation IN (SELECT id FROM evaluations WHERE "
        "iteration > ?1 OR kind NOT IN ('multi', 'ordered'))",
        "DELETE FROM evaluation_episodes WHERE evaluation IN (SELECT id FROM evaluations WHERE "
        "iteration > ?1 OR kind NOT IN ('multi', 'ordered'))",
        "DELETE FROM evaluations WHERE iteration > ?1 OR kind NOT IN ('multi', 'ordered')",
        "DELETE FROM tail_pointers WHERE ?1 >= 0",
        "DELETE FROM shard_results WHERE iteration > ?1",
        "DELETE FROM shard_states WHERE iteration > ?1",
        "DELETE FROM iterations WHERE iteration > ?1"}) {
    if (!status.ok()) return status;
    absl::StatusOr<Statement> remove = database_.Prepare(sql);
    if (!remove.ok()) return remove.status();
    status = remove->Bind(1, iteration).Run();
  }
  if (status.ok() && iteration > 0) status = InsertTailUsed(iteration, tail_used);
  if (status.ok()) status = transaction->Commit();
  return status;
}

absl::StatusOr<std::string> RunStore::RewoundPolicy(int64_t iteration) const {
  absl::StatusOr<Statement> query =
      database_.Prepare("SELECT policy_sha256 FROM rewound_iterations WHERE iteration = ?");
  if (!query.ok()) return query.status();
  absl::StatusOr<bool> row = query->Bind(1, iteration).Step();
  if (!row.ok()) return row.status();
  return *row ? query->Text(0) : "";
}

absl::StatusOr<std::string> RunStore::ShardChecksum(int64_t iteration, int32_t shard) const {
  absl::StatusOr<Statement> query = database_.Prepare(
      "SELECT record_xxh3 FROM shard_results WHERE iteration = ? AND shard = ?");
  if (!query.ok()) return query.status();
  absl::StatusOr<bool> row = query->Bind(1, iteration).Bind(2, int64_t{shard}).Step();
  if (!row.ok()) return row.status();
  if (*row) return query->Text(0);
  return Error(absl::StatusCode::kNotFound,
               absl::StrCat("iteration ", iteration, ", shard ", shard, " is not committed"));
}

absl::StatusOr<std::string> RunStore::ShardWorker(int64_t iteration, int32_t shard) const {
  absl::StatusOr<Statement> query =
      database_.Prepare("SELECT worker FROM shard_results WHERE iteration = ? AND shard = ?");
  if (!query.ok()) return query.status();
  absl::StatusOr<bool> row = query->Bind(1, iteration).Bind(2, int64_t{shard}).Step();
  if (!row.ok()) return row.status();
  return *row ? query->Text(0) : "";
}

}  // namespace shoal
