// SQLite with RAII: a connection, statements, transactions. Knows nothing of runs.
//
// Errors are absl::Status: "PATH: what was done: SQLite's message", with the system's where SQLite keeps
// it. Codes: kDataLoss for a file that is damaged or no SQLite database, kResourceExhausted for a full
// disk, kPermissionDenied for a file, folder or file system that may not be written or read, kNotFound
// for one that is not there,
// kUnavailable where another process holds the database for longer than the busy timeout,
// kFailedPrecondition for a broken constraint, else kInternal.
//
// One thread at a time. Statements and transactions must not outlive their Database, which must not
// be moved while a transaction is open.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct sqlite3;
struct sqlite3_stmt;

namespace shoal {

// A prepared statement. Errors of binding are reported by the next Step(), so that calls chain:
//   statement.Bind(1, iteration).BindBlob(2, plan).Run()
// Parameters count from 1, columns from 0.
class Statement {
 public:
  Statement& Bind(int index, int64_t value);
  Statement& Bind(int index, std::optional<int64_t> value);
  Statement& BindText(int index, absl::string_view value);
  Statement& BindBlob(int index, absl::string_view value);
  // Without a copy: the value must stay where and what it is until Run() or Reset() returns.
  Statement& BindBlobInPlace(int index, absl::string_view value);
  Statement& BindNull(int index);

  // True: a row is there, its columns can be read until the next call. False: no more rows.
  absl::StatusOr<bool> Step();
  // Steps a statement that gives no rows, and makes it ready to be bound and run again.
  absl::Status Run();
  // Makes it ready to be bound and stepped from the start again.
  void Reset();

  int64_t Int(int column) const;
  std::optional<int64_t> OptionalInt(int column) const;
  std::string Text(int column) const;
  std::string Blob(int column) const;
  bool IsNull(int column) const;

 private:
  friend class Database;
  struct Finalizer {
    void operator()(sqlite3_stmt* statement) const;
  };
  Statement(sqlite3_stmt* statement, const std::string* path)
      : statement_(statement), path_(path) {}
  absl::Status Error(const char* action, int code) const;
  void Remember(int code);

  std::unique_ptr<sqlite3_stmt, Finalizer> statement_;
  const std::string* path_;
  int bind_error_ = 0;
};

class Database {
 public:
  enum class Mode {
    kCreate,    // the file must not exist, or hold nothing
    kWrite,     // the file must exist and hold something
    kReadOnly,  // likewise; works in folders that may not be written, too
  };

  // Opens the file, with synchronous=FULL and foreign keys on; a lock of another process is waited
  // for at most 5 s. kWrite sets WAL mode; kCreate leaves the rollback journal on, with which a
  // crash before the first commit leaves an empty file, or one that the next Open makes empty. Creating a file that exists:
  // kAlreadyExists. WAL mode that the file system does not allow: kFailedPrecondition.
  static absl::StatusOr<Database> Open(const std::string& path, Mode mode);

  Database(Database&&) = default;
  Database& operator=(Database&&) = default;

  absl::StatusOr<Statement> Prepare(absl::string_view sql) const;
  // One or more statements without results.
  absl::Status Execute(const std::string& sql) const;
  // The first column of the first row; kInternal if there is no row.
  absl::StatusOr<int64_t> QueryInt(absl::string_view sql) const;
  // Rows changed by the last statement that changed any.
  int64_t changes() const;

  const std::string& path() const { return *path_; }

 private:
  struct Closer {
    void operator()(sqlite3* connection) const;
  };
  Database(std::unique_ptr<sqlite3, Closer> connection, std::unique_ptr<std::string> path)
      : connection_(std::move(connection)), path_(std::move(path)) {}
  absl::Status Error(absl::string_view action, int code) const;
  absl::Status EnterWalMode() const;

  std::unique_ptr<sqlite3, Closer> connection_;
  // On the heap: statements point at it while the Database moves.
  std::unique_ptr<std::string> path_;
};

// All or nothing: rolled back unless committed.
class Transaction {
 public:
  // Takes the write lock at once.
  static absl::StatusOr<Transaction> Begin(const Database& database);
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  // Durable when this returns OK. On an error everything is rolled back.
  absl::Status Commit();

 private:
  explicit Transaction(const Database* database) : database_(database) {}
  const Database* database_;
};

}  // namespace shoal
