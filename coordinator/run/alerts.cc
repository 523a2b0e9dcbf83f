#include "coordinator/run/alerts.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace shoal {
namespace {

constexpr double kStarvedRatio = 0.25;
constexpr int64_t kStarvedFrom = 5;
constexpr int64_t kStuckFailures = 3;
constexpr double kNeShare = 0.1;
constexpr double kEarlyDeath = 0.115;
constexpr double kCollapse = 0.6;
constexpr double kStalledSeconds = 300;
constexpr double kNoProgressSeconds = 600;
constexpr double kChurn = 0.2;

std::string Percent(double share) { return absl::StrFormat("%.1f %%", 100 * share); }

// What the rule says now, or "" where it is silent.
using Judge = std::string (*)(const AlertInput&);

std::string TailQueueStarved(const AlertInput& in) {
  if (in.tail_slots_left <= 0 || in.committed_iteration < kStarvedFrom ||
      in.tail_schedule_ratio >= kStarvedRatio) {
    return "";
  }
  return absl::StrCat("tail seeds are used at ", Percent(in.tail_schedule_ratio),
                      " of their planned pace: too few episodes start (--tail_inject every_rollout or "
                      "--tail_force_reset_steps makes them start)");
}

std::string TailQueueExhausted(const AlertInput& in) {
  if (in.tail_slots <= 0 || in.tail_slots_left > 0 ||
      in.committed_iteration >= in.total_iterations) {
    return "";
  }
  return "no tail seeds are left and the run goes on (`shoal tail refill` gives used ones back)";
}

std::string PenaltyGateStuck(const AlertInput& in) {
  if (in.gate_failure_streak < kStuckFailures || in.gate_stage != 0) return "";
  return absl::StrCat(in.gate_failure_streak,
                      " evaluations running failed at the gate (`shoal gate RUN` says by what)");
}

std::string NeHotspotRising(const AlertInput& in) {
  if (!in.evaluation_ne_share || *in.evaluation_ne_share <= kNeShare) return "";
  return absl::StrCat(Percent(*in.evaluation_ne_share),
                      " of the last evaluation's step-one deaths are before a fast predator from 90 to "
                      "150 degrees");
}

std::string EarlyDeathHigh(const AlertInput& in) {
  if (!in.early_death_100 || *in.early_death_100 <= kEarlyDeath) return "";
  return absl::StrCat(Percent(*in.early_death_100),
                      " of the fish died before step 100 of the last evaluation");
}

std::string SurvivalCollapse(const AlertInput& in) {
  if (!in.survival || !in.survival_peak || *in.survival >= kCollapse * *in.survival_peak) return "";
  return absl::StrCat("training survival fell to ", Percent(*in.survival), " from ",
                      Percent(*in.survival_peak), " within the hour");
}

std::string LearnerStalled(const AlertInput& in) {
  if (!in.updating || !in.seconds_since_commit || *in.seconds_since_commit <= kStalledSeconds) return "";
  return absl::StrFormat("the learner has been updating, and the last commit is %.0f s ago",
                         *in.seconds_since_commit);
}

std::string NoProgress(const AlertInput& in) {
  if (in.over || in.paused || in.committed_iteration >= in.total_iterations ||
      !in.seconds_since_commit || *in.seconds_since_commit <= kNoProgressSeconds) {
    return "";
  }
  return absl::StrFormat("nothing was committed for %.0f s", *in.seconds_since_commit);
}

std::string ActorsMissing(const AlertInput& in) {
  if (in.peers_missing <= 0) return "";
  return absl::StrCat(in.peers_missing, in.peers_missing == 1 ? " peer" : " peers",
                      " should be heard and ", in.peers_missing == 1 ? "is" : "are", " not");
}

std::string LeaseChurn(const AlertInput& in) {
  if (static_cast<double>(in.leases_lost) <= kChurn * static_cast<double>(in.leases_offered)) return "";
  return absl::StrCat(in.leases_lost, " leases of ", in.leases_offered,
                      " ended without a result in five minutes");
}

std::string NonFiniteUpdate(const AlertInput& in) {
  if (in.skipped_minibatches <= 0) return "";
  return absl::StrCat(in.skipped_minibatches,
                      " minibatches of the last update had a loss or gradient that is not finite");
}

std::string ResultMismatch(const AlertInput& in) {
  if (in.alarms <= 0) return "";
  return absl::StrCat(in.alarms, " things happened that should not have");
}

struct Row {
  AlertRule rule;
  Judge judge;
};

const std::vector<Row>& Rows() {
  static const auto* const rows = new std::vector<Row>{
      {{"TailQueueStarved", "warning", {kStarvedRatio, kStarvedFrom}}, TailQueueStarved},
      {{"TailQueueExhausted", "warning", {}}, TailQueueExhausted},
      {{"PenaltyGateStuck", "warning", {kStuckFailures}}, PenaltyGateStuck},
      {{"NeHotspotRising", "warning", {kNeShare}}, NeHotspotRising},
      {{"EarlyDeathHigh", "warning", {kEarlyDeath}}, EarlyDeathHigh},
      {{"SurvivalCollapse", "critical", {kCollapse}}, SurvivalCollapse},
      {{"LearnerStalled", "critical", {kStalledSeconds}}, LearnerStalled},
      {{"NoProgress", "critical", {kNoProgressSeconds}}, NoProgress},
      {{"ActorsMissing", "warning", {}}, ActorsMissing},
      {{"LeaseChurn", "warning", {kChurn}}, LeaseChurn},
      {{"NonFiniteUpdate", "critical", {}}, NonFiniteUpdate},
      {{"ResultMismatch", "critical", {}}, ResultMismatch},
  };
  return *rows;
}

}  // namespace

const std::vector<AlertRule>& AlertRules() {
  static const auto* const rules = [] {
    auto* result = new std::vector<AlertRule>;
    for (const Row& row : Rows()) result->push_back(row.rule);
    return result;
  }();
  return *rules;
}

std::vector<Alert> JudgeAlerts(const AlertInput& input) {
  std::vector<Alert> alerts;
  for (const Row& row : Rows()) {
    std::string summary = row.judge(input);
    if (!summary.empty()) alerts.push_back({row.rule.name, row.rule.severity, std::move(summary)});
  }
  return alerts;
}

}  // namespace shoal
