// TSan sees what absl::Mutex orders (common/sanitizers), and nothing else counts as ordered.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "common/files.h"
#include "common/subprocess.h"
#include "tests/common/temporary_directory.h"

namespace shoal {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kReported = 66;

class Tsan : public ::testing::Test {
 protected:
  // The exit code; the probe's words are in said_.
  int Probe(const std::string& name) {
    SubprocessOptions options;
    options.argv = {std::filesystem::read_symlink("/proc/self/exe").parent_path() / "race_probe"};
    if (!name.empty()) options.argv.push_back(name);
    options.stdout_path = options.stderr_path = directory_ / (name + ".out");
    // Its reports are its own: not to where ours would fail this test.
    options.extra_environment = {{"TSAN_OPTIONS", "halt_on_error=1:exitcode=66"}};
    auto process = Subprocess::Start(options);
    EXPECT_TRUE(process.ok()) << process.status();
    const auto ended = (*process)->WaitFor(absl::Seconds(60));
    EXPECT_TRUE(ended.has_value()) << name;
    said_ = *ReadFile(options.stdout_path);
    return ended.value_or(ExitStatus{}).code;
  }
  std::vector<std::string> Names() {
    EXPECT_EQ(Probe(""), 0);
    return absl::StrSplit(said_, '\n', absl::SkipEmpty());
  }

  TemporaryDirectory directory_;
  std::string said_;
};

TEST_F(Tsan, SeesWhatLocksOrder) {
  int probes = 0;
  for (const std::string& name : Names()) {
    if (!absl::StartsWith(name, "sound_")) continue;
    ++probes;
    EXPECT_EQ(Probe(name), 0) << name << "\n" << said_;
  }
  EXPECT_EQ(probes, 6);
}

TEST_F(Tsan, ReportsRacesNextToLocks) {
  int probes = 0;
  for (const std::string& name : Names()) {
    if (!absl::StartsWith(name, "race_")) continue;
    ++probes;
    EXPECT_EQ(Probe(name), kReported) << name << "\n" << said_;
    EXPECT_THAT(said_, HasSubstr("data race")) << name;
  }
  EXPECT_EQ(probes, 6);
}

}  // namespace
}  // namespace shoal
