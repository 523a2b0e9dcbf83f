// The alerts that `shoal status` names, and that they are those of the rules' file.
#include "coordinator/run/alerts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/files.h"

namespace shoal {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

struct Rule {
  std::string name;
  std::string expression;
  std::string severity;
};

// The file's own layout, line by line; a rule that is written otherwise is missed, and noticed.
std::vector<Rule> RulesOfTheFile() {
  auto text = ReadFile(SHOAL_RULES);
  EXPECT_TRUE(text.ok()) << text.status();
  std::vector<Rule> rules;
  for (absl::string_view line : absl::StrSplit(text.value_or(""), '\n')) {
    line = absl::StripLeadingAsciiWhitespace(line);
    if (absl::ConsumePrefix(&line, "- alert: ")) {
      rules.push_back({std::string(line), "", ""});
    } else if (absl::ConsumePrefix(&line, "expr: ")) {
      rules.back().expression = std::string(line);
    } else if (absl::ConsumePrefix(&line, "labels: {severity: ")) {
      rules.back().severity = std::string(absl::StripSuffix(line, "}"));
    }
  }
  return rules;
}

std::vector<std::string> Names(const AlertInput& input) {
  std::vector<std::string> names;
  for (const Alert& alert : JudgeAlerts(input)) {
    EXPECT_FALSE(alert.summary.empty());
    names.emplace_back(alert.name);
  }
  return names;
}

// In the middle of a run with which all is well.
AlertInput Well() {
  AlertInput input;
  input.committed_iteration = 20;
  input.total_iterations = 60;
  input.tail_slots = 1000;
  input.tail_slots_left = 700;
  input.tail_schedule_ratio = 0.9;
  input.evaluation_ne_share = 0.05;
  input.early_death_100 = 0.08;
  input.survival = 0.9;
  input.survival_peak = 0.95;
  input.seconds_since_commit = 5;
  input.leases_offered = 100;
  input.leases_lost = 1;
  return input;
}

TEST(Alerts, HaveTheNamesSeveritiesAndThresholdsOfTheRules) {
  std::set<std::string> judged;
  const std::vector<Rule> rules = RulesOfTheFile();
  for (const AlertRule& rule : AlertRules()) {
    judged.insert(std::string(rule.name));
    const auto found = std::find_if(rules.begin(), rules.end(),
                                    [&](const Rule& r) { return r.name == rule.name; });
    ASSERT_NE(found, rules.end()) << rule.name << " is not in " << SHOAL_RULES;
    EXPECT_EQ(found->severity, rule.severity) << rule.name;
    for (const double threshold : rule.thresholds) {
      EXPECT_THAT(found->expression, HasSubstr(absl::StrCat(threshold))) << rule.name;
    }
  }
  for (const Rule& rule : rules) {
    // Judged where processes are scraped, not by one of them.
    if (rule.name == "TargetDown" || rule.name == "CheckpointStale") continue;
    EXPECT_THAT(judged, Contains(rule.name)) << "a rule that shoal status does not know";
  }
}

TEST(Alerts, AreSilentWhenAllIsWellAndWhereNothingIsKnown) {
  EXPECT_THAT(Names(Well()), testing::IsEmpty());
  EXPECT_THAT(Names(AlertInput()), testing::IsEmpty());
}

TEST(Alerts, EachSpeaksWhenItsConditionHolds) {
  const auto expect = [](const char* name, void (*change)(AlertInput&)) {
    AlertInput input = Well();
    change(input);
    EXPECT_THAT(Names(input), testing::ElementsAre(name));
  };
  expect("TailQueueStarved", [](AlertInput& in) { in.tail_schedule_ratio = 0.24; });
  expect("TailQueueExhausted", [](AlertInput& in) { in.tail_slots_left = 0; });
  expect("PenaltyGateStuck", [](AlertInput& in) { in.gate_failure_streak = 3; });
  expect("NeHotspotRising", [](AlertInput& in) { in.evaluation_ne_share = 0.101; });
  expect("EarlyDeathHigh", [](AlertInput& in) { in.early_death_100 = 0.116; });
  expect("SurvivalCollapse", [](AlertInput& in) { in.survival = 0.5; });
  expect("NoProgress", [](AlertInput& in) { in.seconds_since_commit = 601; });
  expect("LearnerStalled", [](AlertInput& in) {
    in.updating = true;
    in.seconds_since_commit = 301;
  });
  expect("ActorsMissing", [](AlertInput& in) { in.peers_missing = 1; });
  expect("LeaseChurn", [](AlertInput& in) { in.leases_lost = 21; });
  expect("NonFiniteUpdate", [](AlertInput& in) { in.skipped_minibatches = 1; });
  expect("ResultMismatch", [](AlertInput& in) { in.alarms = 1; });
}

TEST(Alerts, AreSilentAtTheirThresholds) {
  AlertInput input = Well();
  input.tail_schedule_ratio = 0.25;
  input.gate_failure_streak = 2;
  input.evaluation_ne_share = 0.1;
  input.early_death_100 = 0.115;
  input.survival = 0.6;
  input.survival_peak = 1.0;
  input.leases_lost = 20;
  input.seconds_since_commit = 600;
  EXPECT_THAT(Names(input), testing::IsEmpty());
}

TEST(Alerts, ARunThatIsPausedOrOverMakesNoProgressAndNeedNot) {
  AlertInput input = Well();
  input.seconds_since_commit = 10000;
  input.paused = true;
  EXPECT_THAT(Names(input), Not(Contains("NoProgress")));
  input.paused = false;
  input.over = true;
  EXPECT_THAT(Names(input), Not(Contains("NoProgress")));
  input.over = false;
  EXPECT_THAT(Names(input), Contains("NoProgress"));
}

}  // namespace
}  // namespace shoal
