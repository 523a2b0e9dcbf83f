#include "coordinator/run/run_reports.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/options.h"
#include "coordinator/artifacts/changed_options.h"
#include "coordinator/artifacts/run_facts.h"
#include "coordinator/evaluation/best_checkpoint.h"
#include "coordinator/run/status_parts.h"
#include "coordinator/schedule/curriculum.h"
#include "nlohmann/json.hpp"
#include "shoal/v1/records.pb.h"

namespace shoal {
namespace {

using Json = nlohmann::ordered_json;

// Iterations that a report shows the course of.
constexpr size_t kShown = 30;

v1::RunStatus::State StateOf(RunState state) {
  switch (state) {
    case RunState::kDone:
      return v1::RunStatus::STATE_DONE;
    case RunState::kStopped:
      return v1::RunStatus::STATE_STOPPED;
    case RunState::kFailed:
      return v1::RunStatus::STATE_FAILED;
    case RunState::kRunning:
      break;
  }
  return v1::RunStatus::STATE_UNSPECIFIED;
}

template <typename T>
T Value(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found == json.end() || !found->is_number() ? T() : found->get<T>();
}

size_t FirstShown(const RunFacts& facts) {
  return facts.iterations.size() > kShown ? facts.iterations.size() - kShown : 0;
}

std::optional<GateRecord> LastGate(const RunFacts& facts) {
  for (auto e = facts.evaluations.rbegin(); e != facts.evaluations.rend(); ++e) {
    if (e->gate) return e->gate;
  }
  return std::nullopt;
}

// The queue after the last committed iteration.
absl::StatusOr<v1::TailQueueState> QueueState(const RunStore& store, int64_t iteration) {
  auto bytes = store.LoadPlannerState(iteration);
  if (!bytes.ok()) return bytes.status();
  v1::PlannerState state;
  if (!state.ParseFromString(*bytes)) {
    return absl::DataLossError(absl::StrCat(store.path(), ": the planner's state after iteration ",
                                            iteration, " cannot be read"));
  }
  return state.tail_queue();
}

v1::TailStatus TailOf(const RunFacts& facts, const v1::TailQueueState& state) {
  const Json& last = facts.iterations.back();
  TailCounters counters;
  counters.stage_index = Value<int64_t>(last, "tail_stage_index");
  counters.stage_progress = Value<double>(last, "tail_stage_progress");
  counters.remaining = Value<int64_t>(last, "tail_queue_remaining");
  counters.schedule_ratio = Value<double>(last, "tail_schedule_ratio");
  counters.refills = state.refills();
  counters.used_total = state.used_total();
  int64_t each = 0;
  for (const v1::TailStageState& stage : state.stages()) each += stage.iterations();
  return TailStatusOf(counters, facts.tail_used,
                      each * static_cast<int64_t>(facts.tail_used.size()), state.stages_size());
}

void AddStages(const RunFacts& facts, const v1::TailQueueState& state,
               v1::GetTailResponse& report) {
  int64_t begin = 0;
  for (int k = 0; k < state.stages_size(); ++k) {
    const int64_t iterations = state.stages(k).iterations();
    v1::TailStageStatus& stage = *report.add_stages();
    stage.set_stage(k + 1);
    if (static_cast<size_t>(k) < facts.tail_stages.size()) {
      stage.set_path(facts.tail_stages[static_cast<size_t>(k)].path);
    }
    stage.set_iterations(iterations);
    stage.set_velocities(state.stages(k).velocity_count());
    stage.set_slots(iterations * static_cast<int64_t>(facts.tail_used.size()));
    int64_t used = 0;
    for (const int64_t next : facts.tail_used) {
      used += std::clamp<int64_t>(next - begin, 0, iterations);
    }
    stage.set_used(used);
    begin += iterations;
  }
  report.set_slots_each(begin);
}

void FillEvaluations(const RunFacts& facts, v1::RunStatus& status, AlertInput& alerts) {
  status.set_evaluations_done(static_cast<int32_t>(facts.evaluations.size()));
  status.set_evaluation_survival(-1);
  BestCheckpoint best(facts.options);
  for (const EvaluationFacts& e : facts.evaluations) {
    if (e.kind == RunStore::kMultiEvaluation) best.Offer(CandidateOf(e.iteration, e.summary));
  }
  if (best.best()) status.set_best_iteration(best.best()->iteration);
  const std::optional<GateRecord> gate = LastGate(facts);
  *status.mutable_gate() = GateStatusOf(facts.options, gate);
  status.set_gate_stage(static_cast<int32_t>(status.gate().stage()));
  status.set_gate_event(status.gate().event());
  alerts.gate_stage = status.gate().stage();
  alerts.gate_failure_streak = status.gate().failure_streak();
  if (facts.evaluations.empty()) return;
  const EvaluationFacts& last = facts.evaluations.back();
  status.set_evaluation_survival(last.summary.avg_final_survival_rate);
  status.set_evaluation_iteration(last.iteration);
  alerts.evaluation_ne_share = last.summary.step_one_ne_high_speed_share;
  alerts.early_death_100 = last.summary.early_death_fraction_100;
}

absl::Status FillTail(const RunStore& store, const RunFacts& facts, v1::RunStatus& status,
                      AlertInput& alerts) {
  if (facts.tail_stages.empty() || facts.iterations.empty()) return absl::OkStatus();
  auto state = QueueState(store, static_cast<int64_t>(facts.iterations.size()));
  if (!state.ok()) return state.status();
  *status.mutable_tail() = TailOf(facts, *state);
  status.set_tail_slots(status.tail().slots());
  status.set_tail_slots_left(status.tail().slots_left());
  alerts.tail_slots = status.tail_slots();
  alerts.tail_slots_left = status.tail_slots_left();
  alerts.tail_schedule_ratio = status.tail().schedule_ratio();
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::GetGateResponse> GateReport(const RunStore& store) {
  auto facts = ReadRunFacts(store);
  if (!facts.ok()) return facts.status();
  v1::GetGateResponse report;
  for (const EvaluationFacts& e : facts->evaluations) {
    if (e.gate) *report.add_history() = GateStatusOf(facts->options, e.gate);
  }
  *report.mutable_gate() = GateStatusOf(facts->options, LastGate(*facts));
  return report;
}

absl::StatusOr<v1::GetTailResponse> TailReport(const RunStore& store) {
  auto facts = ReadRunFacts(store);
  if (!facts.ok()) return facts.status();
  if (facts->tail_stages.empty()) {
    return absl::NotFoundError(absl::StrCat("run ", facts->info.name,
                                            " has no tail queue: neither tail_seed_stage_spec nor "
                                            "tail_seed_replay_path is given"));
  }
  if (facts->iterations.empty()) {
    return absl::NotFoundError(absl::StrCat("run ", facts->info.name,
                                            " has committed no iteration: no tail slot is used yet"));
  }
  auto state = QueueState(store, static_cast<int64_t>(facts->iterations.size()));
  if (!state.ok()) return state.status();
  v1::GetTailResponse report;
  *report.mutable_tail() = TailOf(*facts, *state);
  AddStages(*facts, *state, report);
  report.mutable_used()->Add(facts->tail_used.begin(), facts->tail_used.end());
  for (size_t i = FirstShown(*facts); i < facts->iterations.size(); ++i) {
    const Json& measured = facts->iterations[i];
    v1::TailIteration& iteration = *report.add_iterations();
    iteration.set_iteration(static_cast<int64_t>(i) + 1);
    iteration.set_episodes_begun(Value<int64_t>(measured, "prewarm_override_episodes"));
    iteration.set_overrides(Value<int64_t>(measured, "prewarm_override_hits"));
    iteration.set_forced_resets(Value<int64_t>(measured, "tail_forced_resets"));
    iteration.set_schedule_ratio(Value<double>(measured, "tail_schedule_ratio"));
  }
  return report;
}

absl::StatusOr<v1::DescribeRunResponse> RunDescription(const RunStore& store) {
  auto info = store.Info();
  if (!info.ok()) return info.status();
  auto options = ParseOptions(info->options, store.path());
  if (!options.ok()) return options.status();
  auto last = store.LastCommitted();
  if (!last.ok()) return last.status();
  v1::DescribeRunResponse description;
  description.set_run_name(info->name);
  description.set_run_id(info->id);
  description.set_state(RunStateName(info->status));
  description.set_message(info->message);
  description.set_build(info->build);
  description.set_created_at(FormatTimestamp(info->created_at));
  description.set_kernel_id(info->kernel_id);
  description.set_committed_iteration(last->iteration);
  description.set_total_iterations(options->total_iterations());
  description.set_policy_sha256(last->policy_sha256);
  description.set_options(info->options);
  for (const ChangedOption& option : ChangedOptions(*options)) {
    v1::OptionDifference& difference = *description.add_differences();
    difference.set_name(option.name);
    difference.set_value(option.value);
    difference.set_default_value(option.standard);
  }
  auto orders = store.Orders();
  if (!orders.ok()) return orders.status();
  description.mutable_orders()->Add(orders->begin(), orders->end());
  return description;
}

absl::StatusOr<v1::RunStatus> StoredStatus(const RunStore& store) {
  auto facts = ReadRunFacts(store);
  if (!facts.ok()) return facts.status();
  auto last = store.LastCommitted();
  if (!last.ok()) return last.status();
  auto curriculum = Curriculum::Create(facts->options);
  if (!curriculum.ok()) return curriculum.status();
  v1::RunStatus status;
  status.set_run_name(facts->info.name);
  status.set_run_id(facts->info.id);
  status.set_state(StateOf(facts->info.status));
  status.set_message(facts->info.message);
  status.set_iteration(last->iteration);
  status.set_committed_iteration(last->iteration);
  status.set_total_iterations(facts->options.total_iterations());
  status.set_policy_sha256(last->policy_sha256);
  const Phase phase = curriculum->PhaseOf(std::max<int64_t>(1, last->iteration));
  status.set_phase(static_cast<int32_t>(phase.phase));
  status.set_num_fish(static_cast<int32_t>(phase.num_fish));
  status.set_acting_version(
      std::max<int64_t>(0, last->iteration - 1 - facts->options.policy_lag()));
  AlertInput alerts;
  // Nothing is being done that could be late or missing.
  alerts.over = true;
  alerts.committed_iteration = status.committed_iteration();
  alerts.total_iterations = status.total_iterations();
  FillEvaluations(*facts, status, alerts);
  if (absl::Status s = FillTail(store, *facts, status, alerts); !s.ok()) return s;
  RecentRun recent;
  status.set_survival_rate(-1);
  absl::Time committed_at = absl::UnixEpoch();
  for (size_t i = 0; i < facts->iterations.size(); ++i) {
    auto iteration = store.LoadIteration(static_cast<int64_t>(i) + 1);
    if (!iteration.ok()) return iteration.status();
    committed_at = iteration->committed_at;
    const IterationPoint point = PointOf(facts->iterations[i], committed_at);
    if (point.survival) status.set_survival_rate(*point.survival);
    recent.Add(point);
  }
  recent.Fill(status);
  recent.Fill(alerts, committed_at);
  AddAlerts(alerts, status);
  return status;
}

}  // namespace shoal
