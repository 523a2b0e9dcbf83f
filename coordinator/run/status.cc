// RunLoop::Status: what the loop tells people.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "coordinator/run/run_loop.h"

namespace shoal {

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
  for (const auto& [id, worker] : workers_) {
    v1::WorkerStatus* w = status.add_workers();
    w->set_name(worker.hello.name());
    w->set_connected(true);
    w->set_cpu(worker.hello.cpu());
    w->set_build(worker.hello.build());
    w->set_items_done(worker.items_done);
    w->set_silent_seconds(absl::ToDoubleSeconds(now - worker.last_message));
  }
  status.set_learner_connected(learner_.port != nullptr);
  status.set_learner_device(learner_.hello.device());
  status.set_alarms(alarms_);
  status.set_alarm(alarm_);
  return status;
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
  if (stopping_) status.set_message("stopping after this iteration's commit");
  if (!learner_.ready) {
    status.set_state(v1::RunStatus::STATE_WAITING_FOR_LEARNER);
    if (!stopping_) {
      status.set_message(learner_.port == nullptr ? "no learner is connected"
                                                  : "the learner is getting ready");
    }
  } else if (workers_.empty() && leases_->available() > 0) {
    status.set_state(v1::RunStatus::STATE_WAITING_FOR_ACTORS);
    if (!stopping_) {
      status.set_message(absl::StrCat("no actor is connected; ", leases_->available(), " items wait"));
    }
  } else if (training_->updating()) {
    status.set_state(v1::RunStatus::STATE_UPDATE);
  } else if (training_->in_flight()) {
    status.set_state(v1::RunStatus::STATE_ROLLOUT);
  } else {
    status.set_state(v1::RunStatus::STATE_EVALUATION);
  }
}

}  // namespace shoal
