#include "coordinator/queue/queue_store.h"

#include <filesystem>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/run_name.h"

namespace shoal {
namespace {

// "shoq" in ASCII, so that no other program's file is taken for a queue.
constexpr int64_t kApplicationId = 0x73686f71;
constexpr int64_t kVersion = 1;

constexpr char kSchema[] =
    "CREATE TABLE queue ("
    "  name TEXT PRIMARY KEY NOT NULL,"
    "  place INTEGER NOT NULL UNIQUE,"
    "  token TEXT NOT NULL,"
    "  state TEXT NOT NULL,"
    "  stop_ordered INTEGER NOT NULL,"
    "  message TEXT NOT NULL,"
    "  artifacts TEXT NOT NULL,"
    "  submitted_at INTEGER,"
    "  started_at INTEGER,"
    "  ended_at INTEGER,"
    "  iteration INTEGER NOT NULL,"
    "  policy_sha256 TEXT NOT NULL"
    ") STRICT, WITHOUT ROWID;";

// Microseconds since 1970; NULL: never.
std::optional<int64_t> FromTime(absl::Time time) {
  if (time == absl::InfinitePast()) return std::nullopt;
  return absl::ToUnixMicros(time);
}

absl::Time ToTime(std::optional<int64_t> micros) {
  return micros ? absl::FromUnixMicros(*micros) : absl::InfinitePast();
}

absl::StatusOr<Database> Make(const std::string& path) {
  auto database = Database::Open(path, Database::Mode::kCreate);
  if (!database.ok()) return database.status();
  auto transaction = Transaction::Begin(*database);
  if (!transaction.ok()) return transaction.status();
  absl::Status status = database->Execute(
      absl::StrCat(kSchema, "PRAGMA application_id = ", kApplicationId, ";PRAGMA user_version = ",
                   kVersion, ";"));
  if (status.ok()) status = transaction->Commit();
  if (!status.ok()) return status;
  return Database::Open(path, Database::Mode::kWrite);
}

}  // namespace

absl::StatusOr<QueueStore> QueueStore::Open(const std::string& path) {
  auto database = Database::Open(path, Database::Mode::kWrite);
  if (absl::IsNotFound(database.status())) database = Make(path);
  if (!database.ok()) return database.status();
  auto id = database->QueryInt("PRAGMA application_id");
  if (!id.ok()) return id.status();
  auto version = database->QueryInt("PRAGMA user_version");
  if (!version.ok()) return version.status();
  if (*id != kApplicationId || *version != kVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": is no queue of this version (", kVersion,
                     "): use the program that wrote it, or another --runs folder"));
  }
  return QueueStore(*std::move(database));
}

absl::StatusOr<std::vector<QueueEntry>> QueueStore::Load() const {
  auto select = database_.Prepare(
      "SELECT name, place, token, state, stop_ordered, message, artifacts, submitted_at, started_at,"
      " ended_at, iteration, policy_sha256 FROM queue ORDER BY place");
  if (!select.ok()) return select.status();
  std::vector<QueueEntry> entries;
  while (true) {
    auto row = select->Step();
    if (!row.ok()) return row.status();
    if (!*row) return entries;
    QueueEntry entry;
    entry.name = select->Text(0);
    entry.place = select->Int(1);
    entry.token = select->Text(2);
    const auto state = ParseQueueState(select->Text(3));
    entry.stop_ordered = select->Int(4) != 0;
    entry.message = select->Text(5);
    const auto artifacts = ParseArtifactsState(select->Text(6));
    entry.submitted_at = ToTime(select->OptionalInt(7));
    entry.started_at = ToTime(select->OptionalInt(8));
    entry.ended_at = ToTime(select->OptionalInt(9));
    entry.iteration = select->Int(10);
    entry.policy_sha256 = select->Text(11);
    if (!state || !artifacts || !CheckRunName(entry.name).ok()) {
      return absl::DataLossError(absl::StrCat(database_.path(), ": the row at place ", entry.place,
                                              " is damaged: put a copy of the file back"));
    }
    entry.state = *state;
    entry.artifacts = *artifacts;
    entries.push_back(std::move(entry));
  }
}

absl::Status QueueStore::Save(const QueueEntry& entry) {
  auto insert = database_.Prepare(
      "INSERT INTO queue (name, place, token, state, stop_ordered, message, artifacts, submitted_at,"
      " started_at, ended_at, iteration, policy_sha256) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)"
      " ON CONFLICT (name) DO UPDATE SET place=?2, token=?3, state=?4, stop_ordered=?5, message=?6,"
      " artifacts=?7, submitted_at=?8, started_at=?9, ended_at=?10, iteration=?11, policy_sha256=?12");
  if (!insert.ok()) return insert.status();
  return insert->BindText(1, entry.name)
      .Bind(2, entry.place)
      .BindText(3, entry.token)
      .BindText(4, QueueStateName(entry.state))
      .Bind(5, int64_t{entry.stop_ordered})
      .BindText(6, entry.message)
      .BindText(7, ArtifactsStateName(entry.artifacts))
      .Bind(8, FromTime(entry.submitted_at))
      .Bind(9, FromTime(entry.started_at))
      .Bind(10, FromTime(entry.ended_at))
      .Bind(11, entry.iteration)
      .BindText(12, entry.policy_sha256)
      .Run();
}

}  // namespace shoal
