#include "coordinator/run/run_loop.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/logging.h"
#include "coordinator/run/open_run.h"
#include "google/protobuf/duration.pb.h"

namespace shoal {
namespace {

// Fencing numbers reserved at a start; more than a run uses.
constexpr int64_t kFencingBlock = int64_t{1} << 40;

// An item or update that fails so often for a reason that will not pass stops the run.
constexpr int kMaxFailures = 3;

google::protobuf::Duration ToProto(absl::Duration duration) {
  google::protobuf::Duration result;
  result.set_seconds(absl::ToInt64Seconds(duration));
  result.set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(duration - absl::Seconds(result.seconds()))));
  return result;
}

// Failures that say nothing of the item: it is just tried again.
bool Passes(int32_t code) {
  switch (static_cast<absl::StatusCode>(code)) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kResourceExhausted:
      return true;
    default:
      return false;
  }
}

std::string ItemText(const ItemKey& item) {
  return item.kind == ItemKind::kRollout
             ? absl::StrCat("iteration ", item.group, ", shard ", item.index)
             : absl::StrCat("evaluation ", item.group, ", scene ", item.index);
}

std::string WorkerText(const v1::WorkerHello& hello) {
  return absl::StrCat(hello.name(), " (", hello.build(), ", ", hello.cpu(), ")");
}

}  // namespace

absl::StatusOr<std::unique_ptr<RunLoop>> RunLoop::Open(const RunLoopOptions& options,
                                                       absl::Time now) {
  auto run = OpenRun(options.run_dir, now);
  if (!run.ok()) return run.status();
  std::unique_ptr<RunLoop> loop(new RunLoop(options));
  loop->run_ = std::move(*run);
  if (absl::Status status = loop->Restore(now); !status.ok()) return status;
  return loop;
}

absl::Status RunLoop::Restore(absl::Time now) {
  auto fencing = run_.store->NextFencing(kFencingBlock);
  if (!fencing.ok()) return fencing.status();
  LeaseOptions lease_options;
  lease_options.lease_time = options_.lease_time;
  leases_ = std::make_unique<LeaseTable>(lease_options, *fencing);
  training_ = std::make_unique<Training>(run_.options, run_.planner.get(), run_.store.get(),
                                         leases_.get());
  evaluations_ = std::make_unique<Evaluations>(run_.options, run_.planner.get(),
                                               run_.store.get(), leases_.get());
  if (absl::Status status = training_->Restore(); !status.ok()) return status;
  if (absl::Status status = evaluations_->Restore(); !status.ok()) return status;
  if (absl::Status status = evaluations_->MakeDue(training_->committed(), now); !status.ok()) {
    return status;
  }
  if (absl::Status status = run_.store->SetStatus(RunState::kRunning, ""); !status.ok()) {
    return status;
  }
  LogInfo("run opened", {{"committed_iteration", training_->committed()},
                         {"total_iterations", training_->total()},
                         {"evaluations", evaluations_->done()}});
  Advance(now);
  return absl::OkStatus();
}

absl::StatusOr<WorkerId> RunLoop::WorkerArrived(const v1::WorkerHello& hello, WorkerPort* port,
                                                absl::Time now) {
  if (hello.protocol() != v1::PROTOCOL_CURRENT) {
    return absl::FailedPreconditionError(
        absl::StrCat(WorkerText(hello), " speaks protocol ", hello.protocol(), ", this coordinator ",
                     v1::PROTOCOL_CURRENT, ": use the same build for both"));
  }
  if (absl::Status status = run_.store->SetKernelId(hello.kernel_id()); !status.ok()) {
    return status;
  }
  const WorkerId id = next_worker_++;
  Worker& worker = workers_[id];
  worker.port = port;
  worker.hello = hello;
  worker.last_message = now;
  v1::WorkResponse response;
  v1::WorkerWelcome* welcome = response.mutable_welcome();
  welcome->set_run_id(run_.info.id);
  *welcome->mutable_options() = run_.options;
  *welcome->mutable_heartbeat_interval() = ToProto(options_.heartbeat_interval);
  port->Send(std::move(response));
  LogInfo("actor arrived", {{"worker", hello.name()}, {"cpu", hello.cpu()}, {"build", hello.build()}});
  Advance(now);
  return id;
}

void RunLoop::OnWorkerMessage(WorkerId id, const v1::WorkRequest& message, absl::Time now) {
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
      if (!over()) Check(OnResult(worker, message.result(), now));
      break;
    case v1::WorkRequest::kFailure:
      if (!over()) Check(OnFailure(worker, message.failure(), now));
      break;
    default:
      LogWarning("actor sent a message of no use", {{"worker", worker.hello.name()}});
      return;
  }
  Advance(now);
}

void RunLoop::WorkerGone(WorkerId id, absl::Time now) {
  auto found = workers_.find(id);
  if (found == workers_.end()) return;
  const int lost = leases_->WorkerGone(id, now);
  LogInfo("actor left", {{"worker", found->second.hello.name()}, {"leases_lost", lost}});
  workers_.erase(found);
  Advance(now);
}

absl::Status RunLoop::LearnerArrived(const v1::LearnerHello& hello, LearnerPort* port,
                                     absl::Time now) {
  if (hello.protocol() != v1::PROTOCOL_CURRENT) {
    return absl::FailedPreconditionError(
        absl::StrCat("the learner (", hello.build(), ") speaks protocol ", hello.protocol(),
                     ", this coordinator ", v1::PROTOCOL_CURRENT, ": use the same build for both"));
  }
  if (learner_.port != nullptr) {
    return absl::AlreadyExistsError(
        absl::StrCat("the run has a learner at ", learner_.hello.address()));
  }
  learner_ = Learner{port, hello, now, false};
  v1::LearnResponse response;
  v1::LearnerWelcome* welcome = response.mutable_welcome();
  welcome->set_run_id(run_.info.id);
  *welcome->mutable_options() = run_.options;
  *welcome->mutable_heartbeat_interval() = ToProto(options_.heartbeat_interval);
  const int64_t committed = std::max<int64_t>(training_->committed(), 0);
  welcome->set_committed_iteration(committed);
  welcome->set_policy_sha256(training_->PolicyHash(committed).value_or(""));
  port->Send(std::move(response));
  LogInfo("learner arrived", {{"device", hello.device()}, {"address", hello.address()},
                              {"build", hello.build()}, {"cpu", hello.cpu()}});
  return absl::OkStatus();
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
    default:
      LogWarning("the learner sent a message of no use");
      return;
  }
  Advance(now);
}

void RunLoop::LearnerGone(LearnerPort* port, absl::Time now) {
  if (learner_.port != port) return;
  LogWarning("the learner left", {{"address", learner_.hello.address()}});
  learner_ = Learner{};
  training_->LearnerGone();
  Advance(now);
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
  std::vector<LeaseRow> ended = TakeEndedLeases();
  auto committed = training_->Commit(done, std::move(ended), now);
  if (!committed.ok()) return committed.status();
  if (!*committed) return absl::OkStatus();
  learner_failures_ = 0;
  const IterationMeasurements& m = **committed;
  LogInfo("iteration committed",
          {{"iteration", m.iteration}, {"rows", m.rows}, {"policy", done.policy_sha256()},
           {"survival_rate", m.survival_rate.value_or(-1)},
           {"rollout_seconds", m.rollout_seconds}, {"update_seconds", m.update_seconds}});
  if (absl::Status status = evaluations_->MakeDue(m.iteration, now); !status.ok()) return status;
  SendRetain();
  return run_.views->Update(*run_.store);
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

absl::Status RunLoop::OnResult(Worker& worker, const v1::WorkResult& result, absl::Time now) {
  worker.active = std::max(0, worker.active - 1);
  ++worker.items_done;
  const auto item = leases_->Find(result.fencing());
  if (!item) return absl::OkStatus();  // of an iteration or evaluation that is over
  const bool rollout = item->kind == ItemKind::kRollout;
  if (rollout != (result.record_case() == v1::WorkResult::kRollout)) {
    return absl::InvalidArgumentError(
        absl::StrCat(WorkerText(worker.hello), " answered ", ItemText(*item),
                     " with a record of another kind"));
  }
  leases_->Complete(result.fencing(), now);
  if (rollout) return OnRollout(*item, worker, result, now);
  training_->AddEvaluationSeconds(result.compute_seconds());
  auto verdict = evaluations_->Accept(*item, result.evaluation());
  if (!verdict.ok()) return verdict.status();
  if (*verdict == EvaluationBoard::Verdict::kMismatch) return Mismatch(*item, "", worker);
  return absl::OkStatus();
}

absl::Status RunLoop::OnRollout(const ItemKey& item, Worker& worker, const v1::WorkResult& result,
                                absl::Time now) {
  auto verdict = training_->Accept(item, result, WorkerText(worker.hello), now);
  if (!verdict.ok()) return verdict.status();
  if (*verdict != RolloutBoard::Verdict::kMismatch) return absl::OkStatus();
  return Mismatch(item, training_->Result(item).worker, worker);
}

absl::Status RunLoop::Mismatch(const ItemKey& item, const std::string& first,
                               const Worker& second) {
  const std::string message = absl::StrCat(
      "two results of ", ItemText(item), " differ: ", first.empty() ? "" : absl::StrCat(first, " and "),
      WorkerText(second.hello), ". Equal builds on sound machines give equal bytes");
  if (run_.options.on_mismatch() == "warn") {
    LogError(message);
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat(message, "; --on_mismatch warn goes on regardless"));
}

absl::Status RunLoop::OnFailure(Worker& worker, const v1::WorkFailure& failure, absl::Time now) {
  worker.active = std::max(0, worker.active - 1);
  const auto item = leases_->Find(failure.fencing());
  if (!item) return absl::OkStatus();
  const int failures = leases_->Fail(failure.fencing(), now);
  LogWarning("item failed", {{"item", ItemText(*item)}, {"worker", worker.hello.name()},
                             {"code", failure.code()}, {"message", failure.message()}});
  if (Passes(failure.code()) || failures < kMaxFailures) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(ItemText(*item), " failed ", failures,
                                                    " times, last on ", WorkerText(worker.hello),
                                                    ": ", failure.message()));
}

void RunLoop::Advance(absl::Time now) {
  if (over()) return;
  Check(TryAdvance(now));
  if (over()) return;
  Dispatch(now);
}

absl::Status RunLoop::TryAdvance(absl::Time now) {
  auto judged = evaluations_->JudgeComplete(now);
  if (!judged.ok()) return judged.status();
  if (*judged) {
    if (absl::Status s = evaluations_->MakeDue(training_->committed(), now); !s.ok()) return s;
    if (absl::Status s = run_.views->Update(*run_.store); !s.ok()) return s;
    SendRetain();
  }
  if (stopping_ && !training_->in_flight()) {
    End(State::kStopped, "stopped by order");
    return absl::OkStatus();
  }
  if (training_->committed() == training_->total() && evaluations_->idle()) {
    End(State::kDone, "");
    return absl::OkStatus();
  }
  while (!stopping_) {
    auto planned = training_->PlanNext(evaluations_->judged_iteration(), now);
    if (!planned.ok()) return planned.status();
    if (!*planned) break;
  }
  if (learner_.ready) {
    if (auto order = training_->NextUpdate()) {
      v1::LearnResponse response;
      *response.mutable_begin_update() = *std::move(order);
      learner_.port->Send(std::move(response));
    }
  }
  return absl::OkStatus();
}

void RunLoop::Dispatch(absl::Time now) {
  for (auto& [id, worker] : workers_) {
    // One at a time: the next lease is on its way within a fraction of a millisecond, and an item
    // that waits behind another would hold up the end of the iteration.
    if (worker.active > 0) continue;
    if (const auto grant = leases_->Offer(id, now)) SendLease(worker, *grant);
  }
}

void RunLoop::SendLease(Worker& worker, const LeaseGrant& grant) {
  v1::WorkResponse response;
  v1::Lease* lease = response.mutable_lease();
  lease->set_fencing(grant.fencing);
  lease->set_learner_address(learner_.hello.address());
  if (grant.item.kind == ItemKind::kRollout) {
    *lease->mutable_rollout() = training_->Item(grant.item);
  } else {
    *lease->mutable_evaluation() = evaluations_->Item(grant.item);
  }
  ++worker.active;
  worker.port->Send(std::move(response));
}

void RunLoop::SendRetain() {
  if (!learner_.ready) return;
  v1::LearnResponse response;
  v1::Retain* retain = response.mutable_retain();
  const int64_t committed = training_->committed();
  retain->set_committed_iteration(committed);
  std::set<int64_t> keep;
  for (int64_t i = std::max<int64_t>(0, committed - run_.options.policy_lag() - 1); i <= committed; ++i) {
    keep.insert(i);
  }
  for (int64_t i = run_.options.checkpoint_interval(); i <= committed;
       i += run_.options.checkpoint_interval()) {
    keep.insert(i);
  }
  for (int64_t i : evaluations_->NeededIterations()) keep.insert(i);
  for (int64_t i : keep) retain->add_iterations(i);
  retain->set_best_iteration(evaluations_->best_iteration());
  learner_.port->Send(std::move(response));
}

void RunLoop::Tick(absl::Time now) {
  for (auto& [id, worker] : workers_) {
    if (now - worker.last_message > options_.lease_time) {
      LogWarning("actor is silent", {{"worker", worker.hello.name()}});
      worker.port->Abort();
    }
  }
  if (learner_.port != nullptr && now - learner_.last_message > options_.lease_time) {
    LogWarning("the learner is silent", {{"address", learner_.hello.address()}});
    learner_.port->Abort();
  }
  const int expired = leases_->Expire(now);
  if (expired > 0) LogWarning("leases expired", {{"count", expired}});
  Advance(now);
}

void RunLoop::Stop(absl::Time now) {
  if (!stopping_) LogInfo("stopping after the next commit");
  stopping_ = true;
  Advance(now);
}

void RunLoop::Check(const absl::Status& status) {
  if (status.ok() || over()) return;
  End(State::kFailed, std::string(status.message()));
}

void RunLoop::End(State state, const std::string& message) {
  state_ = state;
  message_ = message;
  const RunState recorded = state == State::kDone      ? RunState::kDone
                               : state == State::kStopped ? RunState::kStopped
                                                          : RunState::kFailed;
  if (state == State::kFailed) {
    LogError("run failed", {{"message", message}});
  } else {
    LogInfo(state == State::kDone ? "run done" : "run stopped",
            {{"committed_iteration", training_->committed()}});
  }
  absl::Status status = run_.store->RecordLeases(TakeEndedLeases());
  status.Update(run_.store->SetStatus(recorded, message));
  if (!status.ok()) LogError("the end of the run could not be recorded", {{"error", status}});
  v1::Dismissal dismissal;
  dismissal.set_reason(v1::Dismissal::REASON_RUN_OVER);
  dismissal.set_message(message);
  for (auto& [id, worker] : workers_) {
    v1::WorkResponse response;
    *response.mutable_dismissal() = dismissal;
    worker.port->Send(std::move(response));
  }
  if (learner_.port != nullptr) {
    v1::LearnResponse response;
    *response.mutable_dismissal() = dismissal;
    learner_.port->Send(std::move(response));
  }
}

std::vector<LeaseRow> RunLoop::TakeEndedLeases() {
  std::vector<LeaseRow> rows;
  for (const LeaseRecord& lease : leases_->TakeEnded()) {
    LeaseRow row;
    row.fencing = lease.fencing;
    row.kind = lease.item.kind == ItemKind::kRollout ? "rollout" : "evaluation";
    row.group = lease.item.group;
    row.index = lease.item.index;
    row.worker = absl::StrCat(lease.worker);
    row.offered_at = lease.offered_at;
    row.ended_at = lease.ended_at;
    row.outcome = LeaseOutcomeName(lease.outcome);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace shoal
