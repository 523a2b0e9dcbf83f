// common/files.h on disks that fail.
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "gmock/gmock.h"
#include "tests/disk/child.h"
#include "tests/disk/scenario.h"
#include "tests/faults/file_faults.h"
#include "tests/store/temporary_folder.h"

namespace shoal {
namespace {

namespace fs = std::filesystem;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

void Write(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

// Every file that is not hidden, with its content.
std::string Content(const std::string& root) {
  std::string text;
  for (const auto& name : [&] {
         std::set<std::string> names;
         for (const auto& entry : fs::recursive_directory_iterator(root)) {
           if (entry.is_regular_file() && entry.path().filename().string()[0] != '.') {
             names.insert(fs::relative(entry.path(), root).string());
           }
         }
         return names;
       }()) {
    auto content = ReadFile(root + "/" + name);
    absl::StrAppend(&text, name, "=", content.ok() ? *content : content.status().ToString(), ";");
  }
  return text;
}

Scenario Writing(const std::string& before) {
  Scenario scenario;
  scenario.prepare = [before](const std::string& root) {
    if (!before.empty()) Write(root + "/file", before);
  };
  scenario.work = [](const std::string& root, const Scenario::Acknowledge& acknowledge) {
    absl::Status status = WriteFileAtomically(root + "/file", std::string(20000, 'n'));
    if (status.ok()) acknowledge();
    return status;
  };
  scenario.look = Content;
  return scenario;
}

// A crash may leave the temporary file behind.
Scenario Untidy(Scenario scenario) {
  scenario.tidy = false;
  return scenario;
}

TEST(WriteFileAtomicallyOnABadDisk, NewFileErrors) { TestErrors(Writing("")); }
TEST(WriteFileAtomicallyOnABadDisk, NewFileDeaths) { TestDeaths(Untidy(Writing(""))); }
TEST(WriteFileAtomicallyOnABadDisk, LastsAfterErrors) {
  TestPowerAfterErrors(Writing(""));
  TestPowerAfterErrors(Writing("old"));
}
TEST(WriteFileAtomicallyOnABadDisk, ReplacedFileErrors) { TestErrors(Writing("old")); }
TEST(WriteFileAtomicallyOnABadDisk, ReplacedFileDeaths) { TestDeaths(Untidy(Writing("old"))); }

// What a reader of lines makes of the file: a last line without its end is none.
std::string Lines(const std::string& root) {
  auto content = ReadFile(root + "/log.jsonl");
  if (absl::IsNotFound(content.status())) return "";
  if (!content.ok()) return content.status().ToString();
  return content->substr(0, content->rfind('\n') + 1);
}

Scenario Appending(const std::string& before) {
  Scenario scenario;
  scenario.prepare = [before](const std::string& root) {
    if (!before.empty()) Write(root + "/log.jsonl", before);
  };
  scenario.work = [](const std::string& root, const Scenario::Acknowledge& acknowledge) {
    absl::Status status = AppendLineDurably(root + "/log.jsonl", "{\"line\": 2}");
    if (status.ok()) acknowledge();
    return status;
  };
  scenario.look = Lines;
  return scenario;
}

// A line that was written whole and not acknowledged is there; its writer looks before it writes it
// once more.
Scenario LookFirst(Scenario scenario) {
  scenario.again = [work = scenario.work](const std::string& root) {
    if (Lines(root).find("{\"line\": 2}") != std::string::npos) return absl::OkStatus();
    return work(root, [] {});
  };
  return scenario;
}

TEST(AppendLineDurablyOnABadDisk, NewFileDeaths) { TestDeaths(LookFirst(Appending(""))); }
TEST(AppendLineDurablyOnABadDisk, MoreDeaths) {
  TestDeaths(LookFirst(Appending("{\"line\": 1}\n")));
}
TEST(AppendLineDurablyOnABadDisk, TornLineDeaths) {
  TestDeaths(LookFirst(Appending("{\"line\": 1}\n{\"lin")));
}

// Where one operation fails, a line that is not acknowledged is not there either, so that it can be
// written once more.
TEST(AppendLineDurablyOnABadDisk, LineThatFailsIsTakenBack) {
  for (const std::string before : {"", "{\"line\": 1}\n", "{\"line\": 1}\n{\"lin"}) {
    for (const char* fault : {"enospc:any", "edquot:any", "eio:write", "eio:sync", "erofs:open",
                              "short:write", "eio:truncate"}) {
      int operation = 1;
      for (bool fired = true; fired; ++operation) {
        TemporaryFolder folder;
        const std::string path = folder.Path("log.jsonl");
        if (!before.empty()) Write(path, before);
        const std::string rule = absl::StrCat(fault, ":", folder.path(), ":", operation);
        SCOPED_TRACE(absl::StrCat(rule, " before: ", before));
        file_faults::SetRules(rule);
        const absl::Status status = AppendLineDurably(path, "{\"line\": 2}");
        fired = file_faults::Fired() > 0;
        file_faults::SetRules("");
        EXPECT_EQ(status.ok(), !fired);
        if (fired) {
          EXPECT_THAT(std::string(status.message()), HasSubstr(folder.path()));
          EXPECT_EQ(Lines(folder.path()), before.substr(0, before.rfind('\n') + 1));
          ASSERT_TRUE(AppendLineDurably(path, "{\"line\": 2}").ok());
        }
        EXPECT_EQ(folder.Read("log.jsonl"),
                  absl::StrCat(before.empty() ? "" : "{\"line\": 1}\n", "{\"line\": 2}\n"));
      }
    }
  }
}

// Where the line cannot be taken back either, that is said.
TEST(AppendLineDurablyOnABadDisk, LineThatCannotBeTakenBackIsSpokenOf) {
  TemporaryFolder folder;
  file_faults::SetRules("eio:sync:log.jsonl:1;eio:truncate:log.jsonl:1");
  const absl::Status status = AppendLineDurably(folder.Path("log.jsonl"), "{}");
  file_faults::SetRules("");
  EXPECT_THAT(std::string(status.message()), HasSubstr("is left in it"));
}

// Also where it is not this call that has made the file, but one that failed, or died, before it had
// made the file's name last.
TEST(AppendLineDurablyOnABadDisk, ALineLastsAfterOneThatFailed) {
  for (const std::string before : {"", "{\"line\": 1}\n"}) {
    for (const char* lasting : {"", "+"}) {
      bool fired = true;
      for (int operation = 1; fired; ++operation) {
        TemporaryFolder folder;
        const std::string path = folder.Path("log.jsonl");
        if (!before.empty()) Write(path, before);
        const std::string rule = absl::StrCat("eio:any:", folder.path(), ":", operation, lasting);
        SCOPED_TRACE(absl::StrCat(rule, " before: ", before));
        const Ended ended = InChild(folder.path(), rule, /*lose_power=*/true, [&](Witness& witness) {
          AppendLineDurably(path, "{\"line\": 2}").IgnoreError();
          if (file_faults::Fired() > 0) witness.Say("fired");
          file_faults::SetRules("");
          if (AppendLineDurably(path, "{\"line\": 3}").ok()) witness.Acknowledge();
        });
        EXPECT_TRUE(ended.acknowledged);
        EXPECT_THAT(Lines(folder.path()), EndsWith("{\"line\": 3}\n"));
        EXPECT_THAT(Lines(folder.path()), StartsWith(before));
        fired = ended.words == "fired";
      }
    }
  }
}

TEST(AppendLineDurablyOnABadDisk, LastLineCutAnywhereIsRepaired) {
  const std::string whole = "{\"line\": 1}\n{\"line\": 22}\n";
  for (size_t length = 0; length <= whole.size(); ++length) {
    TemporaryFolder folder;
    folder.Write("log.jsonl", whole.substr(0, length));
    ASSERT_TRUE(AppendLineDurably(folder.Path("log.jsonl"), "{\"line\": 3}").ok());
    const size_t kept = length == 0 ? 0 : whole.rfind('\n', length - 1) + 1;
    EXPECT_EQ(folder.Read("log.jsonl"), whole.substr(0, kept) + "{\"line\": 3}\n") << length;
  }
}

Scenario Renaming(const std::string& from, const std::string& to) {
  Scenario scenario;
  scenario.prepare = [](const std::string& root) {
    fs::create_directories(root + "/one/tree");
    fs::create_directories(root + "/two");
    Write(root + "/one/tree/leaf", "leaf");
    Write(root + "/one/file", "new");
    Write(root + "/one/taken", "old");
  };
  scenario.work = [=](const std::string& root, const Scenario::Acknowledge& acknowledge) {
    absl::Status status = RenameDurably(root + from, root + to);
    if (status.ok()) acknowledge();
    return status;
  };
  // It may have happened, and only its sync have failed.
  scenario.again = [=, work = scenario.work](const std::string& root) {
    return fs::exists(root + from) ? work(root, [] {}) : SyncDirectory(DirectoryOf(root + to));
  };
  scenario.look = Content;
  return scenario;
}

TEST(RenameDurablyOnABadDisk, Errors) {
  TestErrors(Renaming("/one/file", "/one/free"));
  TestErrors(Renaming("/one/file", "/one/taken"));
  TestErrors(Renaming("/one/tree", "/two/tree"));
}
TEST(RenameDurablyOnABadDisk, Deaths) {
  TestDeaths(Renaming("/one/file", "/one/free"));
  TestDeaths(Renaming("/one/file", "/one/taken"));
  TestDeaths(Renaming("/one/tree", "/two/tree"));
}

TEST(RenameDurablyOnABadDisk, LastsAfterErrors) {
  TestPowerAfterErrors(Renaming("/one/file", "/one/taken"));
}

TEST(CreateDirectoriesOnABadDisk, WhatIsMadeLasts) {
  Scenario scenario;
  scenario.prepare = [](const std::string&) {};
  scenario.work = [](const std::string& root, const Scenario::Acknowledge& acknowledge) {
    absl::Status status = CreateDirectories(root + "/one/two/three");
    if (status.ok()) acknowledge();
    return status;
  };
  scenario.look = [](const std::string& root) {
    return fs::is_directory(root + "/one/two/three") ? "there" : "not there";
  };
  TestErrors(scenario);
  TestDeaths(scenario);
  TestPowerAfterErrors(scenario);
}

TEST(DirectoryLockOnABadDisk, SaysWhatIsWrong) {
  for (const char* fault : {"erofs:open", "enospc:open", "enospc:write", "eio:write", "eio:truncate"}) {
    TemporaryFolder folder;
    SCOPED_TRACE(fault);
    file_faults::SetRules(absl::StrCat(fault, ":/.lock:1"));
    const auto lock = DirectoryLock::Acquire(folder.path());
    file_faults::SetRules("");
    ASSERT_FALSE(lock.ok());
    EXPECT_THAT(std::string(lock.status().message()), HasSubstr(folder.path() + "/.lock"));
    EXPECT_TRUE(DirectoryLock::Acquire(folder.path()).ok()) << "what failed must not hold it";
  }
}

}  // namespace
}  // namespace shoal
