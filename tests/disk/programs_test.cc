// `shoal train` on a disk that fills up or cannot be written: it stops and says why, and goes on where
// it was when there is room again.
#include <gmock/gmock.h>
#include <stdlib.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "tests/end_to_end/small_run.h"

namespace shoal {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

// For the programs that are started meanwhile.
class Faults {
 public:
  Faults(const std::string& rules, const std::string& report) {
    const std::string layer =
        (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "libfile_faults.so").string();
    setenv("LD_PRELOAD", layer.c_str(), 1);
    setenv("SHOAL_FILE_FAULTS", rules.c_str(), 1);
    setenv("SHOAL_FILE_FAULTS_REPORT", report.c_str(), 1);
  }
  ~Faults() {
    for (const char* name : {"LD_PRELOAD", "SHOAL_FILE_FAULTS", "SHOAL_FILE_FAULTS_REPORT"}) unsetenv(name);
  }
};

class BadDisk : public Train {
 protected:
  // Nothing else than the fault tells this run from the undisturbed one.
  void RunWith(const std::string& rule, const std::string& path,
               const testing::Matcher<std::string>& reason) {
    SCOPED_TRACE(rule);
    if (!undisturbed_) {
      ASSERT_EQ(Shoal(place_, Small(place_, "whole")).code, 0);
      undisturbed_ = true;
    }
    const std::string name = absl::StrCat("bad-", runs_++);
    Finished finished;
    {
      const Faults faults(rule, place_.Path(name + ".report"));
      finished = Shoal(place_, Small(place_, name));
    }
    ASSERT_EQ(place_.Read(name + ".report").substr(0, rule.size()), rule) << "the fault was not met";
    EXPECT_NE(finished.code, 0) << finished.out;
    EXPECT_LT(finished.code, 128) << "it must end by itself";
    const std::string words = finished.out + finished.error;
    EXPECT_THAT(words, HasSubstr(path));
    EXPECT_THAT(words, reason);
    for (const char* program : {"shoal-coordinator", "shoal-learner", "shoal-actor"}) {
      EXPECT_TRUE(Processes(program, name).empty()) << program << " is left behind";
    }

    const Finished resumed =
        Shoal(place_, {"train", "--resume", place_.Path("runs/" + name), "--artifacts", "data"});
    EXPECT_EQ(resumed.code, 0) << resumed.out << resumed.error;
    const Finished same = Shoal(place_, {"verify", name, "--same_as", "whole", "--out", place_.Path("runs")});
    EXPECT_EQ(same.code, 0) << same.out << same.error;
  }

  bool undisturbed_ = false;
  int runs_ = 0;
};

const auto kNoSpace = AnyOf(HasSubstr("No space left"), HasSubstr("disk is full"));

TEST_F(BadDisk, FullInACommit) { RunWith("enospc:write:run.db-wal:40+", "run.db", kNoSpace); }

TEST_F(BadDisk, FullInACheckpoint) { RunWith("enospc:write:/checkpoints/:9+", "/checkpoints/", kNoSpace); }

TEST_F(BadDisk, FullInATextView) { RunWith("enospc:write:metrics.csv:3+", "metrics.csv", kNoSpace); }

TEST_F(BadDisk, ReadOnlyInACheckpoint) {
  RunWith("erofs:any:/checkpoints/:20+", "/checkpoints/", HasSubstr("Read-only file system"));
}

TEST_F(BadDisk, ReadOnlyAtTheStart) {
  RunWith("erofs:any:/.lock:1+", "/.lock", HasSubstr("Read-only file system"));
}

TEST_F(BadDisk, FailingInACommit) {
  RunWith("eio:sync:run.db-wal:9+", "run.db", HasSubstr("disk I/O error"));
}

}  // namespace
}  // namespace shoal
