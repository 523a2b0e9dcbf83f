// The alerts of deploy/prometheus/rules, judged at this moment from what the coordinator knows, so
// that `shoal status` names them where no Prometheus runs. The rules' waiting times (`for`) are left
// out: what is named here would fire if it lasted. TargetDown is not among them: who answers is up.
//
// Pure and thread safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shoal {

struct AlertRule {
  std::string_view name;
  // "warning" or "critical".
  std::string_view severity;
  // The numbers of the rule's expression, in its order, zeros left out.
  std::vector<double> thresholds;
};

// In the order of the rules' file.
const std::vector<AlertRule>& AlertRules();

// An optional is empty where it is not known; then the rules that need it are silent.
struct AlertInput {
  // The run is done, stopped or failed; it is paused (STATE_PAUSED); the learner is updating.
  bool over = false;
  bool paused = false;
  bool updating = false;
  int64_t committed_iteration = 0;
  int64_t total_iterations = 0;
  int64_t tail_slots = 0;
  int64_t tail_slots_left = 0;
  double tail_schedule_ratio = 0;
  int64_t gate_stage = 0;
  int64_t gate_failure_streak = 0;
  // Of the last evaluation, shares in 0..1.
  std::optional<double> evaluation_ne_share;
  std::optional<double> early_death_100;
  // Training survival of the last iteration, and the highest within the hour before now.
  std::optional<double> survival;
  std::optional<double> survival_peak;
  // Or since a pause ended, if that is later.
  std::optional<double> seconds_since_commit;
  int64_t peers_missing = 0;
  // Within the last five minutes: leases offered, and those ended without a result.
  int64_t leases_offered = 0;
  int64_t leases_lost = 0;
  int64_t skipped_minibatches = 0;
  int64_t alarms = 0;
};

struct Alert {
  std::string_view name;
  std::string_view severity;
  // One sentence with the value.
  std::string summary;
};

// Those whose condition holds, in the rules' order.
std::vector<Alert> JudgeAlerts(const AlertInput& input);

}  // namespace shoal
