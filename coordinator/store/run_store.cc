#include "coordinator/store/run_store.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "common/hash.h"
#include "coordinator/store/digest.h"
#include "coordinator/store/schema.h"

namespace shoal {
namespace {

constexpr RunState kStates[] = {RunState::kRunning, RunState::kStopped, RunState::kDone,
                                RunState::kFailed};

absl::Status InsertRun(const Database& database, const RunInfo& info) {
  absl::StatusOr<Statement> insert = database.Prepare(
      "INSERT INTO run (one, id, name, options, options_sha256, build, created_at, kernel_id, "
      "status, message) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  if (!insert.ok()) return insert.status();
  absl::Status status = insert->BindText(1, info.id)
      .BindText(2, info.name)
      .BindText(3, info.options)
      .BindText(4, Sha256Hex(info.options))
      .BindText(5, info.build)
      .Bind(6, absl::ToUnixMicros(info.created_at))
      .BindText(7, info.kernel_id)
      .BindText(8, RunStateName(info.status))
      .BindText(9, info.message)
      .Run();
  return status.ok() ? SealRun(database) : status;
}

}  // namespace

absl::StatusOr<std::string> RunDigest(const Database& database) {
  absl::StatusOr<Statement> query = database.Prepare(
      "SELECT id, name, options, options_sha256, build, created_at, kernel_id, "
      "initial_policy_sha256, status, message, next_fencing, next_sequence FROM run");
  if (!query.ok()) return query.status();
  absl::StatusOr<bool> row = query->Step();
  if (!row.ok()) return row.status();
  if (!*row) return absl::DataLossError(absl::StrCat(database.path(), ": has no run in it"));
  const auto text = [&](int column) { return query->Text(column); };
  return Digest({text(0), text(1), text(2), text(3), text(4), text(5), text(6), text(7), text(8),
                 text(9), text(10), text(11)});
}

absl::Status SealRun(const Database& database) {
  absl::StatusOr<std::string> digest = RunDigest(database);
  if (!digest.ok()) return digest.status();
  absl::StatusOr<Statement> update = database.Prepare("UPDATE run SET xxh3 = ?");
  if (!update.ok()) return update.status();
  return update->BindText(1, *digest).Run();
}

const char* RunStateName(RunState state) {
  switch (state) {
    case RunState::kRunning:
      return "running";
    case RunState::kStopped:
      return "stopped";
    case RunState::kDone:
      return "done";
    case RunState::kFailed:
      return "failed";
  }
  return "unknown";
}

absl::StatusOr<RunStore> RunStore::Create(const std::string& path, const RunInfo& info) {
  {
    absl::StatusOr<Database> database = Database::Open(path, Database::Mode::kCreate);
    if (!database.ok()) return database.status();
    // SQLite writes page by page, twice. Four times its own choice take a quarter off a large commit.
    absl::Status status = database->Execute("PRAGMA page_size = 16384");
    if (!status.ok()) return status;
    absl::StatusOr<Transaction> transaction = Transaction::Begin(*database);
    if (!transaction.ok()) return transaction.status();
    status = CreateSchema(*database);
    if (status.ok()) status = InsertRun(*database, info);
    if (status.ok()) status = transaction->Commit();
    if (!status.ok()) return status;
  }
  return Open(path);
}

absl::StatusOr<RunStore> RunStore::Open(const std::string& path) {
  absl::StatusOr<Database> database = Database::Open(path, Database::Mode::kWrite);
  if (!database.ok()) return database.status();
  if (absl::Status status = CheckSchema(*database); !status.ok()) return status;
  RunStore store(*std::move(database));
  if (absl::Status status = store.CheckContent(); !status.ok()) return status;
  if (absl::Status status = store.Upgrade(); !status.ok()) return status;
  // SQLite syncs the folder of a new file, but does not mind if that fails.
  if (absl::Status status = SyncDirectory(DirectoryOf(path)); !status.ok()) return status;
  return store;
}

absl::StatusOr<RunStore> RunStore::OpenReadOnly(const std::string& path) {
  absl::StatusOr<Database> database = Database::Open(path, Database::Mode::kReadOnly);
  if (!database.ok()) return database.status();
  if (absl::Status status = CheckSchema(*database); !status.ok()) return status;
  return RunStore(*std::move(database));
}

absl::Status RunStore::Error(absl::StatusCode code, absl::string_view message) const {
  return absl::Status(code, absl::StrCat(database_.path(), ": ", message));
}

absl::StatusOr<RunInfo> RunStore::Info() const {
  absl::StatusOr<Statement> query = database_.Prepare(
      "SELECT id, name, options, options_sha256, build, created_at, kernel_id, status, message "
      "FROM run");
  if (!query.ok()) return query.status();
  absl::StatusOr<bool> row = query->Step();
  if (!row.ok()) return row.status();
  if (!*row) return Error(absl::StatusCode::kDataLoss, "has no run in it");
  RunInfo info;
  info.id = query->Text(0);
  info.name = query->Text(1);
  info.options = query->Text(2);
  if (Sha256Hex(info.options) != query->Text(3)) {
    return Error(absl::StatusCode::kDataLoss,
                 "the options do not have the hash that was written with them");
  }
  info.build = query->Text(4);
  info.created_at = absl::FromUnixMicros(query->Int(5));
  info.kernel_id = query->Text(6);
  const std::string status = query->Text(7);
  for (const RunState state : kStates) {
    if (status == RunStateName(state)) info.status = state;
  }
  info.message = query->Text(8);
  return info;
}

absl::Status RunStore::UpdateRun(absl::string_view sql,
                                 absl::FunctionRef<void(Statement&)> bind) {
  absl::StatusOr<Transaction> transaction = Transaction::Begin(database_);
  if (!transaction.ok()) return transaction.status();
  absl::StatusOr<Statement> update = database_.Prepare(sql);
  if (!update.ok()) return update.status();
  bind(*update);
  absl::Status status = update->Run();
  if (status.ok()) status = SealRun(database_);
  if (status.ok()) status = transaction->Commit();
  return status;
}

absl::Status RunStore::SetStatus(RunState status, absl::string_view message) {
  return UpdateRun("UPDATE run SET status = ?, message = ?", [&](Statement& update) {
    update.BindText(1, RunStateName(status)).BindText(2, message);
  });
}

absl::Status RunStore::SettleOnce(const char* column, const char* what, absl::string_view value) {
  if (value.empty()) {
    return Error(absl::StatusCode::kInvalidArgument, absl::StrCat("an empty ", what));
  }
  absl::StatusOr<Statement> query = database_.Prepare(absl::StrCat("SELECT ", column, " FROM run"));
  if (!query.ok()) return query.status();
  absl::StatusOr<bool> row = query->Step();
  if (!row.ok()) return row.status();
  const std::string settled = *row ? query->Text(0) : "";
  if (settled == value) return absl::OkStatus();
  if (!settled.empty()) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 absl::StrCat("the run's ", what, " is ", settled, ", not ", value));
  }
  return UpdateRun(absl::StrCat("UPDATE run SET ", column, " = ?"),
                   [&](Statement& update) { update.BindText(1, value); });
}

absl::Status RunStore::SetKernelId(absl::string_view kernel_id) {
  return SettleOnce("kernel_id", "inference kernel", kernel_id);
}

absl::Status RunStore::SetInitialPolicy(absl::string_view policy_sha256) {
  return SettleOnce("initial_policy_sha256", "initial policy", policy_sha256);
}

absl::StatusOr<uint64_t> RunStore::NextFencing(int64_t block) {
  if (block < 1) {
    return Error(absl::StatusCode::kInvalidArgument,
                 absl::StrCat("a block of ", block, " fencing numbers; at least 1 is needed"));
  }
  absl::StatusOr<int64_t> first = database_.QueryInt("SELECT next_fencing FROM run");
  if (!first.ok()) return first.status();
  absl::Status status = UpdateRun("UPDATE run SET next_fencing = ?",
                                  [&](Statement& update) { update.Bind(1, *first + block); });
  if (!status.ok()) return status;
  return static_cast<uint64_t>(*first);
}

absl::Status RunStore::InsertLeases(std::span<const LeaseRow> leases) {
  if (leases.empty()) return absl::OkStatus();
  absl::StatusOr<Statement> insert = database_.Prepare(
      "INSERT OR REPLACE INTO leases (fencing, kind, item_group, item_index, worker, offered_at, "
      "ended_at, outcome) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  if (!insert.ok()) return insert.status();
  for (const LeaseRow& lease : leases) {
    std::optional<int64_t> ended_at;
    if (lease.ended_at.has_value()) ended_at = absl::ToUnixMicros(*lease.ended_at);
    absl::Status status = insert->Bind(1, static_cast<int64_t>(lease.fencing))
                              .BindText(2, lease.kind)
                              .Bind(3, lease.group)
                              .Bind(4, int64_t{lease.index})
                              .BindText(5, lease.worker)
                              .Bind(6, absl::ToUnixMicros(lease.offered_at))
                              .Bind(7, ended_at)
                              .BindText(8, lease.outcome)
                              .Run();
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status RunStore::RecordLeases(std::span<const LeaseRow> leases) {
  if (leases.empty()) return absl::OkStatus();
  absl::StatusOr<Transaction> transaction = Transaction::Begin(database_);
  if (!transaction.ok()) return transaction.status();
  if (absl::Status status = InsertLeases(leases); !status.ok()) return status;
  return transaction->Commit();
}

absl::StatusOr<int64_t> RunStore::TakeSequence() {
  absl::StatusOr<int64_t> sequence = database_.QueryInt("SELECT next_sequence FROM run");
  if (!sequence.ok()) return sequence;
  absl::Status status = database_.Execute("UPDATE run SET next_sequence = next_sequence + 1");
  if (status.ok()) status = SealRun(database_);
  if (!status.ok()) return status;
  return sequence;
}

absl::StatusOr<std::vector<JournalEntry>> RunStore::Journal(int64_t after, int64_t limit) const {
  absl::StatusOr<Statement> query = database_.Prepare(
      "SELECT sequence, 0, iteration FROM iterations WHERE sequence > ?1 "
      "UNION ALL SELECT sequence, 1, id FROM evaluations WHERE sequence > ?1 "
      "ORDER BY 1 LIMIT ?2");
  if (!query.ok()) return query.status();
  query->Bind(1, after).Bind(2, limit);
  std::vector<JournalEntry> entries;
  while (true) {
    absl::StatusOr<bool> row = query->Step();
    if (!row.ok()) return row.status();
    if (!*row) return entries;
    entries.push_back(
        {query->Int(0),
         query->Int(1) == 0 ? JournalEntry::Kind::kIteration : JournalEntry::Kind::kEvaluation,
         query->Int(2)});
  }
}

}  // namespace shoal
