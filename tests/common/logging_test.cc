#include "common/logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "absl/strings/str_split.h"
#include "nlohmann/json.hpp"
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

TEST_F(LoggingTest, WritesOneObjectALineWhereAsked) {
  const std::string run = "a \"b\" %v\n";
  ASSERT_TRUE(SetUpLogging({.component = "actor",
                            .run = run,
                            .format = LogFormat::kJson,
                            .file = folder_ / "logs/actor.log"})
                  .ok());
  LogInfo("iteration \"3\"\n%v", {{"rows", 16384},
                                  {"share", 0.25},
                                  {"done", true},
                                  {"name", "12"},
                                  {"bytes", "\xff\"\n"},
                                  {"loss", std::numeric_limits<double>::quiet_NaN()},
                                  {"message", "of its own"}});
  LogError("second");
  const std::vector<std::string> lines =
      absl::StrSplit(absl::string_view(Written()), '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 2u) << Written();
  const auto first = nlohmann::json::parse(lines[0]);
  EXPECT_THAT(first.at("time").get<std::string>(), MatchesRegex("[-0-9]+T[0-9:.]+Z"));
  EXPECT_EQ(first.at("level"), "info");
  EXPECT_EQ(first.at("component"), "actor");
  EXPECT_EQ(first.at("run"), "a \"b\" %v\\n");
  EXPECT_EQ(first.at("message"), "iteration \"3\"\\n%v");
  EXPECT_EQ(first.at("fields").at("rows"), 16384);
  EXPECT_EQ(first.at("fields").at("share"), 0.25);
  EXPECT_EQ(first.at("fields").at("done"), true);
  EXPECT_EQ(first.at("fields").at("name"), "12");
  EXPECT_EQ(first.at("fields").at("loss"), "nan");
  EXPECT_EQ(first.at("fields").at("message"), "of its own");
  EXPECT_EQ(nlohmann::json::parse(lines[1]).at("level"), "error");
}

TEST(ParseLogFormat, KnowsItsNames) {
  EXPECT_EQ(ParseLogFormat("json").value(), LogFormat::kJson);
  EXPECT_EQ(ParseLogFormat("xml").status().message(), "log format xml: accepted are text, json");
}

TEST(ParseLogLevel, KnowsItsNames) {
  EXPECT_EQ(ParseLogLevel("debug").value(), LogLevel::kDebug);
  EXPECT_EQ(ParseLogLevel("off").value(), LogLevel::kOff);
  EXPECT_EQ(ParseLogLevel("loud").status().message(),
            "log level loud: accepted are debug, info, warning, error, off");
}

}  // namespace
}  // namespace shoal
