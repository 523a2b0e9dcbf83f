#include "coordinator/store/schema.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace shoal {
namespace {

// "shoa": tells a run's database from any other.
constexpr int64_t kApplicationId = 0x73686f61;

// Times are microseconds since 1970, UTC. `sequence` numbers commits of iterations and of
// evaluations together, in the order in which they were made. Columns named xxh3 hold the digest
// (digest.h) of what the row was written with, and are checked when the run is opened.
constexpr char kFirstTables[] = R"sql(
CREATE TABLE run (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  options TEXT NOT NULL,               -- config.textproto
  options_sha256 TEXT NOT NULL,
  build TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  kernel_id TEXT NOT NULL DEFAULT '',  -- of the first actor; all others must have the same
  initial_policy_sha256 TEXT NOT NULL DEFAULT '',
  status TEXT NOT NULL,
  message TEXT NOT NULL DEFAULT '',
  next_fencing INTEGER NOT NULL DEFAULT 1,
  next_sequence INTEGER NOT NULL DEFAULT 1,
  xxh3 TEXT NOT NULL DEFAULT ''        -- of all other columns
);

CREATE TABLE plans (
  iteration INTEGER PRIMARY KEY CHECK (iteration >= 1),
  plan BLOB NOT NULL,                  -- shoal.v1.IterationPlan
  tail_hash TEXT NOT NULL,             -- of the tail slots and forced resets of all environments
  xxh3 TEXT NOT NULL                   -- of iteration, plan, tail_hash
);

CREATE TABLE iterations (
  iteration INTEGER PRIMARY KEY REFERENCES plans,
  sequence INTEGER NOT NULL UNIQUE,
  policy_sha256 TEXT NOT NULL,         -- of the version that the iteration's update made
  measurements TEXT NOT NULL,          -- JSON
  planner_state BLOB,                  -- NULL once nothing needs it any more
  planner_xxh3 TEXT NOT NULL,          -- of planner_state
  committed_at INTEGER NOT NULL,
  xxh3 TEXT NOT NULL                   -- of iteration, policy_sha256, measurements, planner_xxh3
);

CREATE TABLE shard_results (
  iteration INTEGER NOT NULL REFERENCES iterations,
  shard INTEGER NOT NULL,
  record BLOB NOT NULL,                -- shoal.v1.RolloutRecord without its next_state
  record_xxh3 TEXT NOT NULL,           -- of the whole record as it came
  next_state BLOB,                     -- only before version 6; now in shard_states
  state_xxh3 TEXT NOT NULL,            -- of the shard's state after the iteration
  worker TEXT NOT NULL,
  xxh3 TEXT NOT NULL,                  -- of iteration, shard, record, record_xxh3, state_xxh3
  PRIMARY KEY (iteration, shard)
) WITHOUT ROWID;

-- Iterations that were committed and then given up, because no intact checkpoint was left of them.
-- Computed again they must come to the same policy.
CREATE TABLE rewound_iterations (
  iteration INTEGER PRIMARY KEY,
  policy_sha256 TEXT NOT NULL,
  rewound_at INTEGER NOT NULL
);

CREATE TABLE tail_pointers (
  environment INTEGER PRIMARY KEY,
  used INTEGER NOT NULL,               -- slots of its queue that it has taken
  iteration INTEGER NOT NULL REFERENCES iterations
);

CREATE TABLE leases (
  fencing INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,                  -- 'rollout' or 'evaluation'
  item_group INTEGER NOT NULL,         -- iteration or evaluation
  item_index INTEGER NOT NULL,         -- shard or scene
  worker TEXT NOT NULL,
  offered_at INTEGER NOT NULL,
  ended_at INTEGER,
  outcome TEXT NOT NULL
);

CREATE TABLE evaluations (
  id INTEGER PRIMARY KEY CHECK (id >= 0),
  kind TEXT NOT NULL,
  iteration INTEGER NOT NULL,          -- whose version is evaluated
  spec TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'finished')),
  sequence INTEGER UNIQUE,
  summary TEXT,                        -- JSON
  created_at INTEGER NOT NULL,
  finished_at INTEGER,
  xxh3 TEXT NOT NULL                   -- of id, kind, iteration, spec, summary, the gate's event
);

CREATE TABLE evaluation_episodes (
  evaluation INTEGER NOT NULL REFERENCES evaluations,
  scene INTEGER NOT NULL,
  record BLOB NOT NULL,                -- shoal.v1.EvaluationEpisode
  xxh3 TEXT NOT NULL,                  -- of evaluation, scene, record
  worker TEXT NOT NULL DEFAULT '',     -- '': of a build that did not keep it
  PRIMARY KEY (evaluation, scene)
) WITHOUT ROWID;

CREATE TABLE gate_events (
  evaluation INTEGER PRIMARY KEY REFERENCES evaluations,
  iteration INTEGER NOT NULL,
  event TEXT NOT NULL                  -- JSON
);
)sql";

// What version 6 added. States are nine tenths of what a commit writes: rows of many are written once,
// and freed without being written again. Not WITHOUT ROWID: there SQLite reads all of a row to compare
// its key.
constexpr char kStatesTable[] = R"sql(
CREATE TABLE shard_states (
  iteration INTEGER NOT NULL REFERENCES iterations,
  first_shard INTEGER NOT NULL,        -- and those after it
  states BLOB NOT NULL,                -- shoal.v1.ShardStates; shard_results.state_xxh3 has digests
  PRIMARY KEY (iteration, first_shard)
);
)sql";

bool Known(int64_t version) {
  return version >= kOldestSchemaVersion && version <= kSchemaVersionWithOrders;
}

// SQL without comments and white space, and without what differs between tables that were made and
// those that were upgraded.
std::string Bare(absl::string_view sql) {
  std::string bare;
  for (absl::string_view line : absl::StrSplit(sql, '\n')) {
    for (const char c : line.substr(0, line.find("--"))) {
      if (!absl::ascii_isspace(static_cast<unsigned char>(c))) bare.push_back(c);
    }
  }
  return absl::StrReplaceAll(bare, {{"IFNOTEXISTS", ""}, {",workerTEXTNOTNULLDEFAULT''", ""}});
}

absl::Status Damaged(const Database& database, absl::string_view why) {
  return absl::DataLossError(
      absl::StrCat(database.path(), ": is damaged (", why,
                   "): put a copy of it back, or start a new run; the checkpoints are not affected"));
}

// A changed letter in a table's text can be another column's name.
absl::Status CheckTables(const Database& database) {
  const std::string known = Bare(absl::StrCat(kFirstTables, kStatesTable, kOrdersTable));
  absl::StatusOr<Statement> tables =
      database.Prepare("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL");
  if (!tables.ok()) return tables.status();
  while (true) {
    absl::StatusOr<bool> row = tables->Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
    if (!absl::StrContains(known, Bare(tables->Text(1)))) {
      return Damaged(database, absl::StrCat("the table ", tables->Text(0), " is not as it is made"));
    }
  }
}

}  // namespace

// `body` is a serialized shoal.v1.Order, xxh3 the digest of id and body.
const char kOrdersTable[] = R"sql(
CREATE TABLE IF NOT EXISTS orders (
  id INTEGER PRIMARY KEY CHECK (id >= 1),
  request_id TEXT NOT NULL UNIQUE,
  body BLOB NOT NULL,
  xxh3 TEXT NOT NULL
);
)sql";

absl::Status CreateSchema(const Database& database) {
  return database.Execute(absl::StrCat(kFirstTables, kStatesTable, "PRAGMA application_id = ", kApplicationId,
                                       "; PRAGMA user_version = ", kSchemaVersion, ";"));
}

absl::Status CheckSchema(const Database& database) {
  absl::StatusOr<int64_t> application = database.QueryInt("PRAGMA application_id");
  if (!application.ok()) return application.status();
  if (*application != kApplicationId) {
    return absl::FailedPreconditionError(
        absl::StrCat(database.path(), ": is a database, but not of a run"));
  }
  absl::StatusOr<int64_t> version = database.QueryInt("PRAGMA user_version");
  if (!version.ok()) return version.status();
  if (!Known(*version)) {
    return absl::FailedPreconditionError(absl::StrCat(
        database.path(), ": has tables of version ", *version, "; this build reads versions ",
        kOldestSchemaVersion, " to ", kSchemaVersionWithOrders,
        ". Use the build that wrote the run (written_by in config.textproto)"));
  }
  absl::StatusOr<Statement> check = database.Prepare("PRAGMA quick_check(1)");
  if (!check.ok()) return check.status();
  absl::StatusOr<bool> row = check->Step();
  if (!row.ok()) return row.status();
  if (!*row || check->Text(0) != "ok") return Damaged(database, *row ? check->Text(0) : "no answer");
  return CheckTables(database);
}

absl::StatusOr<bool> IsPresentSchema(const Database& database) {
  absl::StatusOr<int64_t> version = database.QueryInt("PRAGMA user_version");
  if (!version.ok()) return version.status();
  return *version >= kSchemaVersion;
}

absl::Status UpgradeSchema(const Database& database) {
  absl::StatusOr<int64_t> version = database.QueryInt("PRAGMA user_version");
  if (!version.ok()) return version.status();
  std::string sql = kStatesTable;
  if (*version < kSchemaVersionWithSceneWorkers) {
    absl::StrAppend(&sql, "ALTER TABLE evaluation_episodes ADD COLUMN worker TEXT NOT NULL DEFAULT '';");
  }
  const bool orders = *version % 2 == 1;
  return database.Execute(absl::StrCat(
      sql, "PRAGMA user_version = ", orders ? kSchemaVersionWithOrders : kSchemaVersion, ";"));
}

}  // namespace shoal
