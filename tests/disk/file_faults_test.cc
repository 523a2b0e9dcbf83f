// The file layer itself: what it forgets, what it keeps, and what its rules hit.
#include "tests/faults/file_faults.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/disk/child.h"
#include "tests/store/temporary_folder.h"

namespace shoal {
namespace {

using testing::ElementsAre;
namespace fs = std::filesystem;

// Plain system calls, and what they came to.
int Put(const std::string& path, const std::string& text, bool sync, int flags = O_TRUNC) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | flags, 0644);
  if (fd < 0) return errno;
  int error = write(fd, text.data(), text.size()) < 0 ? errno : 0;
  if (error == 0 && sync && fsync(fd) != 0) error = errno;
  close(fd);
  return error;
}

void SyncPath(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(fsync(fd), 0);
  close(fd);
}

class FileFaultsTest : public testing::Test {
 protected:
  void TearDown() override {
    file_faults::SetRules("");
    file_faults::Watch("");
  }
  // Does the work in a child that loses power at its end.
  void Lose(const std::function<void()>& work) {
    const Ended ended = InChild(folder_.path(), "", true, [&](Witness&) { work(); });
    EXPECT_EQ(ended.code, 0);
  }
  Ended Under(const std::string& rules, const std::function<void()>& work) {
    return InChild(folder_.path(), rules, false, [&](Witness&) { work(); });
  }
  std::string Path(const std::string& name) const { return folder_.Path(name); }
  std::string Read(const std::string& name) const { return folder_.Read(name); }
  bool Exists(const std::string& name) const { return fs::exists(folder_.Path(name)); }

  TemporaryFolder folder_;
};

TEST_F(FileFaultsTest, ContentIsAsAtItsLastSync) {
  folder_.Write("a", "before");
  folder_.Write("b", "before");
  folder_.Write("c", "before");
  Lose([&] {
    Put(Path("a"), "lost", false);
    Put(Path("b"), "kept", true);
    Put(Path("c"), "kept", true);
    Put(Path("c"), ", lost", false, O_APPEND);
  });
  EXPECT_EQ(Read("a"), "before");
  EXPECT_EQ(Read("b"), "kept");
  EXPECT_EQ(Read("c"), "kept");
}

TEST_F(FileFaultsTest, TruncationIsLostToo) {
  folder_.Write("a", "before");
  Lose([&] {
    const int fd = open(Path("a").c_str(), O_RDWR);
    ASSERT_EQ(ftruncate(fd, 2), 0);
    close(fd);
  });
  EXPECT_EQ(Read("a"), "before");
}

TEST_F(FileFaultsTest, NewNameNeedsASyncOfItsFolder) {
  fs::create_directory(Path("sub"));
  Lose([&] {
    Put(Path("lost"), "synced", true);
    Put(Path("sub/kept"), "synced", true);
    Put(Path("sub/hollow"), "not synced", false);
    SyncPath(Path("sub"));
  });
  EXPECT_FALSE(Exists("lost"));
  EXPECT_EQ(Read("sub/kept"), "synced");
  EXPECT_TRUE(Exists("sub/hollow"));
  EXPECT_EQ(Read("sub/hollow"), "");
}

TEST_F(FileFaultsTest, FolderIsLostWithWhatIsInIt) {
  Lose([&] {
    mkdir(Path("lost").c_str(), 0755);
    Put(Path("lost/a"), "synced", true);
    SyncPath(Path("lost"));
    mkdir(Path("kept").c_str(), 0755);
    Put(Path("kept/a"), "synced", true);
    SyncPath(Path("kept"));
  });
  EXPECT_FALSE(Exists("lost"));
  EXPECT_FALSE(Exists("kept"));
  Lose([&] {
    mkdir(Path("kept").c_str(), 0755);
    Put(Path("kept/a"), "synced", true);
    Put(Path("kept/b"), "synced", true);
    SyncPath(folder_.path());
  });
  EXPECT_TRUE(Exists("kept"));
  EXPECT_FALSE(Exists("kept/a"));
}

TEST_F(FileFaultsTest, RenameOverAFile) {
  folder_.Write("name", "old");
  const auto replace = [&](bool sync_file, bool sync_folder) {
    Put(Path("fresh"), "new", sync_file);
    rename(Path("fresh").c_str(), Path("name").c_str());
    if (sync_folder) SyncPath(folder_.path());
  };
  Lose([&] { replace(true, false); });
  EXPECT_EQ(Read("name"), "old");
  EXPECT_FALSE(Exists("fresh"));
  Lose([&] { replace(false, true); });
  EXPECT_EQ(Read("name"), "") << "the name is on the disk, the content is not";
  folder_.Write("name", "old");
  Lose([&] { replace(true, true); });
  EXPECT_EQ(Read("name"), "new");
}

TEST_F(FileFaultsTest, RenameOverAChangedFileBringsItsSyncedContentBack) {
  folder_.Write("name", "old");
  Lose([&] {
    Put(Path("name"), "changed", false);
    Put(Path("fresh"), "new", true);
    rename(Path("fresh").c_str(), Path("name").c_str());
  });
  EXPECT_EQ(Read("name"), "old");
}

TEST_F(FileFaultsTest, RenameOfAFolderAndWhatHappenedInIt) {
  fs::create_directories(Path("one/deep"));
  folder_.Write("one/deep/a", "old");
  folder_.Write("one/gone", "old");
  fs::create_directory(Path("two"));  // empty, and replaced
  Lose([&] {
    Put(Path("one/before"), "new", true);
    Put(Path("one/deep/a"), "changed before", false);
    rename(Path("one").c_str(), Path("two").c_str());
    Put(Path("two/after"), "new", true);
    unlink(Path("two/gone").c_str());
  });
  EXPECT_EQ(Read("one/deep/a"), "old");
  EXPECT_EQ(Read("one/gone"), "old");
  EXPECT_FALSE(Exists("one/before"));
  EXPECT_FALSE(Exists("one/after"));
  EXPECT_TRUE(fs::is_directory(Path("two"))) << "the empty folder that was replaced";
  EXPECT_TRUE(fs::is_empty(Path("two")));
}

TEST_F(FileFaultsTest, ExchangeOfTwoFolders) {
  const auto make = [&](const std::string& name) {
    fs::create_directory(Path(name));
    folder_.Write(name + "/a", name);
    folder_.Write(name + "/removed", name);
  };
  const auto exchange = [&] {
    ASSERT_EQ(renameat2(AT_FDCWD, Path("one").c_str(), AT_FDCWD, Path("two").c_str(), RENAME_EXCHANGE), 0);
  };
  make("one");
  make("two");
  Lose([&] {
    Put(Path("one/a"), "changed", false);
    Put(Path("one/b"), "new", true);
    exchange();
    Put(Path("one/a"), "changed", false);
    unlink(Path("one/removed").c_str());
  });
  EXPECT_EQ(Read("one/a"), "one");
  EXPECT_EQ(Read("two/a"), "two");
  EXPECT_EQ(Read("two/removed"), "two");
  EXPECT_FALSE(Exists("one/b"));
  EXPECT_FALSE(Exists("two/b"));
  Lose([&] {
    exchange();
    SyncPath(folder_.path());
    unlink(Path("one/removed").c_str());
  });
  EXPECT_EQ(Read("one/a"), "two");
  EXPECT_EQ(Read("two/a"), "one");
  EXPECT_EQ(Read("one/removed"), "two");
}

TEST_F(FileFaultsTest, RemovalNeedsASyncOfTheFolder) {
  fs::create_directories(Path("tree/deep"));
  folder_.Write("tree/deep/a", "old");
  folder_.Write("a", "old");
  folder_.Write("b", "old");
  Lose([&] {
    unlink(Path("a").c_str());
    SyncPath(folder_.path());
    unlink(Path("b").c_str());
    std::error_code error;
    fs::remove_all(Path("tree"), error);
    ASSERT_FALSE(error);
  });
  EXPECT_FALSE(Exists("a"));
  EXPECT_EQ(Read("b"), "old");
  EXPECT_EQ(Read("tree/deep/a"), "old");
}

TEST_F(FileFaultsTest, RemovedAndMadeAgain) {
  folder_.Write("a", "old");
  Lose([&] {
    unlink(Path("a").c_str());
    Put(Path("a"), "new", true);
  });
  EXPECT_EQ(Read("a"), "old");
}

TEST_F(FileFaultsTest, WhatFailedHasNotHappened) {
  fs::create_directories(Path("one"));
  fs::create_directories(Path("full"));
  folder_.Write("full/a", "a");
  Lose([&] {
    EXPECT_NE(rename(Path("one").c_str(), Path("full").c_str()), 0);
    EXPECT_NE(rmdir(Path("full").c_str()), 0);
    EXPECT_NE(unlink(Path("full").c_str()), 0);
    Put(Path("one/a"), "kept", true);
    SyncPath(Path("one"));
  });
  EXPECT_EQ(Read("one/a"), "kept");
  EXPECT_EQ(Read("full/a"), "a");
}

TEST_F(FileFaultsTest, OneFileHasOneNameWhicheverWayItIsReached) {
  fs::create_directory(Path("sub"));
  fs::create_directory_symlink(Path("sub"), Path("link"));
  Lose([&] {
    Put(Path("/sub//a"), "kept", true);
    Put(Path("link/b"), "kept", true);
    Put(Path("sub/./c"), "kept", true);
    SyncPath(Path("link/"));
    Put(Path("link/../sub/d"), "lost", true);
  });
  for (const char* name : {"sub/a", "sub/b", "sub/c"}) EXPECT_EQ(Read(name), "kept") << name;
  EXPECT_FALSE(Exists("sub/d"));
}

TEST_F(FileFaultsTest, FoldersBesideTheWatchedOneAreLeftAlone) {
  fs::create_directory(Path("run"));
  fs::create_directory(Path("run2"));
  InChild(Path("run/"), "", true, [&](Witness&) {
    Put(Path("run/a"), "lost", true);
    Put(Path("run2/a"), "kept", false);
  });
  EXPECT_FALSE(Exists("run/a"));
  EXPECT_EQ(Read("run2/a"), "kept");
}

TEST_F(FileFaultsTest, PowerIsLostInTheMiddle) {
  folder_.Write("a", "old");
  const Ended ended = Under("power:sync:/a:2", [&] {
    Put(Path("a"), "first", true);
    Put(Path("a"), "second", true);
  });
  EXPECT_TRUE(ended.killed);
  EXPECT_EQ(Read("a"), "first");
}

TEST_F(FileFaultsTest, TornWriteLeavesHalf) {
  EXPECT_TRUE(Under("torn:write:/a:1", [&] { Put(Path("a"), "12345678", false); }).killed);
  EXPECT_EQ(Read("a"), "1234");
}

TEST_F(FileFaultsTest, KillBeforeAndAfter) {
  EXPECT_TRUE(Under("kill:write:/a:2", [&] {
                for (const char* text : {"1", "2", "3"}) Put(Path("a"), text, false, O_APPEND);
              }).killed);
  EXPECT_EQ(Read("a"), "1");
  EXPECT_TRUE(Under("kill_after:write:/b:2", [&] {
                for (const char* text : {"1", "2", "3"}) Put(Path("b"), text, false, O_APPEND);
              }).killed);
  EXPECT_EQ(Read("b"), "12");
}

TEST_F(FileFaultsTest, RangesOfErrors) {
  const auto errors = [&](const std::string& rule) {
    file_faults::SetRules(rule);
    std::vector<int> seen;
    for (int i = 0; i < 4; ++i) seen.push_back(Put(Path("a"), "x", false));
    return seen;
  };
  EXPECT_THAT(errors(""), ElementsAre(0, 0, 0, 0));
  EXPECT_EQ(file_faults::Fired(), 0);
  EXPECT_THAT(errors("enospc:write:/a:2"), ElementsAre(0, ENOSPC, 0, 0));
  EXPECT_EQ(file_faults::Fired(), 1);
  EXPECT_THAT(errors("eio:write:/a:3+"), ElementsAre(0, 0, EIO, EIO));
  EXPECT_THAT(errors("erofs:open:/a:2-3"), ElementsAre(0, EROFS, EROFS, 0));
  EXPECT_EQ(file_faults::Fired(), 2);
  EXPECT_THAT(errors("eio:any:/a:3"), ElementsAre(0, EIO, 0, 0)) << "open, write, open";
  EXPECT_THAT(errors("edquot:any:/a:3"), ElementsAre(0, 0, EDQUOT, 0)) << "open needs no room";
  unlink(Path("a").c_str());
  EXPECT_THAT(errors("edquot:any:/a:1"), ElementsAre(EDQUOT, 0, 0, 0)) << "but where it makes it";
  EXPECT_THAT(errors("enospc:write:/b:1+"), ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(errors("eio:write:/a:1;enospc:write:/a:2"), ElementsAre(EIO, ENOSPC, 0, 0));
}

TEST_F(FileFaultsTest, FailedSyncHasSyncedNothing) {
  folder_.Write("a", "old");
  InChild(folder_.path(), "eio:sync:/a:1", true, [&](Witness&) { Put(Path("a"), "new", true); });
  EXPECT_EQ(Read("a"), "old");
}

TEST_F(FileFaultsTest, WhatAFailedSyncLostNoLaterSyncBringsBack) {
  const std::string page(4096, 'a');
  folder_.Write("a", page + "b");
  Lose([&] {
    file_faults::SetRules("eio:sync:/a:1");
    const int fd = open(Path("a").c_str(), O_RDWR);
    EXPECT_EQ(pwrite(fd, "X", 1, 0), 1);
    EXPECT_EQ(fsync(fd), -1);
    EXPECT_EQ(pwrite(fd, "Y", 1, 4096), 1);
    EXPECT_EQ(fsync(fd), 0);
    close(fd);
  });
  EXPECT_EQ(Read("a"), page + "Y");
  // What is written anew is not lost, and a page is written whole.
  Lose([&] {
    file_faults::SetRules("eio:sync:/a:1");
    const int fd = open(Path("a").c_str(), O_RDWR);
    EXPECT_EQ(pwrite(fd, "X", 1, 0), 1);
    EXPECT_EQ(fsync(fd), -1);
    EXPECT_EQ(pwrite(fd, "Z", 1, 1), 1);
    EXPECT_EQ(ftruncate(fd, 4096), 0);
    EXPECT_EQ(fsync(fd), 0);
    close(fd);
  });
  EXPECT_EQ(Read("a"), "XZ" + page.substr(2));
}

TEST_F(FileFaultsTest, ShortWriteSaysSo) {
  file_faults::SetRules("short:write:/a:1");
  const int fd = open(Path("a").c_str(), O_WRONLY | O_CREAT, 0644);
  EXPECT_EQ(write(fd, "123456", 6), 3);
  close(fd);
  EXPECT_EQ(Read("a"), "123");
}

TEST_F(FileFaultsTest, ReportHasALineForEveryRuleThatFired) {
  const std::string report = Path("report");
  // As a program that it is loaded into is told: by the environment, at its first file.
  const std::string command = absl::StrCat(
      "LD_PRELOAD=", fs::read_symlink("/proc/self/exe").parent_path().string(), "/libfile_faults.so ",
      "SHOAL_FILE_FAULTS='enospc:write:/x:1+;eio:unlink:/y:1;eio:unlink:/z:1' ",
      "SHOAL_FILE_FAULTS_REPORT=", report, " sh -c 'cd ", folder_.path(),
      "; echo 1 > x; echo 1 > x; touch y; rm y; true' 2> ", Path("words"));
  EXPECT_EQ(system(command.c_str()), 0);
  EXPECT_EQ(Read("report"), "enospc:write:/x:1+\neio:unlink:/y:1\n");
  EXPECT_THAT(Read("words"), testing::HasSubstr("Input/output error"));
}

TEST(FileFaultsDeathTest, RuleThatIsNone) {
  EXPECT_DEATH(file_faults::SetRules("kill:write:x"), "\"kill:write:x\" is no rule");
  EXPECT_DEATH(file_faults::SetRules("burn:write:x:1"), "is no rule");
  EXPECT_DEATH(file_faults::SetRules("kill:wirte:x:1"), "is no rule");
  EXPECT_DEATH(file_faults::SetRules("kill:write:x:0"), "is no rule");
  EXPECT_DEATH(file_faults::SetRules("kill:write:x:3-2"), "is no rule");
}

}  // namespace
}  // namespace shoal
