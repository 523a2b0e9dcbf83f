// What becomes of a sweep's results.
#include "coordinator/sweep/table.h"

#include <gmock/gmock.h>

#include "nlohmann/json.hpp"

namespace shoal {
namespace {

using testing::HasSubstr;

SweepPlan Plan() {
  return {{{"preset", "school"}}, {{"first", {}}, {"second", {{"n_epochs", "2"}}}}, {1, 2, 3}, {"7:8", "9:4"}};
}

std::vector<SweepResult> Results() {
  return {{0, 1, "", {0.5, 0.1}, "aa"},   {1, 1, "", {0.75, 0.1}, "bb"},
          {0, 2, "", {0.25, 0.1}, "cc"},  {1, 2, "exit code 1", {}, ""},
          {0, 3, "", {0.375, 0.1}, "dd"}, {1, 3, "", {0.625, 0.1}, "ee"}};
}

TEST(InterquartileMean, IsTheMiddleHalf) {
  EXPECT_DOUBLE_EQ(InterquartileMean({3}), 3);
  EXPECT_DOUBLE_EQ(InterquartileMean({3, 1, 2}), 2);
  EXPECT_DOUBLE_EQ(InterquartileMean({100, 1, 2, 3, -50}), 2);
  EXPECT_DOUBLE_EQ(InterquartileMean({8, 1, 2, 3, 4, 5, 6, 7}), 4.5);
}

TEST(SweepTable, ComparesOverTheSeedsThatBothHave) {
  auto table = MakeSweepTable(Plan(), Results());
  ASSERT_TRUE(table.ok()) << table.status();
  const SweepCell& first = table->cells[0][0];
  EXPECT_EQ(first.seeds, 3);
  EXPECT_DOUBLE_EQ(first.survival.mean, 0.375);
  EXPECT_DOUBLE_EQ(first.worst, 0.25);
  EXPECT_LE(first.survival.low, 0.375);
  EXPECT_GE(first.survival.high, 0.375);
  EXPECT_FALSE(first.difference.has_value());
  const SweepCell& second = table->cells[0][1];
  EXPECT_EQ(second.seeds, 2);
  EXPECT_DOUBLE_EQ(second.survival.mean, 0.6875);
  ASSERT_TRUE(second.difference.has_value());
  // Both seeds differ by exactly 0.25, so that the interval is a point.
  EXPECT_DOUBLE_EQ(second.difference->mean, 0.25);
  EXPECT_DOUBLE_EQ(second.difference->low, 0.25);
  EXPECT_DOUBLE_EQ(second.difference->high, 0.25);
  EXPECT_DOUBLE_EQ(table->cells[1][1].difference->mean, 0.0);
}

TEST(SweepTable, SaysWhatFailedAndShowsARowWithoutResults) {
  std::vector<SweepResult> results = Results();
  results[1].error = results[5].error = "signal 9 (Killed)";
  auto table = MakeSweepTable(Plan(), results);
  ASSERT_TRUE(table.ok()) << table.status();
  const std::string text = SweepMarkdown(Plan(), *table, results);
  EXPECT_THAT(text, HasSubstr("| first | 3 | 0.3750 ["));
  EXPECT_THAT(text, HasSubstr("| second | 0 | - | - | - | - |"));
  EXPECT_THAT(text, HasSubstr("No result: second, seed 2: exit code 1"));
  const std::string tsv = SweepTsv(Plan(), *table);
  EXPECT_EQ(std::count(tsv.begin(), tsv.end(), '\n'), 5);
  for (size_t at = 0; at < tsv.size();) {
    const size_t end = tsv.find('\n', at);
    EXPECT_EQ(std::count(tsv.begin() + at, tsv.begin() + end, '\t'), 10) << tsv;
    at = end + 1;
  }
  const auto json = nlohmann::json::parse(SweepJson(Plan(), *table, results));
  EXPECT_EQ(json["rows"][1]["options"], (nlohmann::json{"--preset=school", "--n_epochs=2"}));
  EXPECT_EQ(json["rows"][0]["results"][0]["seeds"], 3);
  EXPECT_EQ(json["runs"][3]["error"], "exit code 1");
  EXPECT_EQ(json["runs"][2]["policy_sha256"], "cc");
}

TEST(SweepTable, RefusesResultsThatAreNotThePlans) {
  EXPECT_FALSE(MakeSweepTable(Plan(), std::vector<SweepResult>{{2, 1, "", {1, 1}, ""}}).ok());
  EXPECT_FALSE(MakeSweepTable(Plan(), std::vector<SweepResult>{{0, 1, "", {1}, ""}}).ok());
}

}  // namespace
}  // namespace shoal
