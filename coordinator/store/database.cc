#include "coordinator/store/database.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace shoal {
namespace {

constexpr int kBusyTimeoutMs = 5000;

// What the system said when SQLite could not read or write, of the database or of its log; 0: not
// known. errno itself is that of something later.
int SystemErrorOf(sqlite3* connection, int sqlite_code) {
  if (connection == nullptr || (sqlite_code & 0xff) != SQLITE_IOERR) return 0;
  for (const int which : {SQLITE_FCNTL_JOURNAL_POINTER, SQLITE_FCNTL_FILE_POINTER}) {
    sqlite3_file* file = nullptr;
    int error = 0;
    if (sqlite3_file_control(connection, "main", which, &file) == SQLITE_OK && file != nullptr &&
        file->pMethods != nullptr &&
        file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &error) == SQLITE_OK && error != 0) {
      return error;
    }
  }
  return 0;
}

absl::StatusCode CodeOf(int sqlite_code, int system_error = 0) {
  if (system_error == ENOSPC || system_error == EDQUOT) return absl::StatusCode::kResourceExhausted;
  if (system_error == EROFS) return absl::StatusCode::kPermissionDenied;
  switch (sqlite_code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::StatusCode::kDataLoss;
    case SQLITE_FULL:
      return absl::StatusCode::kResourceExhausted;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return absl::StatusCode::kPermissionDenied;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::StatusCode::kUnavailable;
    case SQLITE_CONSTRAINT:
      return absl::StatusCode::kFailedPrecondition;
    default:
      return absl::StatusCode::kInternal;
  }
}

absl::Status MakeError(const std::string& path, absl::string_view action, sqlite3* connection,
                       int code) {
  const char* text = connection != nullptr ? sqlite3_errmsg(connection) : sqlite3_errstr(code);
  std::string message = absl::StrCat(path, ": ", action, ": ", text);
  const int system_error = SystemErrorOf(connection, code);
  if (system_error != 0) absl::StrAppend(&message, " (", strerror(system_error), ")");
  if ((code & 0xff) == SQLITE_CANTOPEN) {
    absl::StrAppend(&message, ", or none beside it: is there room for one, and may it be made?");
  }
  if (CodeOf(code) == absl::StatusCode::kDataLoss) {
    absl::StrAppend(
        &message,
        ". The file is damaged or no database of a run: put a copy of it back, or start "
        "a new run");
  }
  return absl::Status(CodeOf(code, system_error), message);
}

constexpr char kExists[] = "exists already; resume that run or use another name";
constexpr char kEmpty[] = "is empty: nothing was ever written to it; begin anew";

absl::Status ForPath(const std::string& path, absl::StatusCode code, absl::string_view what) {
  return absl::Status(code, absl::StrCat(path, ": ", what));
}

// What SQLite's "unable to open database file" does not say.
absl::Status CheckPath(const std::string& path, Database::Mode mode) {
  struct stat info;
  const bool exists = stat(path.c_str(), &info) == 0;
  if (mode == Database::Mode::kCreate) {
    // With a rollback journal beside it, it may hold no more than half of a first commit.
    struct stat journal;
    if (exists && info.st_size > 0 && stat((path + "-journal").c_str(), &journal) != 0) {
      return ForPath(path, absl::StatusCode::kAlreadyExists, kExists);
    }
    const size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "."
                               : slash == 0               ? "/"
                                                          : path.substr(0, slash);
    if (stat(folder.c_str(), &info) != 0) {
      return ForPath(path, absl::StatusCode::kNotFound,
                     absl::StrCat("the folder ", folder, " does not exist"));
    }
    if (eaccess(folder.c_str(), W_OK | X_OK) != 0) {
      return ForPath(path, absl::StatusCode::kPermissionDenied,
                     absl::StrCat("the folder ", folder, " may not be written"));
    }
    return absl::OkStatus();
  }
  if (!exists) return ForPath(path, absl::StatusCode::kNotFound, "there is no such file");
  if (!S_ISREG(info.st_mode)) {
    return ForPath(path, absl::StatusCode::kNotFound, "is not a file");
  }
  if (info.st_size == 0) {
    return ForPath(path, absl::StatusCode::kNotFound, kEmpty);
  }
  const int access = mode == Database::Mode::kReadOnly ? R_OK : R_OK | W_OK;
  if (eaccess(path.c_str(), access) != 0) {
    return ForPath(path, absl::StatusCode::kPermissionDenied,
                   mode == Database::Mode::kReadOnly ? "may not be read" : "may not be written");
  }
  return absl::OkStatus();
}

// A path as a URI that says that nobody writes the file.
std::string ImmutableUri(const std::string& path) {
  std::string uri = "file:";
  for (const char c : path) {
    if (c == '%' || c == '?' || c == '#') {
      absl::StrAppend(&uri, "%", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
    } else {
      uri.push_back(c);
    }
  }
  return uri + "?immutable=1";
}

}  // namespace

void Statement::Finalizer::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

absl::Status Statement::Error(const char* action, int code) const {
  return MakeError(*path_, action, sqlite3_db_handle(statement_.get()), code);
}

void Statement::Remember(int code) {
  if (code != SQLITE_OK && bind_error_ == SQLITE_OK) bind_error_ = code;
}

Statement& Statement::Bind(int index, int64_t value) {
  Remember(sqlite3_bind_int64(statement_.get(), index, value));
  return *this;
}

Statement& Statement::Bind(int index, std::optional<int64_t> value) {
  return value.has_value() ? Bind(index, *value) : BindNull(index);
}

Statement& Statement::BindText(int index, absl::string_view value) {
  Remember(sqlite3_bind_text64(statement_.get(), index, value.data() ? value.data() : "",
                               value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  return *this;
}

Statement& Statement::BindBlob(int index, absl::string_view value) {
  // A null pointer would bind NULL, not an empty blob.
  Remember(sqlite3_bind_blob64(statement_.get(), index, value.data() ? value.data() : "",
                               value.size(), SQLITE_TRANSIENT));
  return *this;
}

Statement& Statement::BindBlobInPlace(int index, absl::string_view value) {
  Remember(sqlite3_bind_blob64(statement_.get(), index, value.data() ? value.data() : "",
                               value.size(), SQLITE_STATIC));
  return *this;
}

Statement& Statement::BindNull(int index) {
  Remember(sqlite3_bind_null(statement_.get(), index));
  return *this;
}

absl::StatusOr<bool> Statement::Step() {
  if (bind_error_ != SQLITE_OK) {
    return Error("binding a value", std::exchange(bind_error_, SQLITE_OK));
  }
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  absl::Status status = Error("reading or writing", code);
  sqlite3_reset(statement_.get());
  return status;
}

absl::Status Statement::Run() {
  absl::StatusOr<bool> row = Step();
  Reset();
  return row.status();
}

void Statement::Reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
}

int64_t Statement::Int(int column) const { return sqlite3_column_int64(statement_.get(), column); }

std::optional<int64_t> Statement::OptionalInt(int column) const {
  if (IsNull(column)) return std::nullopt;
  return Int(column);
}

std::string Statement::Text(int column) const {
  const unsigned char* text = sqlite3_column_text(statement_.get(), column);
  if (text == nullptr) return "";
  return {reinterpret_cast<const char*>(text),
          static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

std::string Statement::Blob(int column) const {
  const void* blob = sqlite3_column_blob(statement_.get(), column);
  if (blob == nullptr) return "";
  return {static_cast<const char*>(blob),
          static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

void Database::Closer::operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }

absl::Status Database::Error(absl::string_view action, int code) const {
  return MakeError(*path_, action, connection_.get(), code);
}

absl::StatusOr<Database> Database::Open(const std::string& path, Mode mode) {
  if (absl::Status status = CheckPath(path, mode); !status.ok()) return status;
  const auto open = [&](const std::string& name, int flags) -> absl::StatusOr<Database> {
    sqlite3* raw = nullptr;
    const int code = sqlite3_open_v2(name.c_str(), &raw, flags | SQLITE_OPEN_NOMUTEX, nullptr);
    Database database(std::unique_ptr<sqlite3, Closer>(raw), std::make_unique<std::string>(path));
    if (code != SQLITE_OK) return database.Error("opening", code);
    sqlite3_extended_result_codes(raw, 1);
    sqlite3_busy_timeout(raw, kBusyTimeoutMs);
    // Opening alone reads nothing: ask for something that is on the first page.
    if (absl::Status status = database.Execute("SELECT count(*) FROM sqlite_schema");
        !status.ok()) {
      return status;
    }
    return database;
  };

  if (mode == Mode::kReadOnly) {
    absl::StatusOr<Database> database = open(path, SQLITE_OPEN_READONLY);
    if (database.ok() || absl::IsDataLoss(database.status())) return database;
    // A database in WAL mode needs a file beside it even to be read. Where none can be made and no
    // log is there either, nobody is writing, and the file alone is the whole database.
    struct stat info;
    if (stat((path + "-wal").c_str(), &info) == 0 && info.st_size > 0) return database;
    return open(ImmutableUri(path), SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
  }

  absl::StatusOr<Database> database =
      open(path, SQLITE_OPEN_READWRITE | (mode == Mode::kCreate ? SQLITE_OPEN_CREATE : 0));
  if (!database.ok()) return database;
  // A crash in the first commit has been rolled back by now.
  absl::StatusOr<int64_t> pages = database->QueryInt("PRAGMA page_count");
  if (!pages.ok()) return pages.status();
  if (mode == Mode::kCreate && *pages > 0) {
    return ForPath(path, absl::StatusCode::kAlreadyExists, kExists);
  }
  if (mode == Mode::kWrite && *pages == 0) return ForPath(path, absl::StatusCode::kNotFound, kEmpty);
  // SQLite makes do with reading where the system does not let it write.
  if (sqlite3_db_readonly(database->connection_.get(), "main") == 1) {
    return ForPath(path, absl::StatusCode::kPermissionDenied,
                   "can be read, but not be written (is its file system mounted read-only?)");
  }
  absl::Status status = database->Execute("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
  if (status.ok() && mode == Mode::kWrite) status = database->EnterWalMode();
  if (!status.ok()) return status;
  return database;
}

absl::Status Database::EnterWalMode() const {
  absl::StatusOr<Statement> statement = Prepare("PRAGMA journal_mode = WAL");
  if (!statement.ok()) return statement.status();
  absl::StatusOr<bool> row = statement->Step();
  if (!row.ok()) return row.status();
  if (!*row || statement->Text(0) != "wal") {
    return ForPath(*path_, absl::StatusCode::kFailedPrecondition,
                   "SQLite cannot use its write-ahead log here, as on some network file systems; "
                   "put the run on a local disk");
  }
  return absl::OkStatus();
}

absl::StatusOr<Statement> Database::Prepare(absl::string_view sql) const {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(connection_.get(), sql.data(), static_cast<int>(sql.size()),
                                      &statement, nullptr);
  if (code != SQLITE_OK) return Error(absl::StrCat("preparing \"", sql, "\""), code);
  return Statement(statement, path_.get());
}

absl::Status Database::Execute(const std::string& sql) const {
  const int code = sqlite3_exec(connection_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : Error(absl::StrCat("\"", sql, "\""), code);
}

absl::StatusOr<int64_t> Database::QueryInt(absl::string_view sql) const {
  absl::StatusOr<Statement> statement = Prepare(sql);
  if (!statement.ok()) return statement.status();
  absl::StatusOr<bool> row = statement->Step();
  if (!row.ok()) return row.status();
  if (!*row) {
    return ForPath(*path_, absl::StatusCode::kInternal, absl::StrCat("\"", sql, "\" has no row"));
  }
  return statement->Int(0);
}

int64_t Database::changes() const { return sqlite3_changes64(connection_.get()); }

absl::StatusOr<Transaction> Transaction::Begin(const Database& database) {
  if (absl::Status status = database.Execute("BEGIN IMMEDIATE"); !status.ok()) return status;
  return Transaction(&database);
}

Transaction::Transaction(Transaction&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)) {}

Transaction::~Transaction() {
  // An error here means that SQLite has rolled back already.
  if (database_ != nullptr) database_->Execute("ROLLBACK").IgnoreError();
}

absl::Status Transaction::Commit() {
  if (absl::Status status = database_->Execute("COMMIT"); !status.ok()) return status;
  database_ = nullptr;
  return absl::OkStatus();
}

}  // namespace shoal
