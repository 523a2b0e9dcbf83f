#include "tests/disk/scenario.h"

#include <errno.h>

#include <filesystem>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/disk/child.h"
#include "tests/faults/file_faults.h"
#include "tests/store/temporary_folder.h"

namespace shoal {
namespace {

namespace fs = std::filesystem;
using testing::AnyOf;
using testing::HasSubstr;

// More operations than any scenario has.
constexpr int kMostOperations = 2000;

// Where the old state is, and what the old and the new one look like.
class Stage {
 public:
  explicit Stage(const Scenario& scenario) : scenario_(scenario) {
    scenario.prepare(old_.path());
    TemporaryFolder before, after;
    Copy(before.path());
    old_state_ = scenario.look(before.path());
    Copy(after.path());
    const absl::Status status = scenario.work(after.path(), [] {});
    EXPECT_TRUE(status.ok()) << "without a fault: " << status;
    new_state_ = scenario.look(after.path());
    files_ = Files(after.path());
    EXPECT_NE(old_state_, new_state_) << "the work must change something";
  }

  void Copy(const std::string& to) const { fs::copy(old_.path(), to, fs::copy_options::recursive); }

  static std::set<std::string> Files(const std::string& root) {
    std::set<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      files.insert(fs::relative(entry.path(), root).string());
    }
    return files;
  }

  // What is there now is a whole state, and the new one where that was promised.
  void ExpectWhole(const std::string& root, bool acknowledged) const {
    const std::string state = scenario_.look(root);
    if (acknowledged) {
      EXPECT_EQ(state, new_state_) << "acknowledged, and lost";
    } else if (scenario_.between.count(state) == 0) {
      EXPECT_THAT(state, AnyOf(old_state_, new_state_));
    }
  }

  void ExpectDone(const std::string& root, const absl::Status& status, bool tidy) const {
    EXPECT_TRUE(status.ok()) << "once more: " << status;
    EXPECT_EQ(scenario_.look(root), new_state_) << "once more";
    if (tidy) {
      EXPECT_EQ(Files(root), files_) << "something was left behind";
    }
  }

  absl::Status Again(const std::string& root) const {
    return scenario_.again ? scenario_.again(root) : scenario_.work(root, [] {});
  }

 private:
  const Scenario& scenario_;
  TemporaryFolder old_;
  std::string old_state_, new_state_;
  std::set<std::string> files_;
};

std::string Rules(const Scenario& scenario, const std::string& action, const std::string& root,
                  const std::string& which) {
  return absl::StrCat(action, ":any:", root, ":", which, ";", scenario.rules);
}

// EDQUOT and EROFS are answered like a full disk and a missing permission.
void ExpectFittingCode(const std::string& error, const absl::Status& status) {
  const absl::StatusCode code = status.code();
  if (absl::StrContains(status.message(), "is there room for one, and may it be made?") ||
      absl::EndsWith(status.message(), "disk I/O error")) {
    // SQLite could not make or sync a file, and has lost the reason.
    EXPECT_EQ(code, absl::StatusCode::kInternal) << status;
  } else if (absl::StrContains(status.message(), "can be read, but not be written")) {
    EXPECT_EQ(code, absl::StatusCode::kPermissionDenied) << status;
  } else if (error == "enospc" || error == "edquot") {
    EXPECT_EQ(code, absl::StatusCode::kResourceExhausted) << status;
  } else if (error == "erofs") {
    EXPECT_THAT(code, AnyOf(absl::StatusCode::kPermissionDenied, absl::StatusCode::kFailedPrecondition))
        << status;
  } else {
    EXPECT_THAT(code, AnyOf(absl::StatusCode::kUnknown, absl::StatusCode::kInternal)) << status;
  }
}

// False: the work has no operation of this number.
bool TestError(const Scenario& scenario, const Stage& stage, const std::string& error, int operation,
               bool lasting) {
  TemporaryFolder folder;
  stage.Copy(folder.path());
  const std::string which = absl::StrCat(operation, lasting ? "+" : "");
  const std::string rules = Rules(scenario, error, folder.path(), which);
  SCOPED_TRACE(rules);
  bool acknowledged = false;
  file_faults::SetRules(rules);
  const absl::Status status = scenario.work(folder.path(), [&] { acknowledged = true; });
  const bool fired = file_faults::Fired() > 0;
  file_faults::SetRules("");
  if (!fired) return false;
  if (!status.ok()) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(folder.path())) << "the error names no path";
    ExpectFittingCode(error, status);
  }
  EXPECT_TRUE(status.ok() || !acknowledged) << "acknowledged, and then: " << status;
  {
    TemporaryFolder copy;
    fs::copy(folder.path(), copy.path(), fs::copy_options::recursive);
    stage.ExpectWhole(copy.path(), acknowledged);
  }
  // On a disk that fails or cannot be written nothing can be tidied up either.
  const bool tidy = scenario.tidy && (!lasting || error == "enospc" || error == "edquot");
  stage.ExpectDone(folder.path(), stage.Again(folder.path()), tidy);
  return true;
}

bool TestDeath(const Scenario& scenario, const Stage& stage, const std::string& action, int operation) {
  TemporaryFolder folder;
  stage.Copy(folder.path());
  const std::string rules = Rules(scenario, action, folder.path(), absl::StrCat(operation));
  SCOPED_TRACE(rules);
  const Ended ended = InChild(folder.path(), rules, action == "power", [&](Witness& witness) {
    const absl::Status status = scenario.work(folder.path(), [&] { witness.Acknowledge(); });
    if (!status.ok()) witness.Say(status.ToString());
  });
  EXPECT_EQ(ended.words, "");
  EXPECT_TRUE(ended.killed || ended.acknowledged);
  stage.ExpectWhole(folder.path(), ended.acknowledged);
  stage.ExpectDone(folder.path(), stage.Again(folder.path()), scenario.tidy);
  return ended.killed;
}

bool TestPowerAfterError(const Scenario& scenario, const Stage& stage, const std::string& which,
                         bool restarted) {
  TemporaryFolder folder;
  stage.Copy(folder.path());
  const std::string rules = Rules(scenario, "eio", folder.path(), which);
  SCOPED_TRACE(absl::StrCat(rules, restarted ? " then a restart" : ""));
  const Ended ended = InChild(folder.path(), rules, /*lose_power=*/true, [&](Witness& witness) {
    scenario.work(folder.path(), [] {}).IgnoreError();
    const bool fired = file_faults::Fired() > 0;
    file_faults::SetRules("");
    if (restarted) scenario.look(folder.path());
    const absl::Status status = stage.Again(folder.path());
    if (status.ok()) witness.Acknowledge();
    witness.Say(status.ok() ? fired ? "fired" : "" : status.ToString());
  });
  EXPECT_TRUE(ended.acknowledged) << ended.words;
  EXPECT_FALSE(ended.killed);
  stage.ExpectWhole(folder.path(), ended.acknowledged);
  return ended.words == "fired";
}

}  // namespace

void TestPowerAfterErrors(const Scenario& scenario) {
  const Stage stage(scenario);
  for (const char* lasting : {"", "+"}) {
    for (const bool restarted : {false, true}) {
      int operation = 1;
      while (TestPowerAfterError(scenario, stage, absl::StrCat(operation, lasting), restarted)) {
        ASSERT_LT(++operation, kMostOperations);
      }
      ASSERT_GT(operation, 1) << "no operation was hit";
    }
  }
}

void TestErrors(const Scenario& scenario) {
  const Stage stage(scenario);
  for (const char* error : {"enospc", "edquot", "eio", "erofs"}) {
    for (const bool lasting : {false, true}) {
      int operation = 1;
      while (TestError(scenario, stage, error, operation, lasting)) {
        if (testing::Test::HasFailure()) return;
        ASSERT_LT(++operation, kMostOperations);
      }
      ASSERT_GT(operation, 1) << "no operation was hit";
    }
  }
}

void TestDeaths(const Scenario& scenario) {
  const Stage stage(scenario);
  for (const char* action : {"kill", "kill_after", "torn", "power"}) {
    int operation = 1;
    while (TestDeath(scenario, stage, action, operation)) {
      if (testing::Test::HasFailure()) return;
      ASSERT_LT(++operation, kMostOperations);
    }
    ASSERT_GT(operation, 1) << "no operation was hit";
  }
}

}  // namespace shoal
