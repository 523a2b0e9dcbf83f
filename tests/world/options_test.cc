#include "actor/world/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/world/world_testing.h"

namespace shoal {
namespace {

using testing::HasSubstr;

std::string Error(std::string_view text) {
  const absl::StatusOr<BiasTable> table = ParseBiasTable(text);
  EXPECT_EQ(table.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(table.status().message());
}

void ExpectEqual(const BiasTable& a, const BiasTable& b) {
  ASSERT_EQ(a.bins.size(), b.bins.size());
  for (size_t i = 0; i < a.bins.size(); ++i) {
    EXPECT_EQ(a.bins[i].start, b.bins[i].start);
    EXPECT_EQ(a.bins[i].end, b.bins[i].end);
    EXPECT_EQ(a.bins[i].weight, b.bins[i].weight);
  }
}

TEST(ParseBiasTable, ReadsTheDefaults) {
  const WorldOptions defaults;
  absl::StatusOr<BiasTable> headings = ParseBiasTable(
      "0-60:1.1,60-90:0.8,90-120:0.08,120-150:0.05,150-210:0.9,210-270:1.3,270-330:1.2,"
      "330-360:0.95");
  ASSERT_TRUE(headings.ok()) << headings.status();
  ExpectEqual(*headings, defaults.predator_heading_bias);
  absl::StatusOr<BiasTable> speeds =
      ParseBiasTable(" 0-1.0 : 1.6, 1.0-1.6:1.3,1.6-2.0:0.7 ,2.0-2.4:0.35,2.4-3.0:0.2");
  ASSERT_TRUE(speeds.ok()) << speeds.status();
  ExpectEqual(*speeds, defaults.predator_pre_roll_speed_bias);
}

TEST(ParseBiasTable, AnEmptyTextIsTheEmptyTable) {
  ASSERT_TRUE(ParseBiasTable("").ok());
  EXPECT_TRUE(ParseBiasTable("")->empty());
  EXPECT_TRUE(ParseBiasTable("  ")->empty());
}

TEST(ParseBiasTable, RefusesWithTheBinAndWhatWouldBeRight) {
  EXPECT_THAT(Error("0-60:1,60-90:-1"), HasSubstr("\"60-90:-1\": its weight is negative"));
  EXPECT_THAT(Error("0-60:1,90-90:1"), HasSubstr("\"90-90:1\": its end is not above its start"));
  EXPECT_THAT(Error("90-60:1"), HasSubstr("not above"));
  EXPECT_THAT(Error("0-inf:1"), HasSubstr("its end is not a finite number"));
  EXPECT_THAT(Error("nan-1:1"), HasSubstr("its start is not a finite number"));
  EXPECT_THAT(Error("0-1:nan"), HasSubstr("its weight is not a finite number"));
  EXPECT_THAT(Error("0-1:1e999"), HasSubstr("its weight is not a finite number"));
  EXPECT_THAT(Error("-30-30:1"), HasSubstr("needs exactly one '-'"));
  EXPECT_THAT(Error("0-60"), HasSubstr("needs exactly one ':'"));
  EXPECT_THAT(Error("0-60:1,"), HasSubstr("\"\": needs exactly one ':'"));
  EXPECT_THAT(Error("north:1"), HasSubstr("expected start-end:weight"));
  EXPECT_THAT(Error("0-60:0,60-90:0"), HasSubstr("at least one must be above 0"));
}

TEST(ParseRewardKind, KnowsThree) {
  EXPECT_EQ(*ParseRewardKind("shaped"), RewardKind::kShaped);
  EXPECT_EQ(*ParseRewardKind("survival"), RewardKind::kSurvival);
  EXPECT_EQ(*ParseRewardKind("death_only"), RewardKind::kDeathOnly);
  const absl::Status status = ParseRewardKind("shape").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("shaped, survival or death_only"));
}

// Headings drawn with a table, before the pre-roll.
std::vector<double> Headings(const BiasTable& table, int count) {
  WorldOptions options;
  options.predator_heading_bias = table;
  World world(options, 1, 1);
  std::vector<double> headings;
  for (int seed = 0; seed < count; ++seed) {
    headings.push_back(world.Reset(0, {static_cast<uint64_t>(seed), 0.8, {}}).initial_heading_deg);
  }
  return headings;
}

TEST(HeadingTable, ABinThatEndsAt360IsNeverDrawnAndItsWeightDoesNotCount) {
  const BiasTable with = *ParseBiasTable("0-60:1,200-210:1,330-360:50");
  const BiasTable without = *ParseBiasTable("0-60:1,200-210:1");
  const std::vector<double> headings = Headings(with, 400);
  EXPECT_EQ(headings, Headings(without, 400));
  for (const double heading : headings) EXPECT_LT(heading, 330.0);
}

TEST(HeadingTable, WeightsAreNotMultipliedByTheWidthOfABin) {
  int narrow = 0;
  for (const double heading : Headings(*ParseBiasTable("0-180:1,200-201:3"), 2000)) {
    narrow += heading >= 199.99;
  }
  // 1500 expected; the standard deviation is 19.
  EXPECT_NEAR(narrow, 1500, 100);
}

TEST(HeadingTable, WithNothingButADroppedBinItIsTheEmptyTable) {
  const std::vector<double> headings = Headings(*ParseBiasTable("330-360:1"), 10);
  EXPECT_EQ(headings, std::vector<double>(10, 0.0));
}

}  // namespace
}  // namespace shoal
