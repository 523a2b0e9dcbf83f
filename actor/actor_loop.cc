#include "actor/actor_loop.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/time/clock.h"
#include "common/logging.h"
#include "common/version.h"

namespace shoal {
namespace {

v1::WorkRequest TooManyLeases(uint64_t fencing) {
  v1::WorkRequest request;
  request.mutable_failure()->set_fencing(fencing);
  request.mutable_failure()->set_code(static_cast<int32_t>(absl::StatusCode::kResourceExhausted));
  request.mutable_failure()->set_message("this actor has enough leases already");
  return request;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ActorLoop>> ActorLoop::Create(const ActorOptions& options) {
  const absl::StatusOr<std::string> kernel_id = KernelId(options.executor.backend);
  if (!kernel_id.ok()) return kernel_id.status();
  const absl::StatusOr<std::shared_ptr<grpc::Channel>> channel =
      ConnectChannel(options.coordinator);
  if (!channel.ok()) return channel.status();
  return absl::WrapUnique(new ActorLoop(options, *kernel_id, *channel));
}

ActorLoop::ActorLoop(const ActorOptions& options, const std::string& kernel_id,
                     const std::shared_ptr<grpc::Channel>& coordinator)
    : options_(options),
      kernel_id_(kernel_id),
      coordinator_(v1::WorkerService::NewStub(coordinator)),
      executor_(options.executor, stats_),
      link_(MakeHandlers(), options.link),
      computing_([this] { Work(); }),
      pushing_([this] { Deliver(); }) {}

ActorLoop::~ActorLoop() {
  Stop();
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  computing_.join();
  pushing_.join();
}

ActorLoop::Link::Handlers ActorLoop::MakeHandlers() {
  Link::Handlers handlers;
  handlers.start = [this](grpc::ClientContext* context, Link::Stream::Reactor* reactor) {
    coordinator_->async()->Work(context, reactor);
  };
  handlers.hello = [this] { return Hello(); };
  handlers.message = [this](const Link::SessionPtr& session, const v1::WorkResponse& response) {
    OnMessage(session, response);
  };
  handlers.lost = [this] { DropWaiting(); };
  return handlers;
}

v1::WorkRequest ActorLoop::Hello() const {
  v1::WorkRequest request;
  v1::WorkerHello* hello = request.mutable_hello();
  hello->set_name(options_.name);
  hello->set_build(GetBuildInfo().Build());
  hello->set_cpu(GetBuildInfo().cpu);
  hello->set_kernel_id(kernel_id_);
  hello->set_protocol(v1::PROTOCOL_CURRENT);
  hello->set_leases(kLeases);
  return request;
}

void ActorLoop::OnMessage(const Link::SessionPtr& session, const v1::WorkResponse& response) {
  if (response.has_welcome()) {
    run_ = std::make_shared<const v1::WorkerWelcome>(response.welcome());
    stats_->connected = true;
    LogInfo("welcome", {{"run_id", run_->run_id()}, {"kernel", kernel_id_}});
    return;
  }
  if (!response.has_lease()) return;
  {
    absl::MutexLock lock(&mutex_);
    if (waiting_.size() < kMostWaiting) {
      waiting_.push_back({session, run_, response.lease()});
      stats_->waiting = static_cast<int64_t>(waiting_.size());
      return;
    }
  }
  session->stream.Send(TooManyLeases(response.lease().fencing()));
}

void ActorLoop::DropWaiting() {
  stats_->connected = false;
  absl::MutexLock lock(&mutex_);
  waiting_.clear();
  stats_->waiting = 0;
}

void ActorLoop::Work() {
  const auto due = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !waiting_.empty();
  };
  while (true) {
    Task task;
    {
      const PhaseTimer timer(stats_->wait);
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(&due));
      if (stopping_) return;
      task = std::move(waiting_.front());
      waiting_.pop_front();
      stats_->waiting = static_cast<int64_t>(waiting_.size());
    }
    Compute(std::move(task));
  }
}

void ActorLoop::Compute(Task task) {
  const Cancellation& cancellation = task.session->cancellation;
  ComputedLease computed = executor_.Compute(*task.run, task.lease, cancellation);
  if (computed.push == nullptr) {
    Answer(task, std::move(computed.answer));
    return;
  }
  const auto free = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !computed_;
  };
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&free));
  if (!stopping_) computed_ = Delivery{std::move(task), std::move(computed)};
}

void ActorLoop::Deliver() {
  const auto due = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || computed_.has_value();
  };
  while (true) {
    std::optional<Delivery> next;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(&due));
      if (stopping_) return;
      next.swap(computed_);
    }
    Answer(next->task, executor_.Deliver(std::move(next->computed), next->task.session->cancellation));
  }
}

absl::Status ActorLoop::Run() {
  const absl::Status status = link_.Run();
  LogTotals();
  return status;
}

void ActorLoop::Add(const v1::WorkRequest& request) {
  const v1::WorkResult& result = request.result();
  absl::MutexLock lock(&mutex_);
  if (request.has_failure()) {
    ++totals_.failures;
  } else if (result.has_rollout()) {
    ++totals_.rollouts;
    totals_.rollout_seconds += result.compute_seconds();
    totals_.push_seconds += result.push_seconds();
  } else {
    ++totals_.evaluations;
    totals_.evaluation_seconds += result.compute_seconds();
  }
}

void ActorLoop::LogTotals() {
  absl::MutexLock lock(&mutex_);
  LogInfo("actor has done", {{"rollouts", totals_.rollouts},
                             {"evaluations", totals_.evaluations},
                             {"failures", totals_.failures},
                             {"rollout_seconds", totals_.rollout_seconds},
                             {"push_seconds", totals_.push_seconds},
                             {"evaluation_seconds", totals_.evaluation_seconds}});
}

void ActorLoop::Answer(const Task& task, v1::WorkRequest request) {
  const Cancellation& cancellation = task.session->cancellation;
  if (cancellation.cancelled()) {
    ++stats_->dropped;
    LogInfo("lease dropped with its stream", {{"fencing", task.lease.fencing()}});
    return;
  }
  Add(request);
  if (request.has_failure()) {
    LogWarning("item failed", {{"fencing", task.lease.fencing()},
                               {"code", request.failure().code()},
                               {"message", request.failure().message()}});
  } else {
    LogDebug("item done", {{"fencing", task.lease.fencing()},
                           {"compute_seconds", request.result().compute_seconds()},
                           {"push_seconds", request.result().push_seconds()}});
  }
  const bool failed = request.has_failure();
  if (task.session->stream.Send(std::move(request))) {
    Count(task, failed);
  } else if (!cancellation.cancelled()) {
    LogWarning("result dropped: the coordinator does not read",
               {{"fencing", task.lease.fencing()}});
  }
}

void ActorLoop::Count(const Task& task, bool failed) {
  if (failed) {
    ++stats_->failures;
    return;
  }
  ++(task.lease.has_rollout() ? stats_->rollouts : stats_->evaluations);
  stats_->last_result_time = absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch());
}

}  // namespace shoal
