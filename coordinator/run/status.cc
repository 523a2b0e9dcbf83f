// RunLoop::Status: what the loop tells people.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "coordinator/run/run_loop.h"
#include "nlohmann/json.hpp"

namespace shoal {
namespace {

// Who was there and is not: "; gone: actor-0, actor-1". No times, so that it stays as it is.
std::string GoneText(const AbsentPeers& absent) {
  constexpr size_t kMost = 5;
  std::vector<std::string> names;
  for (const AbsentPeer& peer : absent.peers()) {
    if (!peer.learner) names.push_back(peer.name);
  }
  if (names.empty()) return "";
  std::sort(names.begin(), names.end());
  const size_t more = names.size() > kMost ? names.size() - kMost : 0;
  names.resize(names.size() - more);
  return absl::StrCat("; gone: ", absl::StrJoin(names, ", "),
                      more > 0 ? absl::StrCat(" and ", more, " more") : "");
}

bool LearnerWasThere(const AbsentPeers& absent) {
  return std::any_of(absent.peers().begin(), absent.peers().end(),
                     [](const AbsentPeer& peer) { return peer.learner; });
}

}  // namespace

v1::RunStatus RunLoop::Status(absl::Time now) const {
  v1::RunStatus status;
  status.set_run_name(run_.info.name);
  status.set_run_id(run_.info.id);
  FillState(status);
  const int64_t committed = std::max<int64_t>(training_->committed(), 0);
  status.set_iteration(training_->current_iteration());
  status.set_committed_iteration(committed);
  status.set_total_iterations(training_->total());
  status.set_shards(run_.planner->num_shards());
  status.set_shards_done(training_->shards_done());
  status.set_policy_sha256(training_->PolicyHash(committed).value_or(""));
  status.set_survival_rate(training_->survival_rate());
  status.set_evaluation_survival(evaluations_->last_survival());
  status.set_evaluation_iteration(evaluations_->last_iteration());
  status.set_evaluations_done(evaluations_->done());
  status.set_gate_stage(static_cast<int32_t>(run_.planner->gate_stage()));
  status.set_gate_event(evaluations_->last_gate_event());
  status.set_best_iteration(evaluations_->best_iteration());
  status.set_tail_slots(run_.planner->tail_length());
  status.set_tail_slots_left(run_.planner->TailState(std::max<int64_t>(committed, 1)).remaining);
  if (const IterationMeasurements* last = training_->last()) {
    const double seconds = absl::ToDoubleSeconds(training_->iteration_time());
    status.set_rows_per_second(last->rows_per_second);
    status.set_environment_steps_per_second(seconds > 0 ? last->environment_steps / seconds : 0);
    status.set_seconds_left(seconds * static_cast<double>(training_->total() - committed));
  }
  FillPeers(status, now);
  status.set_alarms(alarms_);
  status.set_alarm(alarm_);
  FillCourse(status);
  FillAlerts(status, now);
  return status;
}

void RunLoop::FillCourse(v1::RunStatus& status) const {
  const int64_t iteration = std::max<int64_t>(status.iteration(), 1);
  status.set_phase(static_cast<int32_t>(run_.planner->PhaseNumber(iteration)));
  status.set_num_fish(static_cast<int32_t>(run_.planner->NumFish(iteration)));
  status.set_acting_version(std::max<int64_t>(0, iteration - 1 - run_.options.policy_lag()));
  *status.mutable_gate() = GateStatusOf(run_.options, evaluations_->last_gate());
  if (run_.planner->tail_length() > 0) {
    const int64_t committed = std::max<int64_t>(status.committed_iteration(), 1);
    *status.mutable_tail() =
        TailStatusOf(run_.planner->TailState(committed), run_.planner->TailUsed(),
                     run_.planner->tail_length(), static_cast<int64_t>(run_.stages.size()));
  }
  status.set_paused(orders_.paused());
  status.set_orders_pending(orders_.pending());
  recent_.Fill(status);
}

void RunLoop::FillAlerts(v1::RunStatus& status, absl::Time now) const {
  AlertInput input;
  input.over = over();
  input.paused = status.state() == v1::RunStatus::STATE_PAUSED;
  input.updating = !over() && training_->updating();
  input.committed_iteration = status.committed_iteration();
  input.total_iterations = status.total_iterations();
  input.tail_slots = status.tail_slots();
  input.tail_slots_left = status.tail_slots_left();
  input.tail_schedule_ratio = status.tail().schedule_ratio();
  input.gate_stage = status.gate_stage();
  input.gate_failure_streak = status.gate().failure_streak();
  if (const auto& evaluation = evaluations_->last_summary()) {
    input.evaluation_ne_share = evaluation->step_one_ne_high_speed_share;
    input.early_death_100 = evaluation->early_death_fraction_100;
  }
  recent_.Fill(input, now);
  if (training_->last_commit() != absl::InfinitePast()) {
    // What was not to be done while the run was paused is not late yet.
    input.seconds_since_commit =
        absl::ToDoubleSeconds(now - std::max(training_->last_commit(), resumed_at_));
  }
  input.peers_missing = status.missing_size();
  if (const IterationMeasurements* last = training_->last(); last != nullptr && last->update) {
    input.skipped_minibatches = last->update->skipped_minibatches();
  }
  input.alarms = alarms_;
  AddAlerts(input, status);
}

absl::Status RunLoop::RestoreRecent() {
  recent_ = RecentRun();
  const int64_t committed = std::max<int64_t>(training_->committed(), 0);
  const int64_t shown = static_cast<int64_t>(RecentRun::kIterations);
  for (int64_t i = std::max<int64_t>(1, committed - shown + 1); i <= committed; ++i) {
    auto iteration = run_.store->LoadIteration(i);
    if (!iteration.ok()) return iteration.status();
    auto json = nlohmann::ordered_json::parse(iteration->measurements, nullptr, false);
    if (json.is_object()) recent_.Add(PointOf(json, iteration->committed_at));
  }
  return absl::OkStatus();
}

RunNumbers RunLoop::Numbers(absl::Time now) const {
  RunNumbers numbers;
  numbers.status = Status(now);
  if (training_->last() != nullptr) numbers.iteration = *training_->last();
  numbers.committed_at = training_->last_commit();
  numbers.evaluation = evaluations_->last_summary();
  numbers.gate = evaluations_->last_gate();
  numbers.tail_length = run_.planner->tail_length();
  numbers.tail = run_.planner->TailState(std::max<int64_t>(training_->committed(), 1));
  numbers.leases_offered = leases_->offered();
  for (const LeaseOutcome outcome : kLeaseEnds) {
    numbers.leases_ended[LeaseOutcomeName(outcome)] = leases_->ended(outcome);
  }
  numbers.leases_active = leases_->active();
  numbers.items_available = leases_->available();
  return numbers;
}

void RunLoop::FillPeers(v1::RunStatus& status, absl::Time now) const {
  // One that is late by less may just be busy.
  const absl::Duration missed_after = 2 * options_.heartbeat_interval;
  auto miss = [&](const std::string& name, absl::Time last_heard, bool connected) {
    if (over() || now - last_heard < missed_after) return;
    v1::MissingPeer* peer = status.add_missing();
    peer->set_name(name);
    peer->set_silent_seconds(absl::ToDoubleSeconds(now - last_heard));
    peer->set_connected(connected);
  };
  auto add = [&](const std::string& name, const std::string& cpu, const std::string& build,
                 int64_t items_done, absl::Time last_heard, bool connected) {
    v1::WorkerStatus* worker = status.add_workers();
    worker->set_name(name);
    worker->set_connected(connected);
    worker->set_cpu(cpu);
    worker->set_build(build);
    worker->set_items_done(items_done);
    worker->set_silent_seconds(absl::ToDoubleSeconds(now - last_heard));
    miss(name, last_heard, connected);
  };
  absl::Time learner_heard = absl::InfinitePast();
  if (learner_.port != nullptr) learner_heard = learner_.last_message;
  for (const AbsentPeer& peer : absent_.peers()) {
    if (peer.learner) learner_heard = peer.last_heard;
  }
  status.set_learner_connected(learner_.port != nullptr);
  status.set_learner_device(learner_.hello.device());
  status.set_learner_silent_seconds(-1);
  if (learner_heard != absl::InfinitePast()) {
    status.set_learner_silent_seconds(absl::ToDoubleSeconds(now - learner_heard));
    miss("learner", learner_heard, learner_.port != nullptr);
  }
  for (const auto& [id, worker] : workers_) {
    add(worker.hello.name(), worker.hello.cpu(), worker.hello.build(), worker.items_done,
        worker.last_message, true);
  }
  for (auto peer = absent_.peers().rbegin(); peer != absent_.peers().rend(); ++peer) {
    if (peer->learner) continue;
    add(peer->name, peer->cpu, peer->build, peer->items_done, peer->last_heard, false);
  }
}

void RunLoop::FillState(v1::RunStatus& status) const {
  switch (state_) {
    case State::kDone:
      status.set_state(v1::RunStatus::STATE_DONE);
      return;
    case State::kStopped:
      status.set_state(v1::RunStatus::STATE_STOPPED);
      status.set_message(message_);
      return;
    case State::kFailed:
      status.set_state(v1::RunStatus::STATE_FAILED);
      status.set_message(message_);
      return;
    case State::kRunning:
      break;
  }
  if (stopping_) {
    status.set_message("stopping after this iteration's commit");
  } else if (orders_.paused()) {
    status.set_message(training_->in_flight() ? "pausing after this iteration's commit"
                                              : "paused by order; `shoal resume` goes on");
  }
  if (!learner_.ready) {
    status.set_state(v1::RunStatus::STATE_WAITING_FOR_LEARNER);
    if (!stopping_) {
      status.set_message(learner_.port != nullptr   ? "the learner is getting ready"
                         : LearnerWasThere(absent_) ? "no learner is connected; the last one is gone"
                                                    : "no learner is connected");
    }
  } else if (workers_.empty() && leases_->available() > 0) {
    status.set_state(v1::RunStatus::STATE_WAITING_FOR_ACTORS);
    if (!stopping_) {
      status.set_message(absl::StrCat("no actor is connected; ", leases_->available(), " items wait",
                                      GoneText(absent_)));
    }
  } else if (training_->updating()) {
    status.set_state(v1::RunStatus::STATE_UPDATE);
  } else if (training_->in_flight()) {
    status.set_state(v1::RunStatus::STATE_ROLLOUT);
  } else if (orders_.paused() && evaluations_->idle()) {
    status.set_state(v1::RunStatus::STATE_PAUSED);
  } else {
    status.set_state(v1::RunStatus::STATE_EVALUATION);
  }
}

}  // namespace shoal
