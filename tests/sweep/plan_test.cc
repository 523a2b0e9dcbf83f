// What a sweep's runs are.
#include "coordinator/sweep/plan.h"

#include <gmock/gmock.h>

namespace shoal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> Names(const std::vector<SweepRow>& rows) {
  std::vector<std::string> names;
  for (const SweepRow& row : rows) names.push_back(row.name);
  return names;
}

TEST(SweepOptions, ReadsWordsAsACommandLineDoes) {
  auto options = ParseSweepOptions({"--a", "1", "--b=x=y", "--on", "--c", "-1", "--d="});
  ASSERT_TRUE(options.ok()) << options.status();
  std::vector<std::string> arguments;
  for (const SweepOption& option : *options) arguments.push_back(option.Argument());
  EXPECT_THAT(arguments, ElementsAre("--a=1", "--b=x=y", "--on", "--c=-1", "--d="));
  EXPECT_FALSE(ParseSweepOptions({"1"}).ok());
  EXPECT_FALSE(ParseSweepOptions({"--a=1", "2"}).ok());
  EXPECT_FALSE(ParseSweepOptions({"--"}).ok());
}

TEST(SweepOptions, TheLaterWins) {
  const SweepOptions merged = MergeSweepOptions({{"a", "1"}, {"b", "2"}}, {{"c", "3"}, {"a", "4"}});
  EXPECT_EQ(merged, (SweepOptions{{"a", "4"}, {"b", "2"}, {"c", "3"}}));
}

TEST(Seeds, AreNumbersAndRanges) {
  EXPECT_THAT(*ParseSeeds("1-3,7,9-9"), ElementsAre(1, 2, 3, 7, 9));
  for (const char* wrong : {"", "a", "3-1", "1-", "1,1", "1-3,2", "0-1000", "1-2-3", "-1"}) {
    EXPECT_FALSE(ParseSeeds(wrong).ok()) << wrong;
  }
  EXPECT_TRUE(ParseSeeds("0-999").ok());
}

TEST(Grid, IsTheProductOfItsAxes) {
  auto rows = ExpandGrid({"learning_rate=1e-3,2e-3", "policy_hidden_sizes=64,64;128"});
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_THAT(Names(*rows), ElementsAre("learning_rate-1e-3_policy_hidden_sizes-64-64",
                                        "learning_rate-1e-3_policy_hidden_sizes-128",
                                        "learning_rate-2e-3_policy_hidden_sizes-64-64",
                                        "learning_rate-2e-3_policy_hidden_sizes-128"));
  EXPECT_EQ((*rows)[2].changes,
            (SweepOptions{{"learning_rate", "2e-3"}, {"policy_hidden_sizes", "64,64"}}));
  EXPECT_FALSE(ExpandGrid({"learning_rate"}).ok());
  EXPECT_FALSE(ExpandGrid({"=1"}).ok());
  std::string many = "a=0";
  for (int i = 1; i < 40; ++i) many += ",1";
  EXPECT_FALSE(ExpandGrid({many, many}).ok()) << "1600 rows";
}

TEST(SweepFile, HoldsAWholeSweep) {
  auto plan = ParseSweepFile(
      "# one away\nbase --preset school\n\nseeds 1-2\nbank 412000:40\nbank 7:8 --num_fish 48\n"
      "row school\nrow tanh --activation tanh  # the other\ngrid n_epochs=2,4\n",
      "some.sweep");
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_TRUE(CheckPlan(*plan).ok());
  EXPECT_THAT(Names(plan->rows), ElementsAre("school", "tanh", "n_epochs-2", "n_epochs-4"));
  EXPECT_THAT(plan->banks, ElementsAre("412000:40", "7:8 --num_fish 48"));
  const std::vector<SweepRun> runs = ExpandRuns(*plan, {{"actors", "1"}, {"activation", "relu"}});
  ASSERT_EQ(runs.size(), 8u);
  EXPECT_EQ(runs[1].name, "tanh_s1");
  EXPECT_THAT(runs[1].arguments, ElementsAre("--actors=1", "--activation=tanh", "--preset=school",
                                             "--seed=1", "--run_name=tanh_s1"));
  EXPECT_EQ(runs[4].name, "school_s2") << "seed by seed";
}

TEST(SweepFile, SaysWhereItIsWrong) {
  const auto message = [](const char* text) {
    return std::string(ParseSweepFile(text, "f").status().message());
  };
  EXPECT_THAT(message("base --a 1\nrows x\n"), HasSubstr("f:2: \"rows\""));
  EXPECT_THAT(message("row\n"), HasSubstr("f:1: a row needs a name"));
  EXPECT_THAT(message("\n\nseeds x\n"), HasSubstr("f:3: seeds x"));
  EXPECT_THAT(message("row x y\n"), HasSubstr("f:1: \"y\""));
}

TEST(SweepPlan, MustBeWholeAndLeaveTheSweepItsOwn) {
  const SweepPlan good = {{}, {{"a", {}}, {"b", {}}}, {1}, {"1:1"}};
  const auto accepted = [&](auto change) {
    SweepPlan plan = good;
    change(plan);
    return CheckPlan(plan).ok();
  };
  EXPECT_TRUE(accepted([](SweepPlan&) {}));
  EXPECT_FALSE(accepted([](SweepPlan& plan) { plan.seeds.clear(); }));
  EXPECT_FALSE(accepted([](SweepPlan& plan) { plan.banks.clear(); }));
  EXPECT_FALSE(accepted([](SweepPlan& plan) { plan.rows[1].name = "a"; }));
  EXPECT_FALSE(accepted([](SweepPlan& plan) { plan.rows[1].name = "../b"; }));
  EXPECT_FALSE(accepted([](SweepPlan& plan) { plan.base = {{"seed", "1"}}; }));
  EXPECT_FALSE(accepted([](SweepPlan& plan) { plan.rows[1].changes = {{"out", "x"}}; }));
  SweepPlan bare = good;
  bare.rows.clear();
  ASSERT_TRUE(CheckPlan(bare).ok());
  EXPECT_THAT(Names(bare.rows), ElementsAre("base"));
}

}  // namespace
}  // namespace shoal
