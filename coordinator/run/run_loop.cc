#include "coordinator/run/run_loop.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/logging.h"

namespace shoal {
namespace {

// Fencing numbers reserved at a start; more than a run uses.
constexpr int64_t kFencingBlock = int64_t{1} << 40;

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
  auto fencing = Store()->NextFencing(kFencingBlock);
  if (!fencing.ok()) return fencing.status();
  LeaseOptions lease_options;
  lease_options.lease_time = options_.lease_time;
  leases_ = std::make_unique<LeaseTable>(lease_options, *fencing);
  auto orders = Store()->Orders();
  if (!orders.ok()) return orders.status();
  auto last_plan = Store()->LastPlan();
  if (!last_plan.ok()) return last_plan.status();
  orders_ = OrderBook(run_.options, *std::move(orders), *last_plan);
  training_ = std::make_unique<Training>(run_.options, run_.planner.get(), Shared(),
                                         leases_.get(), &orders_);
  evaluations_ = std::make_unique<Evaluations>(run_.options, run_.planner.get(),
                                               Shared(), leases_.get());
  if (absl::Status status = training_->Restore(); !status.ok()) return status;
  if (absl::Status status = evaluations_->Restore(); !status.ok()) return status;
  if (absl::Status status = evaluations_->MakeDue(training_->committed(), orders_.Evaluated(), now); !status.ok()) {
    return status;
  }
  if (absl::Status status = RestoreRecent(); !status.ok()) return status;
  if (absl::Status status = Store()->SetStatus(RunState::kRunning, ""); !status.ok()) {
    return status;
  }
  LogInfo("run opened", {{"committed_iteration", training_->committed()},
                         {"total_iterations", training_->total()},
                         {"evaluations", evaluations_->done()}});
  Advance(now);
  return absl::OkStatus();
}

void RunLoop::Advance(absl::Time now) {
  if (over()) return;
  Check(TryAdvance(now));
  if (over()) return;
  Dispatch(now);
  // Not before the next plan, which would wait for it.
  LeaveToBackground(now);
}

absl::Status RunLoop::TryAdvance(absl::Time now) {
  auto judged = evaluations_->JudgeComplete(now);
  if (!judged.ok()) return judged.status();
  if (*judged) {
    if (absl::Status s = evaluations_->MakeDue(training_->committed(), orders_.Evaluated(), now); !s.ok()) return s;
    views_due_ = true;
    SendRetain();
  }
  if (stopping_ && !training_->in_flight()) {
    LeaveToBackground(now);
    background_->Settle(now);
    if (!over()) End(State::kStopped, "stopped by order");
    return absl::OkStatus();
  }
  if (training_->committed() == training_->total() && evaluations_->idle() && learner_.ready &&
      learner_.retains_open == 0) {
    // A learner of an older build (--any_build) says only what went wrong.
    if (learner_.best_in_place != evaluations_->best_iteration() && !learner_.retain_error.empty()) {
      return absl::DataLossError(absl::StrCat(
          "all is computed, but checkpoints/best is not the checkpoint of iteration ",
          evaluations_->best_iteration(), ": ", learner_.retain_error,
          ". Once that is cured, --resume puts it there"));
    }
    LeaveToBackground(now);
    background_->Settle(now);
    if (!over()) End(State::kDone, "");
    return absl::OkStatus();
  }
  while (!stopping_ && !orders_.paused()) {
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
  // Policies come from the learner, and rows go there.
  if (!learner_.ready) return;
  for (auto next = idle_.begin(); next != idle_.end() && leases_->MayOffer(now);) {
    const WorkerId id = *next++;
    if (const auto grant = leases_->Offer(id, now)) SendLease(id, *grant);
  }
  // Further ones only while there is one for everybody else: an item that waits behind another would
  // hold up the end of the iteration.
  for (auto next = roomy_.begin(); next != roomy_.end();) {
    const WorkerId id = *next++;
    const auto grant = leases_->OfferAhead(id, workers_.size() - 1, now);
    if (!grant) break;
    SendLease(id, *grant);
  }
}

void RunLoop::NoteRoom(WorkerId id, Worker& worker) {
  idle_.erase(id);
  roomy_.erase(id);
  if (worker.active == 0) {
    worker.plays = false;
    idle_.insert(id);
  } else if (worker.HasRoom()) {
    roomy_.insert(id);
  }
}

void RunLoop::SendLease(WorkerId id, const LeaseGrant& grant) {
  Worker& worker = workers_.at(id);
  v1::WorkResponse response;
  v1::Lease* lease = response.mutable_lease();
  lease->set_fencing(grant.fencing);
  lease->set_learner_address(learner_.hello.address());
  if (grant.item.kind == ItemKind::kRollout) {
    *lease->mutable_rollout() = training_->Item(grant.item);
  } else {
    *lease->mutable_evaluation() = evaluations_->Item(grant.item);
    worker.plays = true;
  }
  ++worker.active;
  NoteRoom(id, worker);
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
  for (int64_t i = 0; i <= committed; ++i) {
    if (orders_.KeepsCheckpoint(i)) keep.insert(i);
  }
  for (int64_t i : evaluations_->NeededIterations()) keep.insert(i);
  for (int64_t i : keep) retain->add_iterations(i);
  retain->set_best_iteration(evaluations_->best_iteration());
  ++learner_.retains_open;
  learner_.port->Send(std::move(response));
}

void RunLoop::Tick(absl::Time now) {
  absent_.Expire(now);
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
  if (!stopping_ || learner_.port != nullptr) {
    stop_waits_since_ = absl::InfiniteFuture();
  } else if (!over()) {
    stop_waits_since_ = std::min(stop_waits_since_, now);
    if (now - stop_waits_since_ >= options_.stop_patience) {
      End(State::kStopped, "stopped without a learner: what was not committed is computed again");
    }
  }
  recent_.NoteLeases(now, leases_->offered(),
                     leases_->ended(LeaseOutcome::kFailed) + leases_->ended(LeaseOutcome::kExpired) +
                         leases_->ended(LeaseOutcome::kLost));
  const int expired = leases_->Expire(now);
  if (expired > 0) LogWarning("leases expired", {{"count", expired}});
  Advance(now);
}

void RunLoop::Stop(absl::Time now) {
  if (!stopping_) LogInfo("stopping after the next commit");
  stopping_ = true;
  Advance(now);
}

absl::StatusOr<v1::Order> RunLoop::GiveOrder(const v1::Order& asked, absl::Time now) {
  auto order = orders_.Check(asked, training_->total());
  if (!order.ok() || order->id() != orders_.next_id()) return order;
  if (over()) return absl::FailedPreconditionError("the run is over: it takes no more orders");
  if (order->kind() == v1::Order::KIND_TAIL_REFILL && run_.planner->tail_length() == 0) {
    return absl::FailedPreconditionError("the run has no tail queue that could be refilled");
  }
  if (order->kind() == v1::Order::KIND_SET) {
    for (const v1::RunOptions& options : orders_.OptionsFollowing(*order)) {
      if (absl::Status status = run_.planner->CheckOptions(options); !status.ok()) return status;
    }
  }
  if (absl::Status status = Store()->AddOrder(*order); !status.ok()) {
    Check(status);
    return status;
  }
  LogInfo("order taken", {{"order", OrderText(*order)}, {"id", order->id()}, {"next_plan", orders_.next_plan()}});
  if (order->kind() == v1::Order::KIND_RESUME && orders_.paused()) resumed_at_ = now;
  orders_.Add(*order);
  if (order->kind() == v1::Order::KIND_STOP) {
    Stop(now);
  } else {
    Advance(now);
  }
  return orders_.orders()[static_cast<size_t>(order->id() - 1)];
}

void RunLoop::LeaveToBackground(absl::Time now) {
  if (!std::exchange(views_due_, false)) return;
  background_->Post(
      [this, remains = std::exchange(remains_, nullptr)]() mutable {
        remains.reset();
        return run_.views->Update(*run_.store);
      },
      [this](const absl::Status& status, absl::Time) { Check(status); }, now);
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
  absl::Status status = Store()->RecordLeases(TakeEndedLeases());
  if (std::exchange(views_due_, false)) status.Update(run_.views->Update(*run_.store));
  status.Update(Store()->SetStatus(recorded, message));
  status.Update(run_.views->Sync());
  if (!status.ok()) LogError("the end of the run could not be recorded", {{"error", status}});
  const v1::Dismissal dismissal = MakeDismissal();
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
