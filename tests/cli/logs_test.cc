// Reading the logs of programs: lines of both formats, and files that grow, begin anew and are cut.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/logging.h"
#include "coordinator/cli/log_folder.h"
#include "coordinator/cli/log_line.h"
#include "tests/common/temporary_directory.h"

namespace shoal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Json = nlohmann::ordered_json;

TEST(LogLine, OfEitherFormatIsTheSameEvent) {
  const LogLine text = ParseLogLine(
      R"(2026-11-24T12:00:00.125Z warning actor "my run" item failed item="iteration 3, shard 1" code=14 ok=false says="a \"b\" \\ c")");
  const LogLine json = ParseLogLine(
      R"({"time":"2026-11-24T12:00:00.125Z","level":"warning","component":"actor","run":"my run",)"
      R"("message":"item failed","fields":{"item":"iteration 3, shard 1","code":14,"ok":false,"says":"a \"b\" \\ c"}})");
  ASSERT_TRUE(text.time && json.time);
  EXPECT_EQ(*text.time, absl::FromCivil(absl::CivilSecond(2026, 11, 24, 12), absl::UTCTimeZone()) +
                            absl::Milliseconds(125));
  EXPECT_EQ(LogLineJson(text, "actor-1"), LogLineJson(json, "actor-1"));
  EXPECT_EQ(LogLineText(text, "actor-1", false), LogLineText(json, "actor-1", false));
  EXPECT_EQ(text.message, "item failed");
  EXPECT_EQ(text.fields["code"], 14);
  EXPECT_EQ(text.fields["item"], "iteration 3, shard 1");
  EXPECT_EQ(text.level, "warning");
  EXPECT_EQ(text.run, "my run");
}

TEST(LogLine, AMessageWithAnEqualsSignIsNoField) {
  const LogLine line =
      ParseLogLine("2026-11-24T12:00:00.000Z info learner run seed=7 is not used: give it again a=1");
  EXPECT_EQ(line.message, "seed=7 is not used: give it again");
  EXPECT_EQ(line.fields, Json({{"a", 1}}));
  EXPECT_EQ(ParseLogLine("2026-11-24T12:00:00.000Z info learner run hello").message, "hello");
  EXPECT_EQ(ParseLogLine("2026-11-24T12:00:00.000Z info learner run hello =").message, "hello =");
}

TEST(LogLine, WhatIsNoEventStaysAsItIsAndCannotSteerATerminal) {
  for (const std::string line :
       {"", "terminate called", "{\"time\":3}", "{", "2026-11-24T12:00:00Z", "2026-13-24T12:00:00Z info a b c",
        "2026-11-24T12:00:00Z shout actor run m", "2026-11-24T12:00:00Z info actor \"unended"}) {
    const LogLine parsed = ParseLogLine(line);
    EXPECT_FALSE(parsed.time) << line;
    EXPECT_EQ(parsed.text, line);
  }
  const LogLine hostile = ParseLogLine(std::string("\033]0;gone\a\0\xff", 11));
  EXPECT_THAT(LogLineText(hostile, "actor-0", true), Not(HasSubstr("\033]")));
  const Json json = Json::parse(LogLineJson(hostile, "actor-0"), nullptr, false);
  EXPECT_EQ(json["file"], "actor-0");
  EXPECT_FALSE(json.contains("time"));
}

TEST(LogLine, LevelsAreRankedByName) {
  EXPECT_EQ(*LogLevelRank("debug"), 0);
  EXPECT_EQ(*LogLevelRank("warn"), *LogLevelRank("warning"));
  EXPECT_LT(*LogLevelRank("info"), *LogLevelRank("error"));
  EXPECT_TRUE(absl::IsInvalidArgument(LogLevelRank("loud").status()));
}

class LogFolderTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return absl::StrCat(place_.path(), "/", name); }
  void Append(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name), std::ios::app | std::ios::binary) << text;
  }
  static std::string At(int second, const std::string& message) {
    return absl::StrCat("2026-11-24T12:00:", second < 10 ? "0" : "", second, ".000Z info x run ", message);
  }
  // "actor-0: message" of everything that is there now.
  std::vector<std::string> Read(bool last = false) {
    EXPECT_TRUE(folder_.Refresh().ok()) << folder_.Refresh();
    std::vector<std::string> lines;
    while (true) {
      auto event = folder_.Next(last);
      EXPECT_TRUE(event.ok()) << event.status();
      if (!event.ok() || !*event) return lines;
      lines.push_back(absl::StrCat((*event)->name, ": ", (*event)->line.text));
    }
  }
  TemporaryDirectory place_;
  LogFolder folder_{place_.path()};
};

TEST_F(LogFolderTest, MergesByTimeAndKeepsWhatBelongsTogether) {
  Append("a.log", At(1, "one") + "\n" + At(4, "four") + "\nstack of four\n" + At(6, "six") + "\n");
  Append("b.log", R"({"time":"2026-11-24T12:00:02.000Z","level":"info","component":"b","run":"r","message":"two","fields":{}})"
                  "\n" + At(5, "five") + "\n" + At(3, "clock set back") + "\n");
  Append("b.out", At(0, "not a log") + "\n");
  EXPECT_THAT(Read(), ElementsAre("a: one", "b: two", "a: four", "a: stack of four", "b: five",
                                  "b: clock set back", "a: six"));
  EXPECT_THAT(folder_.Names(), ElementsAre("a", "b"));
}

TEST_F(LogFolderTest, ALineIsOneOnceItIsWholeOrNobodyWillEndIt) {
  Append("a.log", At(1, "one") + "\n" + At(2, "tw"));
  EXPECT_THAT(Read(), ElementsAre("a: one"));
  EXPECT_THAT(Read(), IsEmpty());
  Append("a.log", "o\n" + At(3, "thr"));
  EXPECT_THAT(Read(), ElementsAre("a: two"));
  EXPECT_THAT(Read(/*last=*/true), ElementsAre("a: thr"));
  EXPECT_THAT(Read(/*last=*/true), IsEmpty());
}

TEST_F(LogFolderTest, SeesFilesThatComeLaterAreReplacedOrBeginAnew) {
  EXPECT_THAT(Read(), IsEmpty());
  Append("a.log", At(1, "one") + "\n");
  EXPECT_THAT(Read(), ElementsAre("a: one"));
  Append("b.log", At(2, "two") + "\n");
  Append("a.log", At(3, "three") + "\n");
  EXPECT_THAT(Read(), ElementsAre("b: two", "a: three"));
  std::filesystem::resize_file(Path("a.log"), 0);
  EXPECT_THAT(Read(), IsEmpty());
  Append("a.log", At(4, "four") + "\n");
  EXPECT_THAT(Read(), ElementsAre("a: four"));
  Append("new", At(5, "five") + "\n");
  std::filesystem::rename(Path("new"), Path("b.log"));
  EXPECT_THAT(Read(), ElementsAre("b: five"));
  std::filesystem::remove(Path("a.log"));
  EXPECT_THAT(Read(), IsEmpty());
}

TEST_F(LogFolderTest, ALineWithoutEndComesInPieces) {
  const size_t most = LogFolder::kLongestLine;
  Append("a.log", std::string(2 * most + 7, 'x') + "\n" + At(1, "one") + "\n");
  const std::vector<std::string> lines = Read();
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0].size(), most + 3);
  EXPECT_EQ(lines[1].size(), most + 3);
  EXPECT_EQ(lines[2], "a: xxxxxxx");
  EXPECT_EQ(lines[3], "a: one");
}

TEST_F(LogFolderTest, ReadsWhatProgramsWrite) {
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    LogOptions options;
    options.component = "learner";
    options.run = "run";
    options.format = format;
    options.file = Path(format == LogFormat::kText ? "text.log" : "json.log");
    ASSERT_TRUE(SetUpLogging(options).ok());
    LogWarning("update failed", {{"iteration", 3}, {"message", "rows \"of\"\nshard 1"}, {"empty", ""}});
  }
  ASSERT_TRUE(SetUpLogging(LogOptions()).ok());
  ASSERT_TRUE(folder_.Refresh().ok());
  std::vector<LogEvent> events;
  for (int i = 0; i < 2; ++i) {
    auto event = folder_.Next(false);
    ASSERT_TRUE(event.ok() && *event) << event.status();
    events.push_back(**event);
    EXPECT_EQ(events[i].level, "warning");
    EXPECT_EQ(events[i].component, "learner");
    EXPECT_EQ(events[i].line.message, "update failed");
  }
  EXPECT_EQ(events[0].line.fields, events[1].line.fields) << "of both formats";
  EXPECT_EQ(events[0].line.fields["iteration"], 3);
}

TEST(LogFolder, SaysThatThereIsNone) {
  LogFolder folder("/nowhere/logs");
  EXPECT_TRUE(absl::IsNotFound(folder.Refresh()));
}

}  // namespace
}  // namespace shoal
