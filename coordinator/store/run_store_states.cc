// States of shards: what an iteration's items begin from, and most of what a commit writes.
#include "absl/strings/str_cat.h"
#include "coordinator/store/digest.h"
#include "coordinator/store/run_store.h"
#include "coordinator/store/schema.h"
#include "shoal/v1/records.pb.h"

namespace shoal {
namespace {

// A row holds states until they are as large as this together.
constexpr size_t kRowBytes = 256 << 10;

}  // namespace

absl::StatusOr<bool> RunStore::HasTable(absl::string_view name) const {
  absl::StatusOr<Statement> query =
      database_.Prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?");
  if (!query.ok()) return query.status();
  return query->BindText(1, name).Step();
}

absl::StatusOr<std::vector<int64_t>> RunStore::QueryInts(absl::string_view sql) const {
  absl::StatusOr<Statement> query = database_.Prepare(sql);
  if (!query.ok()) return query.status();
  std::vector<int64_t> numbers;
  while (true) {
    absl::StatusOr<bool> row = query->Step();
    if (!row.ok()) return row.status();
    if (!*row) return numbers;
    numbers.push_back(query->Int(0));
  }
}

absl::Status RunStore::InsertStates(int64_t iteration, std::span<const std::string> states) {
  absl::StatusOr<Statement> insert = database_.Prepare(
      "INSERT INTO shard_states (iteration, first_shard, states) VALUES (?, ?, ?)");
  if (!insert.ok()) return insert.status();
  for (size_t first = 0; first < states.size();) {
    v1::ShardStates row;
    size_t next = first;
    for (size_t bytes = 0; next < states.size() && bytes < kRowBytes; ++next) {
      row.add_states(states[next]);
      bytes += states[next].size();
    }
    const std::string bytes = row.SerializeAsString();
    absl::Status status = insert->Bind(1, iteration)
                              .Bind(2, static_cast<int64_t>(first))
                              .BindBlobInPlace(3, bytes)
                              .Run();
    if (!status.ok()) return status;
    first = next;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> RunStore::LoadShardStates(int64_t iteration) const {
  // Not in tables of an older version that are only read.
  absl::StatusOr<bool> rows = HasTable("shard_states");
  if (!rows.ok()) return rows.status();
  return ReadStates(iteration, *rows);
}

absl::StatusOr<std::vector<std::string>> RunStore::ReadStates(int64_t iteration, bool in_rows) const {
  absl::StatusOr<Statement> query = database_.Prepare(
      in_rows ? "SELECT first_shard, states FROM shard_states WHERE iteration = ? ORDER BY first_shard"
              : "SELECT shard, next_state FROM shard_results WHERE iteration = ? AND next_state IS "
                "NOT NULL ORDER BY shard");
  if (!query.ok()) return query.status();
  query->Bind(1, iteration);
  std::vector<std::string> states;
  while (true) {
    absl::StatusOr<bool> row = query->Step();
    if (!row.ok()) return row.status();
    if (!*row) break;
    v1::ShardStates next;
    if (!in_rows) next.add_states(query->Blob(1));
    if (query->Int(0) != static_cast<int64_t>(states.size()) ||
        (in_rows && !next.ParseFromString(query->Blob(1)))) {
      return Damaged(absl::StrCat("what follows the first ", states.size(),
                                  " states after iteration ", iteration));
    }
    for (std::string& state : *next.mutable_states()) states.push_back(std::move(state));
  }
  if (states.empty()) {
    return Error(absl::StatusCode::kNotFound,
                 absl::StrCat("the shards' states after iteration ", iteration, " are not kept"));
  }
  return states;
}

absl::Status RunStore::CheckStates() const {
  absl::StatusOr<bool> rows = HasTable("shard_states");
  if (!rows.ok()) return rows.status();
  absl::StatusOr<std::vector<int64_t>> iterations = QueryInts(
      *rows ? "SELECT DISTINCT iteration FROM shard_states ORDER BY 1"
            : "SELECT DISTINCT iteration FROM shard_results WHERE next_state IS NOT NULL ORDER BY 1");
  if (!iterations.ok()) return iterations.status();
  absl::StatusOr<Statement> query = database_.Prepare(
      "SELECT state_xxh3 FROM shard_results WHERE iteration = ? ORDER BY shard");
  if (!query.ok()) return query.status();
  for (const int64_t iteration : *iterations) {
    absl::StatusOr<std::vector<std::string>> states = LoadShardStates(iteration);
    if (!states.ok()) return states.status();
    query->Bind(1, iteration);
    size_t shard = 0;
    for (;; ++shard) {
      absl::StatusOr<bool> row = query->Step();
      if (!row.ok()) return row.status();
      if (!*row) break;
      if (shard >= states->size() || Digest({(*states)[shard]}) != query->Text(0)) {
        return Damaged(absl::StrCat("the state after iteration ", iteration, ", shard ", shard));
      }
    }
    if (shard != states->size()) {
      return Damaged(absl::StrCat("the states after iteration ", iteration));
    }
    query->Reset();
  }
  return absl::OkStatus();
}

absl::Status RunStore::Upgrade() {
  absl::StatusOr<bool> present = IsPresentSchema(database_);
  if (!present.ok() || *present) return present.status();
  absl::StatusOr<Transaction> transaction = Transaction::Begin(database_);
  if (!transaction.ok()) return transaction.status();
  absl::Status status = MoveStates();
  return status.ok() ? transaction->Commit() : status;
}

absl::Status RunStore::MoveStates() {
  absl::StatusOr<std::vector<int64_t>> iterations = QueryInts(
      "SELECT DISTINCT iteration FROM shard_results WHERE next_state IS NOT NULL ORDER BY 1");
  if (!iterations.ok()) return iterations.status();
  absl::Status status = UpgradeSchema(database_);
  for (size_t i = 0; status.ok() && i < iterations->size(); ++i) {
    auto states = ReadStates((*iterations)[i], /*in_rows=*/false);
    if (!states.ok()) return states.status();
    status = InsertStates((*iterations)[i], *states);
  }
  if (!status.ok()) return status;
  return database_.Execute("UPDATE shard_results SET next_state = NULL WHERE next_state IS NOT NULL");
}

}  // namespace shoal
