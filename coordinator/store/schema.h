// The tables of run.db. Private to this folder.
#pragma once

#include "absl/status/status.h"
#include "coordinator/store/database.h"

namespace shoal {

// Version of the tables below, kept in SQLite's user_version. A change of any table is a new one.
inline constexpr int64_t kSchemaVersion = 1;

// Makes all tables in an empty database. Call it within a transaction.
absl::Status CreateSchema(const Database& database);

// The database is one of a run, of this version and undamaged (PRAGMA quick_check). kDataLoss: it
// is damaged; kFailedPrecondition: it is none of a run, or of another version.
absl::Status CheckSchema(const Database& database);

}  // namespace shoal
