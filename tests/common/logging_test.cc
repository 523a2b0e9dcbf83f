#include "common/logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/common/temporary_directory.h"

namespace shoal {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

class LoggingTest : public testing::Test {
 protected:
  void SetUpFile(LogLevel level, const std::string& run = "my_run") {
    const absl::Status status = SetUpLogging(
        {.component = "actor", .run = run, .level = level, .file = folder_ / "logs/actor.log"});
    ASSERT_TRUE(status.ok()) << status;
  }
  ~LoggingTest() override { EXPECT_TRUE(SetUpLogging({}).ok()); }

  std::string Written() const { return Slurp(folder_ / "logs/actor.log"); }

  TemporaryDirectory folder_;
};

TEST_F(LoggingTest, WritesOneLineAnEvent) {
  SetUpFile(LogLevel::kInfo);
  LogInfo("iteration committed",
          {{"iteration", 3}, {"share", 0.25}, {"done", true}, {"name", "a"}});
  EXPECT_THAT(Written(),
              MatchesRegex("[0-9]+-[0-9]+-[0-9]+T[0-9]+:[0-9]+:[0-9]+\\.[0-9]+Z info actor my_run "
                           "iteration committed iteration=3 share=0.25 done=true name=a\n"));
}

TEST_F(LoggingTest, KeepsEveryEventOnItsLine) {
  SetUpFile(LogLevel::kInfo);
  LogWarning("two\nlines", {{"empty", ""}, {"text", "a \"b\"\n=c"}, {"percent", "100%"}});
  EXPECT_THAT(Written(), HasSubstr("warning actor my_run two\\nlines empty=\"\" "
                                   "text=\"a \\\"b\\\"\\n=c\" percent=100%\n"));
}

TEST_F(LoggingTest, ShowsWhatWouldNotShow) {
  SetUpFile(LogLevel::kInfo);
  LogWarning("esc\x1b[2J", {{"c1", "\xc2\x9b"}, {"turn", "\xe2\x80\xae"}, {"word", "b\xc3\xbcro"}});
  EXPECT_THAT(Written(), HasSubstr("esc\\033[2J c1=\"\\302\\233\" turn=\"\\342\\200\\256\" "
                                   "word=b\xc3\xbcro\n"));
  LogWarning("long", {{"value", std::string(1 << 20, 'x')}});
  EXPECT_LT(Written().size(), size_t{5000});
}

TEST_F(LoggingTest, WritesOneMessageOnlySoOften) {
  SetUpFile(LogLevel::kInfo);
  for (int i = 0; i < 20000; ++i) LogInfo("the same again", {{"i", i}});
  LogInfo("another");
  const std::string written = Written();
  const auto lines = std::count(written.begin(), written.end(), '\n');
  EXPECT_GE(lines, 1001);
  // As many seconds as this took, 20 more.
  EXPECT_LT(lines, 15000);
  EXPECT_THAT(written, testing::EndsWith("another\n"));
}

TEST_F(LoggingTest, LeavesOutWhatIsBelowTheLevel) {
  SetUpFile(LogLevel::kWarning);
  LogDebug("no");
  LogInfo("no");
  LogError("failed", {{"status", absl::NotFoundError("gone")}});
  EXPECT_THAT(Written(),
              testing::EndsWith("error actor my_run failed status=\"NOT_FOUND: gone\"\n"));
  EXPECT_THAT(Written(), testing::Not(HasSubstr("no\n")));
}

TEST_F(LoggingTest, TakesRunNamesAsTheyAre) {
  SetUpFile(LogLevel::kInfo, "100% %v");
  LogInfo("event");
  EXPECT_THAT(Written(), HasSubstr(" actor \"100% %v\" event\n"));
  SetUpFile(LogLevel::kInfo, "");
  LogInfo("event");
  EXPECT_THAT(Written(), HasSubstr(" actor - event\n"));
}

TEST_F(LoggingTest, AppendsAndNamesAFileThatCannotBeWritten) {
  SetUpFile(LogLevel::kInfo);
  LogInfo("first");
  SetUpFile(LogLevel::kInfo);
  Spill(folder_ / "file", "");
  const absl::Status status = SetUpLogging({.file = folder_ / "file/actor.log"});
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr(folder_ / "file"));
  LogInfo("second");
  EXPECT_THAT(Written(), HasSubstr("first\n"));
  EXPECT_THAT(Written(), HasSubstr("second\n"));
}

TEST(ParseLogLevel, KnowsItsNames) {
  EXPECT_EQ(ParseLogLevel("debug").value(), LogLevel::kDebug);
  EXPECT_EQ(ParseLogLevel("off").value(), LogLevel::kOff);
  EXPECT_EQ(ParseLogLevel("loud").status().message(),
            "log level loud: accepted are debug, info, warning, error, off");
}

}  // namespace
}  // namespace shoal
