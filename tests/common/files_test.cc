#include "common/files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/common/temporary_directory.h"

namespace shoal {
namespace {

using testing::HasSubstr;

// Makes every write beyond so many bytes of a file fail, as a full disk does.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    old_handler_ = signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old_limit_);
    const rlimit limit{bytes, old_limit_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &old_limit_);
    signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit old_limit_;
  void (*old_handler_)(int);
};

TEST(ReadFile, ReadsAllBytes) {
  const TemporaryDirectory folder;
  std::string content;
  for (int i = 0; i < 100'000; ++i) content.push_back(static_cast<char>(i));
  Spill(folder / "file", content);
  EXPECT_EQ(ReadFile(folder / "file").value(), content);
  Spill(folder / "empty", "");
  EXPECT_EQ(ReadFile(folder / "empty").value(), "");
}

TEST(ReadFile, RefusesMoreThanItsLimit) {
  const TemporaryDirectory folder;
  Spill(folder / "file", "12345");
  EXPECT_EQ(ReadFile(folder / "file", 5).value(), "12345");
  const absl::Status status = ReadFile(folder / "file", 4).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("file has more than 4 bytes"));
}

TEST(ReadFile, NamesPathAndReason) {
  const TemporaryDirectory folder;
  const absl::Status status = ReadFile(folder / "none").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr(absl::StrCat(folder / "none", ": No such file")));
}

TEST(ReadFile, RefusesWhatIsNoFile) {
  const TemporaryDirectory folder;
  EXPECT_EQ(ReadFile(folder.path()).status().code(), absl::StatusCode::kInvalidArgument);
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(ReadFile(folder / "pipe").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(WriteFileAtomically, CreatesAndReplaces) {
  const TemporaryDirectory folder;
  ASSERT_TRUE(WriteFileAtomically(folder / "file", "one").ok());
  EXPECT_EQ(Slurp(folder / "file"), "one");
  ASSERT_TRUE(WriteFileAtomically(folder / "file", "other").ok());
  EXPECT_EQ(Slurp(folder / "file"), "other");
  EXPECT_EQ(folder.entries(), 1);
}

TEST(WriteFileAtomically, LeavesTheTargetAndNoPartialFileWhenTheDiskIsFull) {
  const TemporaryDirectory folder;
  Spill(folder / "file", "old");
  absl::Status status;
  {
    const FileSizeLimit limit(1000);
    status = WriteFileAtomically(folder / "file", std::string(5000, 'x'));
  }
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr(folder / "file"));
  EXPECT_EQ(Slurp(folder / "file"), "old");
  EXPECT_EQ(folder.entries(), 1);
}

TEST(WriteFileAtomically, FailsWhereTheFolderCannotBeWritten) {
  const TemporaryDirectory folder;
  const absl::Status none = WriteFileAtomically(folder / "no/file", "x");
  EXPECT_EQ(none.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(none.message()), HasSubstr(folder / "no/file: No such file"));
  // Not even root may make files here.
  EXPECT_FALSE(WriteFileAtomically("/proc/shoal_file", "x").ok());
}

TEST(WriteFileAtomically, LeavesAFolderInItsWay) {
  const TemporaryDirectory folder;
  ASSERT_EQ(mkdir((folder / "file").c_str(), 0700), 0);
  EXPECT_FALSE(WriteFileAtomically(folder / "file", "x").ok());
  EXPECT_EQ(folder.entries(), 1);
}

TEST(WriteFileAtomically, StepsAsideForATemporaryFileLeftBehind) {
  const TemporaryDirectory folder;
  // Whatever number the next temporary file has, one of these is in its way.
  for (int i = 0; i < 100; ++i) {
    Spill(folder / absl::StrCat(".file.tmp.", getpid(), ".", i), "left behind");
  }
  ASSERT_TRUE(WriteFileAtomically(folder / "file", "new").ok());
  EXPECT_EQ(Slurp(folder / "file"), "new");
}

TEST(AppendLineDurably, AppendsLines) {
  const TemporaryDirectory folder;
  ASSERT_TRUE(AppendLineDurably(folder / "lines", "one").ok());
  ASSERT_TRUE(AppendLineDurably(folder / "lines", "").ok());
  ASSERT_TRUE(AppendLineDurably(folder / "lines", "three").ok());
  EXPECT_EQ(Slurp(folder / "lines"), "one\n\nthree\n");
}

TEST(AppendLineDurably, RemovesAnUnfinishedLastLine) {
  const TemporaryDirectory folder;
  // Longer than the pieces in which the end of the last line is looked for.
  Spill(folder / "lines", "one\n" + std::string(10'000, 'x'));
  ASSERT_TRUE(AppendLineDurably(folder / "lines", "two").ok());
  EXPECT_EQ(Slurp(folder / "lines"), "one\ntwo\n");
  Spill(folder / "torn", std::string(10'000, 'x'));
  ASSERT_TRUE(AppendLineDurably(folder / "torn", "two").ok());
  EXPECT_EQ(Slurp(folder / "torn"), "two\n");
}

TEST(AppendLineDurably, TakesBackWhatDidNotFit) {
  const TemporaryDirectory folder;
  ASSERT_TRUE(AppendLineDurably(folder / "lines", "one").ok());
  absl::Status status;
  {
    const FileSizeLimit limit(100);
    status = AppendLineDurably(folder / "lines", std::string(1000, 'x'));
  }
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(Slurp(folder / "lines"), "one\n");
}

TEST(AppendLineDurably, RefusesTwoLinesAtOnce) {
  const TemporaryDirectory folder;
  EXPECT_EQ(AppendLineDurably(folder / "lines", "a\nb").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(folder.entries(), 0);
}

TEST(CreateDirectories, MakesAllAndAcceptsWhatIsThere) {
  const TemporaryDirectory folder;
  ASSERT_TRUE(CreateDirectories(folder / "a/b/c").ok());
  ASSERT_TRUE(CreateDirectories(folder / "a/b/c").ok());
  EXPECT_TRUE(SyncDirectory(folder / "a/b/c").ok());
  Spill(folder / "file", "");
  EXPECT_FALSE(CreateDirectories(folder / "file").ok());
  EXPECT_FALSE(CreateDirectories(folder / "file/a").ok());
  EXPECT_FALSE(SyncDirectory(folder / "none").ok());
}

TEST(RenameDurably, MovesFilesAndFolders) {
  const TemporaryDirectory folder;
  ASSERT_TRUE(CreateDirectories(folder / "from").ok());
  Spill(folder / "from/file", "x");
  ASSERT_TRUE(RenameDurably(folder / "from", folder / "to").ok());
  EXPECT_EQ(Slurp(folder / "to/file"), "x");
  const absl::Status status = RenameDurably(folder / "from", folder / "to");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr(folder / "from"));
}

TEST(DirectoryOf, IsWhatIsBeforeTheLastSlash) {
  EXPECT_EQ(DirectoryOf("a/b"), "a");
  EXPECT_EQ(DirectoryOf("b"), ".");
  EXPECT_EQ(DirectoryOf("/b"), "/");
}

TEST(DirectoryLock, BelongsToOneHolderAtATime) {
  const TemporaryDirectory folder;
  absl::StatusOr<DirectoryLock> first = DirectoryLock::Acquire(folder.path());
  ASSERT_TRUE(first.ok());
  const absl::Status refused = DirectoryLock::Acquire(folder.path()).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), HasSubstr(folder.path()));
  EXPECT_THAT(std::string(refused.message()), HasSubstr(absl::StrCat("process ", getpid())));
  {
    const DirectoryLock moved = *std::move(first);
    EXPECT_FALSE(DirectoryLock::Acquire(folder.path()).ok());
  }
  EXPECT_TRUE(DirectoryLock::Acquire(folder.path()).ok());
}

TEST(DirectoryLock, NeedsTheFolder) {
  const TemporaryDirectory folder;
  EXPECT_EQ(DirectoryLock::Acquire(folder / "none").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace shoal
