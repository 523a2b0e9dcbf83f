#include "coordinator/store/database.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/store/temporary_folder.h"

namespace shoal {
namespace {

using testing::HasSubstr;

absl::StatusOr<Database> CreateAndOpen(const std::string& path) {
  {
    absl::StatusOr<Database> database = Database::Open(path, Database::Mode::kCreate);
    if (!database.ok()) return database;
    absl::Status status = database->Execute("PRAGMA user_version = 1");
    if (!status.ok()) return status;
  }
  return Database::Open(path, Database::Mode::kWrite);
}

TEST(DatabaseTest, IsDurableAndInWalMode) {
  const TemporaryFolder folder;
  auto database = CreateAndOpen(folder.Path("a.db"));
  ASSERT_TRUE(database.ok()) << database.status();
  auto mode = database->Prepare("PRAGMA journal_mode");
  ASSERT_TRUE(mode.ok() && *mode->Step());
  EXPECT_EQ(mode->Text(0), "wal");
  EXPECT_EQ(*database->QueryInt("PRAGMA synchronous"), 2);
  EXPECT_EQ(*database->QueryInt("PRAGMA foreign_keys"), 1);
  EXPECT_EQ(*database->QueryInt("PRAGMA busy_timeout"), 5000);
}

TEST(DatabaseTest, KeepsWhatIsBound) {
  const TemporaryFolder folder;
  auto database = CreateAndOpen(folder.Path("a.db"));
  ASSERT_TRUE(database.ok()) << database.status();
  ASSERT_TRUE(database->Execute("CREATE TABLE t (i INTEGER, s TEXT, b BLOB, n INTEGER)").ok());
  const std::string bytes("\0\xff\n", 3);
  auto insert = database->Prepare("INSERT INTO t VALUES (?, ?, ?, ?)");
  ASSERT_TRUE(insert.ok());
  ASSERT_TRUE(
      insert->Bind(1, int64_t{1} << 62).BindText(2, "").BindBlob(3, bytes).BindNull(4).Run().ok());
  ASSERT_TRUE(insert->Bind(1, int64_t{-5})
                  .BindText(2, "x'y")
                  .BindBlob(3, "")
                  .Bind(4, int64_t{7})
                  .Run()
                  .ok());
  auto query = database->Prepare("SELECT * FROM t ORDER BY i DESC");
  ASSERT_TRUE(query.ok() && *query->Step());
  EXPECT_EQ(query->Int(0), int64_t{1} << 62);
  EXPECT_EQ(query->Text(1), "");
  EXPECT_FALSE(query->IsNull(1));
  EXPECT_EQ(query->Blob(2), bytes);
  EXPECT_FALSE(query->OptionalInt(3).has_value());
  ASSERT_TRUE(*query->Step());
  EXPECT_EQ(query->Text(1), "x'y");
  EXPECT_EQ(query->Blob(2), "");
  EXPECT_FALSE(query->IsNull(2));
  EXPECT_EQ(query->OptionalInt(3), 7);
  EXPECT_FALSE(*query->Step());
}

TEST(DatabaseTest, ATransactionIsAllOrNothing) {
  const TemporaryFolder folder;
  auto database = CreateAndOpen(folder.Path("a.db"));
  ASSERT_TRUE(database.ok());
  ASSERT_TRUE(database->Execute("CREATE TABLE t (i INTEGER)").ok());
  {
    auto transaction = Transaction::Begin(*database);
    ASSERT_TRUE(transaction.ok());
    ASSERT_TRUE(database->Execute("INSERT INTO t VALUES (1)").ok());
  }
  EXPECT_EQ(*database->QueryInt("SELECT count(*) FROM t"), 0);
  {
    auto transaction = Transaction::Begin(*database);
    ASSERT_TRUE(transaction.ok());
    ASSERT_TRUE(database->Execute("INSERT INTO t VALUES (1)").ok());
    ASSERT_TRUE(transaction->Commit().ok());
  }
  EXPECT_EQ(*database->QueryInt("SELECT count(*) FROM t"), 1);
}

TEST(DatabaseTest, ErrorsNameTheFileAndSayWhatIsWrong) {
  const TemporaryFolder folder;
  const std::string path = folder.Path("a.db");
  auto database = CreateAndOpen(path);
  ASSERT_TRUE(database.ok());
  EXPECT_EQ(database->Prepare("SELECT * FROM absent").status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(database->Prepare("SELECT * FROM absent").status().ToString(),
              testing::AllOf(HasSubstr(path), HasSubstr("no such table: absent")));
  ASSERT_TRUE(database->Execute("CREATE TABLE t (i INTEGER PRIMARY KEY)").ok());
  ASSERT_TRUE(database->Execute("INSERT INTO t VALUES (1)").ok());
  EXPECT_EQ(database->Execute("INSERT INTO t VALUES (1)").code(),
            absl::StatusCode::kFailedPrecondition);
  auto statement = database->Prepare("SELECT ?");
  ASSERT_TRUE(statement.ok());
  EXPECT_FALSE(statement->Bind(9, int64_t{1}).Step().ok());
}

TEST(DatabaseTest, RefusesPathsThatCannotBe) {
  const TemporaryFolder folder;
  const std::string path = folder.Path("a.db");
  EXPECT_EQ(Database::Open(path, Database::Mode::kWrite).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(Database::Open(path, Database::Mode::kReadOnly).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(Database::Open(folder.path(), Database::Mode::kWrite).status().code(),
            absl::StatusCode::kNotFound);
  const auto no_folder = Database::Open(folder.Path("no/a.db"), Database::Mode::kCreate);
  EXPECT_EQ(no_folder.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(no_folder.status().message(), HasSubstr("no does not exist"));
}

TEST(DatabaseTest, OpensNoEmptyFileButCreatesOverIt) {
  const TemporaryFolder folder;
  folder.Write("a.db", "");
  const auto opened = Database::Open(folder.Path("a.db"), Database::Mode::kWrite);
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(CreateAndOpen(folder.Path("a.db")).ok());
  EXPECT_EQ(CreateAndOpen(folder.Path("a.db")).status().code(), absl::StatusCode::kAlreadyExists);
}

TEST(DatabaseTest, RefusesAFileThatIsNoDatabase) {
  const TemporaryFolder folder;
  folder.Write("a.db", std::string(5000, 'x'));
  for (const Database::Mode mode : {Database::Mode::kWrite, Database::Mode::kReadOnly}) {
    const absl::Status status = Database::Open(folder.Path("a.db"), mode).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(status.message(), HasSubstr("start a new run"));
  }
}

// Acts as a user without root's powers over files; root is given back at the end.
class Unprivileged {
 public:
  Unprivileged() { ok_ = geteuid() != 0 || seteuid(65534) == 0; }
  ~Unprivileged() {
    if (geteuid() != getuid() && seteuid(getuid()) != 0) std::abort();
  }
  bool ok() const { return ok_; }

 private:
  bool ok_;
};

TEST(DatabaseTest, SaysThatAFolderMayNotBeWritten) {
  const TemporaryFolder folder;
  ASSERT_TRUE(CreateAndOpen(folder.Path("a.db"))->Execute("CREATE TABLE t (i INTEGER)").ok());
  ASSERT_EQ(chmod(folder.Path("a.db").c_str(), 0444), 0);
  ASSERT_EQ(chmod(folder.path().c_str(), 0555), 0);
  {
    const Unprivileged user;
    if (!user.ok()) GTEST_SKIP() << "cannot give up root's powers here";
    const auto created = Database::Open(folder.Path("b.db"), Database::Mode::kCreate);
    EXPECT_EQ(created.status().code(), absl::StatusCode::kPermissionDenied) << created.status();
    EXPECT_THAT(created.status().message(), HasSubstr("may not be written"));
    const auto opened = Database::Open(folder.Path("a.db"), Database::Mode::kWrite);
    EXPECT_EQ(opened.status().code(), absl::StatusCode::kPermissionDenied) << opened.status();
    // Reading needs no more than to read, although the database is in WAL mode.
    const auto read = Database::Open(folder.Path("a.db"), Database::Mode::kReadOnly);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read->QueryInt("SELECT count(*) FROM t"), 0);
  }
  ASSERT_EQ(chmod(folder.path().c_str(), 0755), 0);
}

TEST(DatabaseTest, AReaderSeesCommitsWhileTheWriterIsThere) {
  const TemporaryFolder folder;
  auto writer = CreateAndOpen(folder.Path("a.db"));
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE(writer->Execute("CREATE TABLE t (i INTEGER)").ok());
  auto reader = Database::Open(folder.Path("a.db"), Database::Mode::kReadOnly);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(*reader->QueryInt("SELECT count(*) FROM t"), 0);
  ASSERT_TRUE(writer->Execute("INSERT INTO t VALUES (1)").ok());
  EXPECT_EQ(*reader->QueryInt("SELECT count(*) FROM t"), 1);
  EXPECT_EQ(reader->Execute("INSERT INTO t VALUES (1)").code(),
            absl::StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace shoal
