// Runs side by side, with numbers that were worked out by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "coordinator/artifacts/compare.h"

namespace shoal {
namespace {

using testing::HasSubstr;
using testing::Not;

EvaluationFacts Evaluation(int64_t iteration, std::vector<uint64_t> seeds, std::vector<double> survival) {
  EvaluationFacts e;
  e.kind = "multi";
  e.iteration = iteration;
  e.summary.num_fish = 96;
  e.summary.episode_seeds = std::move(seeds);
  e.summary.final_survival = std::move(survival);
  e.summary.min_final_survival_rate = 1;
  for (const double s : e.summary.final_survival) e.summary.min_final_survival_rate = std::min(e.summary.min_final_survival_rate, s);
  e.summary.p10 = 200;
  return e;
}

RunFacts RunOf(const std::string& name, double learning_rate, std::vector<EvaluationFacts> evaluations) {
  RunFacts facts;
  facts.info.name = name;
  facts.info.status = RunState::kDone;
  facts.options.set_run_name(name);
  facts.options.set_num_envs(2);
  facts.options.set_learning_rate(learning_rate);
  facts.options.set_total_iterations(20);
  facts.options.set_penalty_gate_phase_allowance("1,2");
  facts.options.set_penalty_gate_lock_iteration(1);
  facts.tail_stages = {{20, "a.json"}};
  for (int i = 1; i <= 20; ++i) {
    facts.iterations.push_back({{"iteration", i}, {"prewarm_override_ratio", i == 7 ? 0.125 : 0.5}, {"tail_schedule_ratio", 0.75}});
  }
  facts.evaluations = std::move(evaluations);
  EXPECT_TRUE(JudgeEvaluations(facts.options, facts.evaluations).ok());
  return facts;
}

RunComparison Compared(const std::vector<RunFacts>& runs) {
  auto comparison = CompareRuns(runs);
  EXPECT_TRUE(comparison.ok()) << comparison.status();
  return *std::move(comparison);
}

TEST(Compare, PairsScenesBySeedWhateverTheirOrder) {
  const RunComparison c = Compared({RunOf("a", 1e-3, {Evaluation(10, {1, 2, 3, 4}, {0.5, 0.6, 0.7, 0.8})}),
                                    RunOf("b", 1e-3, {Evaluation(12, {4, 3, 2, 9}, {0.9, 0.7, 0.5, 0.1})})});
  ASSERT_EQ(c.paired.size(), 1u);
  const PairedScenes& p = c.paired[0];
  // Seeds 4, 3 and 2: +0.1, 0 and -0.1; the other scenes have no part in it.
  EXPECT_EQ(p.scenes, 3);
  EXPECT_NEAR(p.result.difference.mean, 0, 1e-12);
  EXPECT_EQ(p.result.second_better, 1);
  EXPECT_EQ(p.result.equal, 1);
  EXPECT_EQ(p.result.first_better, 1);
  EXPECT_LT(p.result.difference.low, 0);
  EXPECT_GT(p.result.difference.high, 0);
  EXPECT_EQ(p.first_iteration, 10);
  EXPECT_EQ(p.iteration, 12);
}

TEST(Compare, AnEqualShiftOnEverySceneHasNoWidth) {
  // Scenes differ by much more than the runs do: only the pairing shows the difference.
  const RunComparison c = Compared({RunOf("a", 1e-3, {Evaluation(10, {1, 2, 3}, {0.125, 0.5, 0.75})}),
                                    RunOf("b", 1e-3, {Evaluation(10, {1, 2, 3}, {0.25, 0.625, 0.875})})});
  ASSERT_EQ(c.paired.size(), 1u);
  EXPECT_DOUBLE_EQ(c.paired[0].result.difference.mean, 0.125);
  EXPECT_DOUBLE_EQ(c.paired[0].result.difference.low, 0.125);
  EXPECT_DOUBLE_EQ(c.paired[0].result.difference.high, 0.125);
  EXPECT_THAT(ComparisonText(c), HasSubstr("+0.1250 to +0.1250"));
}

TEST(Compare, DoesNotPairWhatIsNotAlike) {
  auto other = Evaluation(10, {1, 2, 3}, {0.1, 0.2, 0.3});
  const RunFacts a = RunOf("a", 1e-3, {other});
  other.summary.num_fish = 48;
  EXPECT_TRUE(Compared({a, RunOf("b", 1e-3, {other})}).paired.empty());
  other.summary.num_fish = 96;
  other.kind = "final";
  EXPECT_TRUE(Compared({a, RunOf("b", 1e-3, {other})}).paired.empty());
  EXPECT_TRUE(Compared({a, RunOf("b", 1e-3, {Evaluation(10, {7, 8, 9}, {0.1, 0.2, 0.3})})}).paired.empty());
  EXPECT_THAT(ComparisonText(Compared({a, RunOf("b", 1e-3, {})})), HasSubstr("No evaluations played the same scenes"));
}

TEST(Compare, ShowsOnlyOptionsThatDifferAndFiguresOfEachRun) {
  const RunComparison c = Compared({RunOf("a", 1e-3, {Evaluation(10, {1, 2}, {0.5, 0.75})}), RunOf("b", 2e-3, {})});
  ASSERT_EQ(c.options.size(), 1u);
  EXPECT_EQ(c.options[0].name, "learning_rate");
  EXPECT_EQ(c.options[0].values, (std::vector<std::string>{"0.001", "0.002"}));
  EXPECT_EQ(c.runs[0].evaluated, 10);
  EXPECT_DOUBLE_EQ(c.runs[0].survival->mean, 0.625);
  EXPECT_DOUBLE_EQ(*c.runs[0].worst_scene, 0.5);
  EXPECT_EQ(c.runs[0].gate_opened, 10);
  EXPECT_DOUBLE_EQ(*c.runs[0].least_override_ratio, 0.125);
  EXPECT_DOUBLE_EQ(*c.runs[0].least_schedule_ratio, 0.75);
  EXPECT_FALSE(c.runs[1].survival.has_value());
  const auto json = ToJson(c);
  EXPECT_EQ(json["runs"][0]["gate_opened_iteration"], 10);
  EXPECT_TRUE(json["runs"][1]["avg_final_survival_rate"].is_null());
  EXPECT_EQ(json["options"][0]["values"][1], "0.002");
}

TEST(Compare, ThePageEscapesAndNeedsTwoRuns) {
  const RunFacts a = RunOf("<script>a</script>", 1e-3, {});
  EXPECT_EQ(CompareRuns({a}).status().code(), absl::StatusCode::kInvalidArgument);
  const std::string page = ComparisonPage(Compared({a, RunOf("b", 2e-3, {})}));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;a"));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, HasSubstr("learning_rate"));
}

}  // namespace
}  // namespace shoal
