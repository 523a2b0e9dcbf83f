// The tables of run.db. Private to this folder.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "coordinator/store/database.h"

namespace shoal {

// Version of the tables below, kept in SQLite's user_version. A change of any table is a new one, by
// two: odd versions have the table of orders as well, which is made with the first order, since a build
// that does not know orders must not go on with a run that has some.
inline constexpr int64_t kSchemaVersion = 6;
inline constexpr int64_t kSchemaVersionWithOrders = kSchemaVersion + 1;
// Older ones are read as they are, and become the present one when they are opened to be written: before
// 6, each row of shard_results had its shard's state; before 4, evaluation_episodes had no worker.
inline constexpr int64_t kOldestSchemaVersion = 2;
inline constexpr int64_t kSchemaVersionWithSceneWorkers = 4;

// Makes the table of orders where it is not there.
extern const char kOrdersTable[];

// Makes all other tables in an empty database. Call it within a transaction.
absl::Status CreateSchema(const Database& database);

// The digest of the run's own row, and giving it to the row: after every change of it, in the same
// transaction.
absl::StatusOr<std::string> RunDigest(const Database& database);
absl::Status SealRun(const Database& database);

// The database is one of a run, of a version above and undamaged (PRAGMA quick_check, and the tables'
// own text, which that does not look at). kDataLoss: it is damaged; kFailedPrecondition: it is none of
// a run, or of another version.
absl::Status CheckSchema(const Database& database);

// The tables are those of the present version.
absl::StatusOr<bool> IsPresentSchema(const Database& database);

// Brings older tables to the present version. Call it after CheckSchema, within a transaction, and have
// the states of shards moved in the same one. No row that a run is resumed from changes.
absl::Status UpgradeSchema(const Database& database);

}  // namespace shoal
