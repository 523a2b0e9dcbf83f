// RunLoop: who comes and goes, and what the learner says.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/logging.h"
#include "common/version.h"
#include "coordinator/run/run_loop.h"
#include "google/protobuf/duration.pb.h"

namespace shoal {
namespace {

google::protobuf::Duration ToProto(absl::Duration duration) {
  google::protobuf::Duration result;
  result.set_seconds(absl::ToInt64Seconds(duration));
  result.set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(duration - absl::Seconds(result.seconds()))));
  return result;
}

// Whether a peer can take part: FailedPrecondition names both sides.
template <class Hello>
absl::Status CheckProgram(const Hello& hello, const std::string& who, bool any_build) {
  const std::string own = GetBuildInfo().Build();
  if (hello.protocol() != v1::PROTOCOL_CURRENT) {
    return absl::FailedPreconditionError(
        absl::StrCat(who, " speaks protocol ", hello.protocol(), ", this coordinator (", own, ") ",
                     v1::PROTOCOL_CURRENT, ": use the same build for both"));
  }
  if (!any_build && hello.build() != own) {
    return absl::FailedPreconditionError(
        absl::StrCat(who, " is of another build than this coordinator (", own,
                     "), and results could differ: use the same build for both, or start the "
                     "coordinator with --any_build"));
  }
  return absl::OkStatus();
}

v1::Coordinator Introduce(bool any_build) {
  v1::Coordinator coordinator;
  coordinator.set_build(GetBuildInfo().Build());
  coordinator.set_protocol(v1::PROTOCOL_CURRENT);
  coordinator.set_any_build(any_build);
  return coordinator;
}

}  // namespace

v1::Dismissal RunLoop::MakeDismissal() const {
  v1::Dismissal dismissal;
  dismissal.set_reason(v1::Dismissal::REASON_RUN_OVER);
  dismissal.set_message(message_);
  if (options_.come_again > absl::ZeroDuration()) {
    *dismissal.mutable_come_again() = ToProto(options_.come_again);
  }
  return dismissal;
}

absl::StatusOr<WorkerId> RunLoop::WorkerArrived(const v1::WorkerHello& hello, WorkerPort* port,
                                                absl::Time now) {
  if (absl::Status s = CheckProgram(hello, WorkerText(hello), options_.any_build); !s.ok()) return s;
  if (absl::Status status = Store()->SetKernelId(hello.kernel_id()); !status.ok()) {
    return status;
  }
  const WorkerId id = next_worker_++;
  Worker& worker = workers_[id];
  worker.port = port;
  worker.hello = hello;
  worker.last_message = now;
  NoteRoom(id, worker);
  absent_.Back(/*learner=*/false, hello.name());
  v1::WorkResponse response;
  if (over()) {
    *response.mutable_dismissal() = MakeDismissal();
    port->Send(std::move(response));
    return id;
  }
  v1::WorkerWelcome* welcome = response.mutable_welcome();
  welcome->set_run_id(run_.info.id);
  *welcome->mutable_options() = run_.options;
  *welcome->mutable_heartbeat_interval() = ToProto(options_.heartbeat_interval);
  *welcome->mutable_coordinator() = Introduce(options_.any_build);
  port->Send(std::move(response));
  LogInfo("actor arrived", {{"worker", hello.name()}, {"cpu", hello.cpu()}, {"build", hello.build()}});
  Advance(now);
  return id;
}

void RunLoop::OnWorkerMessage(WorkerId id, const v1::WorkRequest& message, absl::Time now,
                              v1::RolloutRecord* record) {
  auto found = workers_.find(id);
  if (found == workers_.end()) return;
  Worker& worker = found->second;
  worker.last_message = now;
  leases_->Touch(id, now);
  switch (message.kind_case()) {
    case v1::WorkRequest::kHeartbeat: {
      v1::WorkResponse response;
      *response.mutable_heartbeat() = message.heartbeat();
      worker.port->Send(std::move(response));
      return;
    }
    case v1::WorkRequest::kResult:
      if (!over()) Check(OnResult(worker, message.result(), record, now));
      break;
    case v1::WorkRequest::kFailure:
      if (!over()) Check(OnFailure(worker, message.failure(), now));
      break;
    default:
      LogWarning("actor sent a message of no use", {{"worker", worker.hello.name()}});
      return;
  }
  NoteRoom(id, worker);
  Advance(now);
}

void RunLoop::WorkerGone(WorkerId id, absl::Time now) {
  auto found = workers_.find(id);
  if (found == workers_.end()) return;
  const int lost = leases_->WorkerGone(id, now);
  LogInfo("actor left", {{"worker", found->second.hello.name()}, {"leases_lost", lost}});
  const Worker gone = std::move(found->second);
  workers_.erase(found);
  idle_.erase(id);
  roomy_.erase(id);
  // An actor that is cut off may be back before its old stream has ended.
  const bool back = std::any_of(workers_.begin(), workers_.end(), [&](const auto& other) {
    return other.second.hello.name() == gone.hello.name();
  });
  if (!back && !over()) {
    absent_.Left({false, gone.hello.name(), gone.hello.cpu(), gone.hello.build(), gone.items_done,
                  gone.last_message});
  }
  Advance(now);
}

absl::Status RunLoop::LearnerArrived(const v1::LearnerHello& hello, LearnerPort* port,
                                     absl::Time now) {
  absl::Status fits =
      CheckProgram(hello, absl::StrCat("the learner (", hello.build(), ")"), options_.any_build);
  if (!fits.ok()) return fits;
  if (options_.come_again > absl::ZeroDuration() && !hello.any_run()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the learner at ", hello.address(), " is one of a single run, and this "
                     "coordinator serves one after another: start it with --runs DIR"));
  }
  if (learner_.port != nullptr) {
    return absl::AlreadyExistsError(
        absl::StrCat("the run has a learner at ", learner_.hello.address()));
  }
  learner_ = Learner{port, hello, now};
  absent_.Back(/*learner=*/true, "");
  if (over()) {
    v1::LearnResponse response;
    *response.mutable_dismissal() = MakeDismissal();
    port->Send(std::move(response));
    return absl::OkStatus();
  }
  Welcome();
  LogInfo("learner arrived", {{"device", hello.device()}, {"address", hello.address()},
                              {"build", hello.build()}, {"cpu", hello.cpu()}});
  return absl::OkStatus();
}

void RunLoop::Welcome() {
  v1::LearnResponse response;
  v1::LearnerWelcome* welcome = response.mutable_welcome();
  welcome->set_run_id(run_.info.id);
  *welcome->mutable_options() = run_.options;
  *welcome->mutable_heartbeat_interval() = ToProto(options_.heartbeat_interval);
  *welcome->mutable_coordinator() = Introduce(options_.any_build);
  const int64_t committed = std::max<int64_t>(training_->committed(), 0);
  welcome->set_committed_iteration(committed);
  welcome->set_policy_sha256(training_->PolicyHash(committed).value_or(""));
  for (const int64_t iteration : NeededBeside(committed)) {
    const auto policy = Store()->PolicySha256(iteration);
    if (!policy.ok()) {
      Check(policy.status());
      return;
    }
    v1::CheckpointName* needed = welcome->add_needed();
    needed->set_iteration(iteration);
    needed->set_policy_sha256(*policy);
  }
  learner_.port->Send(std::move(response));
}

std::set<int64_t> RunLoop::NeededBeside(int64_t committed) const {
  std::set<int64_t> needed;
  for (int64_t i = std::max<int64_t>(0, committed - run_.options.policy_lag()); i < committed; ++i) {
    needed.insert(i);
  }
  for (const int64_t i : evaluations_->NeededIterations()) needed.insert(i);
  needed.erase(committed);
  return needed;
}

void RunLoop::OnLearnerMessage(LearnerPort* port, const v1::LearnRequest& message,
                               absl::Time now) {
  if (learner_.port != port) return;
  learner_.last_message = now;
  switch (message.kind_case()) {
    case v1::LearnRequest::kHeartbeat: {
      v1::LearnResponse response;
      *response.mutable_heartbeat() = message.heartbeat();
      port->Send(std::move(response));
      return;
    }
    case v1::LearnRequest::kReady:
      if (!over()) Check(OnReady(message.ready()));
      break;
    case v1::LearnRequest::kUpdateDone:
      if (!over()) Check(OnUpdateDone(message.update_done(), now));
      break;
    case v1::LearnRequest::kUpdateFailed:
      if (!over()) Check(OnUpdateFailed(message.update_failed()));
      break;
    case v1::LearnRequest::kRetained:
      OnRetained(message.retained());
      break;
    case v1::LearnRequest::kCheckpointDamaged:
      if (!over()) Check(OnCheckpointDamaged(message.checkpoint_damaged(), now));
      break;
    default:
      LogWarning("the learner sent a message of no use");
      return;
  }
  Advance(now);
}

void RunLoop::LearnerGone(LearnerPort* port, absl::Time now) {
  if (learner_.port != port) return;
  // What it has learned is committed, and the next one is welcomed with that.
  background_->Settle(now);
  LogWarning("the learner left", {{"address", learner_.hello.address()}});
  if (!over()) {
    absent_.Left({true, "learner", learner_.hello.cpu(), learner_.hello.build(), 0,
                  learner_.last_message});
  }
  learner_ = Learner{};
  training_->LearnerGone();
  Advance(now);
}

void RunLoop::OnRetained(const v1::Retained& retained) {
  learner_.retains_open = std::max(0, learner_.retains_open - 1);
  learner_.best_in_place = retained.best_iteration();
  learner_.retain_error = retained.message();
  if (!retained.message().empty()) {
    Alarm(absl::StrCat("checkpoints are not in order: ", retained.message()));
  }
}

absl::Status RunLoop::OnReady(const v1::LearnerReady& ready) {
  absl::Status status = training_->LearnerReady(ready, learner_.hello.session());
  if (!status.ok()) return status;
  learner_.ready = true;
  LogInfo("learner ready", {{"iteration", ready.iteration()}, {"policy", ready.policy_sha256()}});
  SendRetain();
  return absl::OkStatus();
}

absl::Status RunLoop::OnUpdateDone(const v1::UpdateDone& done, absl::Time now) {
  auto begun = training_->BeginCommit(done, now);
  if (!begun.ok()) return begun.status();
  if (!begun->has_value()) return absl::OkStatus();
  auto commit = std::make_shared<IterationCommit>(**std::move(begun));
  commit->leases = TakeEndedLeases();
  background_->Post([this, commit] { return run_.store->CommitIteration(*commit); },
                    [this, policy = commit->policy_sha256](absl::Status status, absl::Time then) {
                      if (status.ok()) status = OnCommitted(policy, then);
                      Check(status);
                      Advance(then);
                    },
                    now);
  return absl::OkStatus();
}

absl::Status RunLoop::OnCommitted(const std::string& policy_sha256, absl::Time now) {
  const IterationMeasurements m = training_->Committed(policy_sha256, &remains_);
  learner_failures_ = 0;
  LogInfo("iteration committed",
          {{"iteration", m.iteration}, {"rows", m.rows}, {"policy", policy_sha256},
           {"survival_rate", m.survival_rate.value_or(-1)},
           {"rollout_seconds", m.rollout_seconds}, {"update_seconds", m.update_seconds}});
  recent_.Add({m.iteration, now, m.survival_rate, m.step_one_ne_high_speed_share, true});
  if (over()) return absl::OkStatus();
  if (absl::Status status = evaluations_->MakeDue(m.iteration, orders_.Evaluated(), now); !status.ok()) return status;
  SendRetain();
  views_due_ = true;
  return absl::OkStatus();
}

absl::Status RunLoop::OnUpdateFailed(const v1::UpdateFailed& failed) {
  LogWarning("update failed", {{"iteration", failed.iteration()}, {"message", failed.message()},
                               {"missing_shards", failed.missing_shards_size()}});
  if (failed.fatal() || ++learner_failures_ > kMaxFailures) {
    return absl::FailedPreconditionError(absl::StrCat("the learner cannot go on at iteration ",
                                                      failed.iteration(), ": ", failed.message()));
  }
  training_->UpdateFailed(failed);
  return absl::OkStatus();
}

absl::Status RunLoop::OnCheckpointDamaged(const v1::CheckpointDamaged& damaged, absl::Time now) {
  if (learner_.ready || damaged.iteration() != std::max<int64_t>(training_->committed(), 0)) {
    return absl::InvalidArgumentError(absl::StrCat("the learner reports a damaged checkpoint of iteration ",
                                                   damaged.iteration(), ", which it was not asked for"));
  }
  background_->Settle(now);
  std::vector<std::pair<int64_t, std::string>> intact;
  for (const v1::CheckpointName& name : damaged.intact()) {
    intact.emplace_back(name.iteration(), name.policy_sha256());
  }
  auto point = training_->RestorePoint(intact);
  if (!point.ok()) return point.status();
  if (!*point) {
    return absl::DataLossError(absl::StrCat(
        damaged.message(), "; and there is no earlier checkpoint to go back to. Put a copy of ",
        options_.run_dir, "/checkpoints back, or start a new run"));
  }
  Alarm(absl::StrCat("going back to iteration ", **point, ", since the checkpoint of iteration ",
                     damaged.iteration(), " is lost: ", damaged.message()));
  if (absl::Status s = RewindRun(run_, options_.run_dir, **point, now); !s.ok()) return s;
  if (absl::Status s = Restore(now); !s.ok()) return s;
  Welcome();
  return absl::OkStatus();
}

}  // namespace shoal
