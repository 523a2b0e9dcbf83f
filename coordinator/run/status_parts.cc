#include "coordinator/run/status_parts.h"

#include <algorithm>
#include <string>

#include "coordinator/schedule/lists.h"
#include "nlohmann/json.hpp"

namespace shoal {
namespace {

constexpr absl::Duration kLeaseWindow = absl::Minutes(5);
constexpr absl::Duration kLeaseStep = absl::Seconds(5);
constexpr absl::Duration kPeakWindow = absl::Hours(1);
// Iterations that the rate is taken over.
constexpr size_t kRateOver = 5;

std::optional<double> NumberOf(const nlohmann::ordered_json& json, const char* name) {
  const auto found = json.find(name);
  if (found == json.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

}  // namespace

IterationPoint PointOf(const nlohmann::ordered_json& measurements, absl::Time committed_at) {
  IterationPoint point;
  point.iteration = static_cast<int64_t>(NumberOf(measurements, "iteration").value_or(0));
  point.committed_at = committed_at;
  point.survival = NumberOf(measurements, "survival_rate");
  point.ne_share = NumberOf(measurements, "step_one_ne_high_speed_share");
  return point;
}

void RecentRun::Add(const IterationPoint& point) {
  if (!points_.empty() && point.iteration != points_.back().iteration + 1) points_.clear();
  points_.push_back(point);
  if (points_.size() > kIterations) points_.pop_front();
}

void RecentRun::NoteLeases(absl::Time now, int64_t offered, int64_t lost) {
  if (!leases_.empty() && now < leases_.back().at + kLeaseStep) return;
  leases_.push_back({now, offered, lost});
  while (leases_.size() > 1 && leases_[1].at <= now - kLeaseWindow) leases_.pop_front();
}

void RecentRun::Fill(v1::RunStatus& status) const {
  for (const IterationPoint& point : points_) status.add_ne_shares(point.ne_share.value_or(-1));
  // Not over a pause between two coordinators.
  const auto first_live = std::find_if(points_.begin(), points_.end(),
                                       [](const IterationPoint& point) { return point.live; });
  const size_t live = static_cast<size_t>(points_.end() - first_live);
  const size_t count = std::min(live, kRateOver + 1);
  if (count < 2) return;
  const absl::Duration time =
      points_.back().committed_at - points_[points_.size() - count].committed_at;
  if (time <= absl::ZeroDuration()) return;
  status.set_iterations_per_minute(static_cast<double>(count - 1) /
                                   absl::ToDoubleMinutes(time));
}

void RecentRun::Fill(AlertInput& input, absl::Time now) const {
  for (const IterationPoint& point : points_) {
    if (!point.survival) continue;
    input.survival = point.survival;
    if (point.committed_at < now - kPeakWindow) continue;
    input.survival_peak = std::max(input.survival_peak.value_or(0), *point.survival);
  }
  if (leases_.empty()) return;
  input.leases_offered = leases_.back().offered - leases_.front().offered;
  input.leases_lost = leases_.back().lost - leases_.front().lost;
}

v1::GateStatus GateStatusOf(const v1::RunOptions& options,
                            const std::optional<GateRecord>& record) {
  v1::GateStatus gate;
  // The options are those of a gate that was made from them.
  const auto allowance = ParsePhaseAllowance(options.penalty_gate_phase_allowance());
  if (allowance.ok() && !allowance->empty()) {
    gate.set_stages(static_cast<int64_t>(allowance->size()));
    gate.set_allowed_phase(allowance->front());
  }
  gate.set_required_successes(options.penalty_gate_required_successes());
  gate.set_failure_tolerance(options.penalty_gate_failure_tolerance());
  gate.set_lock_iteration(options.penalty_gate_lock_iteration() < 0
                              ? options.density_penalty_lock_until()
                              : options.penalty_gate_lock_iteration());
  if (!record) return gate;
  gate.set_iteration(record->iteration);
  gate.set_event(std::string(GateEventName(record->event)));
  gate.set_stage(record->stage);
  gate.set_allowed_phase(record->phase_limit + 1);
  gate.set_success_streak(record->success_streak);
  gate.set_failure_streak(record->failure_streak);
  gate.set_freeze_until(record->freeze_until);
  gate.set_relaxed(record->relaxed);
  for (const GateCriterion& criterion : record->criteria) {
    v1::GateCriterionStatus& out = *gate.add_criteria();
    out.set_name(std::string(criterion.name));
    out.set_on(criterion.on);
    out.set_held(criterion.held);
    if (criterion.value) out.set_value(*criterion.value);
    out.set_threshold(criterion.threshold);
  }
  return gate;
}

v1::TailStatus TailStatusOf(const TailCounters& counters, const std::vector<int64_t>& used,
                            int64_t length, int64_t stages) {
  v1::TailStatus tail;
  tail.set_stage(counters.stage_index);
  tail.set_stages(stages);
  tail.set_stage_progress(counters.stage_progress);
  tail.set_slots(length);
  tail.set_slots_left(counters.remaining);
  tail.set_used_total(counters.used_total);
  tail.set_schedule_ratio(counters.schedule_ratio);
  tail.set_refills(counters.refills);
  tail.set_unused_environments(static_cast<int32_t>(std::count(used.begin(), used.end(), 0)));
  tail.set_environments(static_cast<int32_t>(used.size()));
  return tail;
}

void AddAlerts(const AlertInput& input, v1::RunStatus& status) {
  for (const Alert& alert : JudgeAlerts(input)) {
    v1::AlertStatus& out = *status.add_alerts();
    out.set_name(std::string(alert.name));
    out.set_severity(std::string(alert.severity));
    out.set_summary(alert.summary);
  }
}

}  // namespace shoal
