#include "coordinator/service/run_metrics.h"

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace shoal {
namespace {

void FillIteration(const IterationMeasurements& iteration, MetricValues& values) {
  const nlohmann::ordered_json json = ToJson(iteration);
  for (const std::string& name : MeasurementNames()) {
    const auto& value = json.at(name);
    if (value.is_number()) values.Set(absl::StrCat("shoal_iteration_", name), value.get<double>());
  }
}

void FillEvaluation(const EvaluationSummary& summary, MetricValues& values) {
  const auto set = [&](const char* name, double value) {
    values.Set(absl::StrCat("shoal_evaluation_", name), value);
  };
  set("final_survival_mean_ratio", summary.avg_final_survival_rate);
  set("final_survival_min_ratio", summary.min_final_survival_rate);
  set("death_step_p10", summary.p10);
  set("death_step_mean", summary.mean_death_step);
  set("early_death_100_ratio", summary.early_death_fraction_100);
  set("early_death_150_ratio", summary.early_death_fraction_150);
  set("step_one_deaths", static_cast<double>(summary.step_one_death_count));
  set("step_one_avoidable_deaths", static_cast<double>(summary.step_one_avoidable_count));
  if (summary.step_one_ne_high_speed_share) {
    set("step_one_ne_high_speed_ratio", *summary.step_one_ne_high_speed_share);
  }
}

void FillGate(const GateRecord& gate, MetricValues& values) {
  values.Set("shoal_gate_phase_limit", static_cast<double>(gate.phase_limit));
  values.Set("shoal_gate_success_streak", static_cast<double>(gate.success_streak));
  values.Set("shoal_gate_failure_streak", static_cast<double>(gate.failure_streak));
  values.Set("shoal_gate_freeze_until_iteration", static_cast<double>(gate.freeze_until));
  for (const GateEvent event :
       {GateEvent::kRollback, GateEvent::kFailureHold, GateEvent::kLocked, GateEvent::kFrozen,
        GateEvent::kAdvance, GateEvent::kSuccessProgress, GateEvent::kNoop}) {
    values.Set("shoal_gate_last_event", GateEventName(event), event == gate.event ? 1 : 0);
  }
}

void FillStatus(const v1::RunStatus& status, MetricValues& values) {
  const auto set = [&](const char* name, auto value) {
    values.Set(name, static_cast<double>(value));
  };
  for (int state = v1::RunStatus::STATE_WAITING_FOR_LEARNER; state <= v1::RunStatus::State_MAX;
       ++state) {
    if (!v1::RunStatus::State_IsValid(state)) continue;
    values.Set("shoal_run_state", v1::RunStatus::State_Name(state), status.state() == state ? 1 : 0);
  }
  set("shoal_run_iteration", status.iteration());
  set("shoal_run_committed_iteration", status.committed_iteration());
  set("shoal_run_total_iterations", status.total_iterations());
  if (status.survival_rate() >= 0) set("shoal_run_survival_ratio", status.survival_rate());
  set("shoal_run_best_iteration", status.best_iteration());
  set("shoal_run_alarms_total", status.alarms());
  set("shoal_evaluations_total", status.evaluations_done());
  if (status.evaluations_done() > 0) {
    set("shoal_evaluation_iteration", status.evaluation_iteration());
  }
  set("shoal_gate_stage", status.gate_stage());
  int connected = 0;
  for (const v1::WorkerStatus& worker : status.workers()) connected += worker.connected() ? 1 : 0;
  set("shoal_actors_connected", connected);
  set("shoal_peers_missing", status.missing_size());
  set("shoal_learner_connected", status.learner_connected() ? 1 : 0);
}

}  // namespace

void FillRunMetrics(const RunNumbers& numbers, MetricValues& values) {
  FillStatus(numbers.status, values);
  if (numbers.iteration) FillIteration(*numbers.iteration, values);
  if (numbers.committed_at != absl::InfinitePast()) {
    values.Set("shoal_run_last_commit_timestamp_seconds",
               absl::ToDoubleSeconds(numbers.committed_at - absl::UnixEpoch()));
  }
  if (numbers.evaluation) FillEvaluation(*numbers.evaluation, values);
  if (numbers.gate) FillGate(*numbers.gate, values);
  values.Set("shoal_tail_queue_slots", static_cast<double>(numbers.tail_length));
  if (numbers.tail_length > 0) {
    values.Set("shoal_tail_queue_remaining", static_cast<double>(numbers.tail.remaining));
    values.Set("shoal_tail_schedule_ratio", numbers.tail.schedule_ratio);
  }
  values.Set("shoal_leases_offered_total", static_cast<double>(numbers.leases_offered));
  for (const auto& [outcome, count] : numbers.leases_ended) {
    values.Set("shoal_leases_ended_total", outcome, static_cast<double>(count));
  }
  values.Set("shoal_leases_active", numbers.leases_active);
  values.Set("shoal_items_available", numbers.items_available);
}

}  // namespace shoal
