// The diagnosis: every sentence fires on what it is about and is silent otherwise; and the page.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "coordinator/artifacts/diagnosis.h"
#include "coordinator/artifacts/html.h"
#include "coordinator/artifacts/report_page.h"
#include "tests/common/temporary_directory.h"

namespace shoal {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string TextOf(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& f : findings) absl::StrAppend(&text, SeverityName(f.severity), " ", f.topic, ": ", f.text, "\n");
  return text;
}

// 20 iterations of 8 environments in which all is well.
RunFacts Healthy() {
  RunFacts facts;
  facts.info.status = RunState::kDone;
  facts.info.name = "run";
  facts.options.set_total_iterations(20);
  facts.options.set_curriculum("15:20");
  facts.options.set_num_envs(8);
  facts.options.set_penalty_gate_phase_allowance("4,5,6");
  facts.options.set_penalty_gate_lock_iteration(1);
  facts.tail_stages = {{20, "a.json"}};
  facts.tail_used = std::vector<int64_t>(8, 20);
  for (int i = 1; i <= 20; ++i) {
    facts.iterations.push_back({{"iteration", i}, {"survival_rate", 0.9}, {"prewarm_override_episodes", 8},
                                {"prewarm_override_hits", 8}, {"tail_schedule_ratio", 1.0}, {"prewarm_override_ratio", 1.0},
                                {"tail_queue_remaining", 8 * (20 - i)}, {"step_one_ne_high_speed_share", 0.05}, {"skipped_minibatches", 0}});
  }
  return facts;
}

void Add(RunFacts& facts, int64_t iteration, double survival, int64_t step_one, int64_t unavoidable, double p10 = 200) {
  EvaluationFacts e;
  e.kind = "multi";
  e.iteration = iteration;
  e.summary.episodes = 2;
  e.summary.num_fish = 96;
  e.summary.total_fish_samples = 192;
  e.summary.final_survival = {survival, survival};
  e.summary.episode_seeds = {1, 2};
  e.summary.avg_final_survival_rate = e.summary.min_final_survival_rate = survival;
  e.summary.p10 = p10;
  e.summary.step_one_death_count = step_one;
  e.summary.step_one_unavoidable_count = unavoidable;
  e.summary.step_one_death_ratio = static_cast<double>(step_one) / 192;
  e.summary.step_one_ne_high_speed_share = 0.05;
  facts.evaluations.push_back(e);
  ASSERT_TRUE(JudgeEvaluations(facts.options, facts.evaluations).ok());
}

TEST(Diagnosis, AQueueThatKeepsItsPaceIsGood) {
  const std::string text = TextOf(DiagnoseTail(Healthy()));
  EXPECT_THAT(text, HasSubstr("good tail: 160 of 160 tail slots were used"));
  EXPECT_THAT(text, Not(HasSubstr("every_rollout")));
  EXPECT_THAT(text, Not(HasSubstr("environments have not")));
  EXPECT_THAT(text, Not(HasSubstr("used up")));
}

TEST(Diagnosis, AStarvedQueueSaysWhyAndWhatWouldHelp) {
  RunFacts facts = Healthy();
  for (auto& iteration : facts.iterations) {
    iteration["prewarm_override_hits"] = iteration["prewarm_override_episodes"] = 1;
    iteration["tail_schedule_ratio"] = 0.125;
  }
  facts.tail_used.assign(8, 2);
  facts.tail_used[3] = 0;
  const std::string text = TextOf(DiagnoseTail(facts));
  EXPECT_THAT(text, HasSubstr("problem tail: 20 of 160 tail slots were used (12.5 %), 0.12 of the planned pace"));
  EXPECT_THAT(text, HasSubstr("an environment began 2.5 episodes in 20 iterations"));
  EXPECT_THAT(text, HasSubstr("would have used at least 160"));
  EXPECT_THAT(text, HasSubstr("1 of 8 environments have not used a single slot"));
}

TEST(Diagnosis, AQueueUsedUpEarlyIsNoted) {
  RunFacts facts = Healthy();
  for (int i = 9; i < 20; ++i) facts.iterations[i]["tail_queue_remaining"] = 0;
  EXPECT_THAT(TextOf(DiagnoseTail(facts)), HasSubstr("used up at iteration 10 of 20"));
}

TEST(Diagnosis, NoQueueHasNoSentence) {
  RunFacts facts = Healthy();
  facts.tail_stages.clear();
  EXPECT_TRUE(DiagnoseTail(facts).empty());
}

TEST(Diagnosis, AnOpenedGateIsGoodAndNothingElse) {
  RunFacts facts = Healthy();
  Add(facts, 5, 0.9, 3, 1);
  EXPECT_EQ(TextOf(DiagnoseGate(facts)), "good gate: the gate opened at iteration 5 and stands at stage 1.\n");
}

TEST(Diagnosis, FailuresNameTheirThresholdsAndFigures) {
  RunFacts facts = Healthy();
  Add(facts, 5, 0.4, 3, 1, 90.2);
  const std::string text = TextOf(DiagnoseGate(facts));
  EXPECT_THAT(text, HasSubstr("never opened: stage 0 after 1 evaluation. It needs 1 success running"));
  EXPECT_THAT(text, HasSubstr("1 of 1 evaluations were failures (iteration 5)"));
  EXPECT_THAT(text, HasSubstr("below failure_p10 95 (90.2)"));
  EXPECT_THAT(text, HasSubstr("below failure_min_final 0.5 (0.400)"));
  EXPECT_THAT(text, HasSubstr("success_p10 (at least 120) was missed in 1 of the 1"));
  EXPECT_THAT(text, HasSubstr("29.8 too low"));
  EXPECT_THAT(text, Not(HasSubstr("success_step_one (")));
  EXPECT_THAT(text, Not(HasSubstr("locked")));
}

TEST(Diagnosis, ALockIsNamedOnlyWhereEvaluationsFellIntoIt) {
  RunFacts facts = Healthy();
  facts.options.set_penalty_gate_lock_iteration(-1);
  facts.options.set_density_penalty_lock_until(28);
  Add(facts, 12, 0.9, 3, 1);
  EXPECT_THAT(TextOf(DiagnoseGate(facts)), HasSubstr("problem gate: the gate was locked until iteration 28 (density_penalty_lock_until)"));
  EXPECT_THAT(TextOf(DiagnoseGate(facts)), HasSubstr("after the lock came 0 evaluations"));
}

TEST(Diagnosis, UnavoidableDeathsAboveTheLimitMakeItUnreachable) {
  RunFacts facts = Healthy();
  facts.options.set_penalty_gate_success_step_one(18);
  Add(facts, 5, 0.9, 22, 20);
  EXPECT_THAT(TextOf(DiagnoseGate(facts)), HasSubstr("more than success_step_one 18 allows: 20 of the 22 at iteration 5"));
  facts.evaluations.clear();
  Add(facts, 5, 0.9, 22, 18);
  EXPECT_THAT(TextOf(DiagnoseGate(facts)), Not(HasSubstr("could have avoided")));
}

TEST(Diagnosis, AGateThatIsNeverAskedIsNamed) {
  RunFacts facts = Healthy();
  facts.options.set_multi_eval_interval(30);
  EXPECT_THAT(TextOf(DiagnoseGate(facts)), HasSubstr("never asked: multi_eval_interval 30"));
  facts.options.set_multi_eval_interval(16);
  EXPECT_TRUE(DiagnoseGate(facts).empty());
}

TEST(Diagnosis, NeHotSpot) {
  RunFacts facts = Healthy();
  Add(facts, 5, 0.9, 20, 1);
  EXPECT_THAT(TextOf(DiagnoseStepOne(facts)), HasSubstr("note step one: 5.0 %"));
  facts.evaluations[0].summary.step_one_ne_high_speed_share = 0.3;
  EXPECT_THAT(TextOf(DiagnoseStepOne(facts)), HasSubstr("warning step one: 30.0 % of the 20"));
}

TEST(Diagnosis, SurvivalCollapseTrendAndEarlyDeath) {
  RunFacts facts = Healthy();
  Add(facts, 5, 0.6, 1, 0);
  Add(facts, 10, 0.9, 1, 0);
  EXPECT_EQ(TextOf(DiagnoseSurvival(facts)).substr(0, 4), "good");
  EXPECT_EQ(DiagnoseSurvival(facts).size(), 1u);
  Add(facts, 15, 0.5, 1, 0);
  facts.evaluations.back().summary.early_death_fraction_100 = 0.12;
  for (int i = 12; i < 20; ++i) facts.iterations[i]["survival_rate"] = 0.3;
  const std::string text = TextOf(DiagnoseSurvival(facts));
  EXPECT_THAT(text, HasSubstr("evaluations collapsed: from 0.900 at iteration 10 to 0.500"));
  EXPECT_THAT(text, HasSubstr("survival in training fell from 0.900"));
  EXPECT_THAT(text, HasSubstr("12.0 % of the fish die before step 100"));
}

TEST(Diagnosis, NonFiniteUpdates) {
  RunFacts facts = Healthy();
  EXPECT_TRUE(DiagnoseUpdates(facts).empty());
  facts.iterations[6]["skipped_minibatches"] = 2;
  EXPECT_THAT(TextOf(DiagnoseUpdates(facts)), HasSubstr("2 minibatches were not finite and were skipped, in 1 iterations, first in 7"));
}

TEST(Diagnosis, ARollbackIsNamedWhereOneWas) {
  RunFacts facts = Healthy();
  facts.options.set_penalty_gate_failure_tolerance(1);
  facts.options.set_penalty_gate_freeze_iterations(0);
  Add(facts, 5, 0.9, 3, 1);
  EXPECT_THAT(TextOf(DiagnoseGate(facts)), Not(HasSubstr("rolled back")));
  Add(facts, 10, 0.3, 3, 1, 20);
  EXPECT_THAT(TextOf(DiagnoseGate(facts)), HasSubstr("warning gate: the gate was rolled back at iteration 10."));
}

TEST(Diagnosis, FreezesAreCountedWhereEvaluationsFellIntoThem) {
  RunFacts facts = Healthy();
  facts.options.set_penalty_gate_required_successes(2);
  facts.options.set_penalty_gate_freeze_iterations(6);
  Add(facts, 5, 0.3, 3, 1, 20);
  EXPECT_THAT(TextOf(DiagnoseGate(facts)), Not(HasSubstr("fell into a freeze")));
  Add(facts, 10, 0.9, 3, 1);
  EXPECT_THAT(TextOf(DiagnoseGate(facts)), HasSubstr("note gate: 1 evaluation fell into a freeze (iteration 10) and could not count."));
}

TEST(Diagnosis, AFailedRunSaysWhereAndWhy) {
  RunFacts facts = Healthy();
  EXPECT_THAT(TextOf(Diagnose(facts)), Not(HasSubstr("run:")));
  facts.iterations.resize(7);
  facts.info.status = RunState::kFailed;
  facts.info.message = "the disk is full";
  EXPECT_THAT(TextOf(Diagnose(facts)), HasSubstr("problem run: the run failed after 7 of 20 iterations: the disk is full"));
  facts.info.status = RunState::kStopped;
  EXPECT_THAT(TextOf(Diagnose(facts)), HasSubstr("note run: 7 of 20 iterations are committed"));
}

TEST(Diagnosis, NeShareInTraining) {
  RunFacts facts = Healthy();
  EXPECT_TRUE(DiagnoseStepOne(facts).empty());
  for (auto& iteration : facts.iterations) iteration["step_one_ne_high_speed_share"] = nullptr;
  facts.iterations[3]["step_one_ne_high_speed_share"] = 0.1;
  facts.iterations[4]["step_one_ne_high_speed_share"] = 0.3;
  EXPECT_EQ(TextOf(DiagnoseStepOne(facts)),
            "note step one: in training the NE share of step-one deaths is 20.0 % on average, over the 2 iterations that had such deaths.\n");
}

TEST(Diagnosis, GravestFirst) {
  RunFacts facts = Healthy();
  facts.iterations[6]["skipped_minibatches"] = 2;
  const auto findings = Diagnose(facts);
  EXPECT_EQ(findings.front().topic, "update");
}

// Start tags are closed in the right order, and nothing but the known void forms stands alone.
std::string Unbalanced(const std::string& html) {
  std::vector<std::string> open;
  for (size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at + 1)) {
    const size_t end = html.find('>', at);
    if (end == std::string::npos) return "a tag does not end";
    const std::string tag = html.substr(at + 1, end - at - 1);
    if (tag[0] == '!' || tag.back() == '/') continue;
    if (tag[0] != '/') {
      open.push_back(tag.substr(0, tag.find(' ')));
      continue;
    }
    if (open.empty() || open.back() != tag.substr(1)) return tag;
    open.pop_back();
  }
  return open.empty() ? "" : open.back();
}

TEST(ReportPage, IsWellFormedSelfContainedAndEscapesWhatTheRunSays) {
  RunFacts facts = Healthy();
  facts.info.name = "<script>alert('x')</script>&\"\x01";
  facts.info.build = "</p><img src=x>";
  facts.tail_stages = {{20, "<b>&.json"}};
  Add(facts, 5, 0.9, 22, 20);
  const std::string page = ReportPage(facts);
  EXPECT_EQ(Unbalanced(page), "");
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, Not(HasSubstr("<img")));
  EXPECT_THAT(page, Not(HasSubstr("src=\"")));
  EXPECT_THAT(page, Not(HasSubstr("href=")));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;\xEF\xBF\xBD"));
  EXPECT_EQ(page, ReportPage(facts));
}

TEST(HtmlTable, TitlesStandAsTheirColumnsDoAndReachAPhone) {
  const std::string few = HtmlTable({"name", {"what", HtmlColumn::Kind::kText}, "a < b"}, {{"x", "long text", "<b>1</b>"}});
  EXPECT_THAT(few, HasSubstr("<th>name</th><th class=\"text\">what</th><th>a &lt; b</th>"));
  EXPECT_THAT(few, HasSubstr("<td>x</td><td class=\"text\">long text</td><td><b>1</b></td>"));
  EXPECT_THAT(few, Not(HasSubstr("many")));
  const std::string many = HtmlTable({"1", "2", "3", "4", "\"5\""}, {{"a", "b", "c", "d", "e"}});
  EXPECT_THAT(many, HasSubstr("class=\"wide many\""));
  EXPECT_THAT(many, HasSubstr("<td data-title=\"&quot;5&quot;\">e</td>"));
}

TEST(ReportPage, ShowsVideosInThePageAndLinksToOthers) {
  RunFacts facts = Healthy();
  Add(facts, 5, 0.75, 22, 20);
  const std::string page = ReportPage(facts, {{5, 1, 0, "media/a.mp4", "Man"}, {5, 2, 1, "media/\"b\".mp4", ""}, {4, 1, 1, "", ""}});
  EXPECT_EQ(Unbalanced(page), "");
  EXPECT_THAT(page, HasSubstr("src=\"data:video/mp4;base64,TWFu\"></video><figcaption>iteration 5, scene 1: 75.0 % alive at the end<"));
  EXPECT_THAT(page, HasSubstr("<a href=\"media/&quot;b&quot;.mp4\">iteration 5, scene 2: 75.0 % alive at the end</a>"));
  EXPECT_THAT(page, HasSubstr("iteration 4, scene 2: not in this page"));
}

TEST(ReportVideos, AreTheLastAndWorstFirstAndOnlySoManyBytesLong) {
  const TemporaryDirectory place;
  EXPECT_TRUE(ReadReportVideos(place.path())->empty());
  ASSERT_TRUE(CreateDirectories(place / "media").ok());
  for (const char* name : {"tail_iter002_rank1_ep3.mp4", "tail_iter010_rank2_ep0.mp4", "tail_iter010_rank1_ep7.mp4", "eval.mp4",
                           ".tail_iter010_rank1_ep7.mp4.tmp.1.0", "tail_iter10_rank1_ep7.mp4"}) {
    Spill(place / std::string("media/") + name, "12345");
  }
  const auto videos = ReadReportVideos(place.path(), 11);
  ASSERT_TRUE(videos.ok()) << videos.status();
  ASSERT_EQ(videos->size(), 3u);
  EXPECT_EQ((*videos)[0].link, "media/tail_iter010_rank1_ep7.mp4");
  EXPECT_EQ((*videos)[0].scene, 7);
  EXPECT_EQ((*videos)[0].bytes, "12345");
  EXPECT_EQ((*videos)[1].rank, 2);
  EXPECT_EQ((*videos)[1].bytes, "12345");
  EXPECT_EQ((*videos)[2].iteration, 2);
  EXPECT_EQ((*videos)[2].bytes, "");
}

}  // namespace
}  // namespace shoal
