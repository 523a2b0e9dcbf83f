#include "coordinator/gate/replay.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/schedule/main_experiment.h"

namespace shoal {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

std::string EvaluationLine(int64_t iteration, double p10, double min_final, double early_death,
                           int64_t step_one) {
  json line;
  line["iteration"] = iteration;
  line["timestamp"] = "2024-01-01T00:00:00Z";
  line["summary"]["min_final_survival_rate"] = min_final;
  line["death_stats"]["p10"] = p10;
  line["death_stats"]["early_death_fraction_100"] = early_death;
  line["step_one_death_count"] = step_one;
  line["multi_eval_num_fish"] = 96;
  line["multi_eval_episodes"] = 12;
  return line.dump() + "\n";
}

std::string PublishedHistory() {
  return absl::StrCat(
      EvaluationLine(12, 90.2, 0.427, 0.1189, 22), "\n",
      EvaluationLine(24, 77.1, 0.354, 0.1224, 22), EvaluationLine(36, 80.2, 0.448, 0.1146, 19),
      EvaluationLine(48, 59.1, 0.396, 0.1337, 30), EvaluationLine(60, 101.1, 0.510, 0.0964, 15));
}

std::vector<json> Replay(const std::string& history, const v1::RunOptions& options) {
  const auto text = ReplayHistory(history, options);
  EXPECT_TRUE(text.ok()) << text.status();
  std::vector<json> records;
  if (!text.ok()) return records;
  for (const absl::string_view line : absl::StrSplit(*text, '\n', absl::SkipEmpty())) {
    records.push_back(json::parse(line));
  }
  return records;
}

std::string ErrorOf(const std::string& history, const v1::RunOptions& options = {}) {
  const auto text = ReplayHistory(history, options);
  EXPECT_EQ(text.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(text.status().message());
}

TEST(ReplayHistory, ThePublishedEvaluations) {
  const std::vector<json> records = Replay(PublishedHistory(), MainExperiment());
  ASSERT_EQ(records.size(), 5u);
  const char* events[] = {"failure_hold", "failure_hold", "failure_hold", "failure_hold", "noop"};
  const int64_t freezes[] = {17, 29, 41, 53, 53};
  const double medians[] = {0, 83.65, 78.65, 69.65, 80.1};
  const int64_t deaths[] = {22, 22, 19, 30, 15};
  for (int i = 0; i < 5; ++i) {
    const json& record = records[i];
    EXPECT_EQ(record["iteration"], 12 * (i + 1));
    EXPECT_EQ(record["event"], events[i]);
    EXPECT_EQ(record["stage"], 0);
    EXPECT_EQ(record["phase_limit"], 3);
    EXPECT_EQ(record["success_streak"], 0);
    EXPECT_EQ(record["freeze_until"], freezes[i]);
    EXPECT_EQ(record["failure_detected"], i < 4);
    EXPECT_EQ(record["failure_streak"], i < 4 ? i + 1 : 0);
    EXPECT_EQ(record.contains("rolling_p10_median"), i > 0);
    if (i > 0) {
      EXPECT_NEAR(record["rolling_p10_median"].get<double>(), medians[i], 1e-9);
    }
    EXPECT_DOUBLE_EQ(record["step_one_death_ratio"].get<double>(), deaths[i] / 1152.0);
    EXPECT_FALSE(record.contains("relaxed"));
  }
}

TEST(ReplayHistory, OtherOptionsDecideOtherwise) {
  v1::RunOptions options = MainExperiment();
  options.set_penalty_gate_failure_p10(50);
  options.set_penalty_gate_failure_min_final(0.3);
  options.set_penalty_gate_success_p10(0);
  options.set_penalty_gate_success_early_death(0.2);
  options.set_penalty_gate_success_step_one(-1);
  options.set_penalty_gate_success_step_one_ratio(0);
  std::vector<std::string> events;
  for (const json& record : Replay(PublishedHistory(), options)) events.push_back(record["event"]);
  EXPECT_THAT(events, testing::ElementsAre("locked", "locked", "success_progress", "advance",
                                           "success_progress"));
}

TEST(ReplayHistory, FieldsComeInAFixedOrderAndRelaxationIsSaid) {
  v1::RunOptions options = MainExperiment();
  options.set_penalty_gate_relax_step_one_ratio(0.03);
  options.set_penalty_gate_relax_evals(1);
  const auto text = ReplayHistory(EvaluationLine(12, 400, 0.9, 0.25, 0), options);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text,
            "{\"iteration\":12,\"event\":\"locked\",\"stage\":0,\"phase_limit\":4,"
            "\"success_streak\":0,\"freeze_until\":0,\"failure_detected\":false,"
            "\"failure_streak\":0,\"step_one_death_ratio\":0.0,\"relaxed\":true}\n");
}

TEST(ReplayHistory, ARecordedRatioIsUsedAsItIs) {
  json line = json::parse(EvaluationLine(12, 400, 0.9, 0.01, 22));
  line["step_one_death_ratio"] = 0.25;
  line.erase("multi_eval_num_fish");
  line.erase("multi_eval_episodes");
  const auto records = Replay(line.dump(), {});
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0]["step_one_death_ratio"], 0.25);
}

TEST(ReplayHistory, AvoidableRatioMustBeThereWhereItJudges) {
  v1::RunOptions options = DevPreset();
  const std::string line = EvaluationLine(12, 400, 0.9, 0.01, 22);
  EXPECT_THAT(ErrorOf(line, options),
              AllOf(HasSubstr("line 1"), HasSubstr("step_one_avoidable_ratio is missing")));
  json with = json::parse(line);
  with["step_one_avoidable_ratio"] = 0.004;
  options.set_penalty_gate_required_successes(1);
  options.set_penalty_gate_success_median_window(1);
  options.set_penalty_gate_success_early_death_window(1);
  EXPECT_EQ(Replay(with.dump(), options)[0]["event"], "advance");
  with["step_one_avoidable_ratio"] = 0.006;
  EXPECT_EQ(Replay(with.dump(), options)[0]["event"], "noop");
}

TEST(ReplayHistory, ErrorsNameLineAndField) {
  const std::string good = EvaluationLine(12, 90, 0.4, 0.1, 22);
  EXPECT_EQ(ErrorOf(good + "\nhello\n"), "line 3: is not a JSON object");
  EXPECT_EQ(ErrorOf(good + "[1]"), "line 2: is not a JSON object");
  EXPECT_EQ(ErrorOf(good + EvaluationLine(12, 90, 0.4, 0.1, 22)),
            "line 2: iteration = 12 does not come after 12");
  const char* fields[] = {"iteration",
                          "summary.min_final_survival_rate",
                          "death_stats.p10",
                          "death_stats.early_death_fraction_100",
                          "step_one_death_count",
                          "multi_eval_num_fish",
                          "multi_eval_episodes"};
  for (const std::string field : fields) {
    const json::json_pointer at(absl::StrCat("/", absl::StrReplaceAll(field, {{".", "/"}})));
    json line = json::parse(EvaluationLine(24, 90, 0.4, 0.1, 22));
    line[at] = "x";
    EXPECT_EQ(ErrorOf(good + line.dump()),
              absl::StrCat("line 2: ", field, " is not a number: \"x\""));
    line[at] = -1;
    EXPECT_THAT(ErrorOf(good + line.dump()),
                HasSubstr(absl::StrCat("line 2: ", field, " = -1 is not within")));
    line[at] = nullptr;
    EXPECT_EQ(ErrorOf(good + line.dump()), absl::StrCat("line 2: ", field, " is missing"));
  }
  json line = json::parse(good);
  line["step_one_death_count"] = 1.5;
  EXPECT_EQ(ErrorOf(line.dump()), "line 1: step_one_death_count is not a whole number");
  line = json::parse(good);
  line["summary"] = 3;
  EXPECT_EQ(ErrorOf(line.dump()), "line 1: summary.min_final_survival_rate is missing");
}

TEST(ReplayHistory, AnEmptyHistoryHasNoRecords) { EXPECT_TRUE(Replay("\n \n", {}).empty()); }

TEST(ReplayHistory, ValuesNestedDeeplyAreRefusedLikeOthers) {
  // Deep enough that one level more of the stack for each would not do.
  constexpr size_t kDepth = 1'000'000;
  const std::string nested = std::string(kDepth, '[') + std::string(kDepth, ']');
  EXPECT_EQ(ErrorOf(absl::StrCat(R"({"iteration": )", nested, "}")),
            "line 1: iteration is not a number: array");
  EXPECT_EQ(ErrorOf(absl::StrCat(R"({"iteration": 1, "summary": )", nested, "}")),
            "line 1: summary.min_final_survival_rate is missing");
}

}  // namespace
}  // namespace shoal
