#include "actor/lease_executor.h"

#include <chrono>
#include <utility>

#include "actor/evaluation/evaluation.h"
#include "actor/rollout/rollout.h"
#include "common/rpc.h"

namespace shoal {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Calls `attempt` again while the learner is unavailable or began anew in the middle, for a while.
template <class Attempt>
auto Persistently(const ExecutorOptions& options, const Cancellation& cancellation,
                  const Attempt& attempt) -> decltype(attempt()) {
  const Clock::time_point end = Clock::now() + absl::ToChronoNanoseconds(options.unavailable_limit);
  while (true) {
    auto result = attempt();
    const absl::StatusCode code = result.status().code();
    if (code != absl::StatusCode::kUnavailable && code != absl::StatusCode::kAborted) return result;
    if (Clock::now() >= end || cancellation.WaitFor(options.retry_interval)) return result;
  }
}

v1::WorkRequest Failure(uint64_t fencing, const absl::Status& status) {
  v1::WorkRequest request;
  request.mutable_failure()->set_fencing(fencing);
  // absl::StatusCode has the numbers of google.rpc.Code.
  request.mutable_failure()->set_code(static_cast<int32_t>(status.code()));
  request.mutable_failure()->set_message(std::string(status.message()));
  return request;
}

}  // namespace

LeaseExecutor::LeaseExecutor(ExecutorOptions options, std::shared_ptr<ActorStats> stats)
    : options_(std::move(options)), stats_(std::move(stats)), policies_(options_.backend, options_.policies) {}

ComputedLease LeaseExecutor::Compute(const v1::WorkerWelcome& run, const v1::Lease& lease,
                                     const Cancellation& cancellation) {
  ComputedLease computed;
  v1::WorkResult* result = computed.answer.mutable_result();
  result->set_fencing(lease.fencing());
  absl::Status status = UseLearner(lease.learner_address());
  if (status.ok()) {
    switch (lease.item_case()) {
      case v1::Lease::kRollout:
        status = Rollout(run, lease.rollout(), cancellation, &computed);
        break;
      case v1::Lease::kEvaluation:
        status = Evaluate(run, lease.evaluation(), cancellation, result);
        break;
      case v1::Lease::ITEM_NOT_SET:
        status = absl::UnimplementedError("a lease of a kind of item that this actor does not know");
    }
  }
  if (!status.ok()) computed = {Failure(lease.fencing(), status), nullptr};
  return computed;
}

v1::WorkRequest LeaseExecutor::Deliver(ComputedLease computed, const Cancellation& cancellation) const {
  if (computed.push == nullptr) return std::move(computed.answer);
  const ComputedLease::Push& push = *computed.push;
  v1::WorkResult& result = *computed.answer.mutable_result();
  const Clock::time_point begin = Clock::now();
  const absl::StatusOr<std::string> session = Persistently(options_, cancellation, [&] {
    const InProgress open(stats_->pushes_open);
    return PushRows(*push.learner->rows, push.header, push.rows, cancellation, options_.push,
                    stats_.get());
  });
  if (!session.ok()) return Failure(result.fencing(), session.status());
  result.set_push_seconds(SecondsSince(begin));
  stats_->push.Observe(result.push_seconds());
  result.set_learner_session(*session);
  return std::move(computed.answer);
}

absl::Status LeaseExecutor::Rollout(const v1::WorkerWelcome& run, const v1::RolloutItem& item,
                                    const Cancellation& cancellation, ComputedLease* computed) {
  const absl::StatusOr<PolicyBackend*> policy = Policy(item.policy_sha256(), cancellation);
  if (!policy.ok()) return policy.status();
  v1::WorkResult& result = *computed->answer.mutable_result();
  const Clock::time_point begin = Clock::now();
  stats_->policy_version = item.plan().policy_version();
  absl::StatusOr<RolloutResult> rollout = ComputeRollout(run.options(), item, **policy);
  if (!rollout.ok()) return rollout.status();
  result.set_compute_seconds(SecondsSince(begin));
  stats_->rollout.Observe(result.compute_seconds());
  stats_->environment_steps += rollout->record.environment_steps();
  result.set_rollout(rollout->record.SerializeAsString());

  auto push = std::make_unique<ComputedLease::Push>();
  push->learner = learner_;
  push->header = MakeRowsHeader(run.run_id(), rollout->record, rollout->rows.obs_dim);
  push->rows = std::move(rollout->rows);
  computed->push = std::move(push);
  return absl::OkStatus();
}

absl::Status LeaseExecutor::Evaluate(const v1::WorkerWelcome& run, const v1::EvaluationItem& item,
                                     const Cancellation& cancellation, v1::WorkResult* result) {
  const absl::StatusOr<PolicyBackend*> policy = Policy(item.policy_sha256(), cancellation);
  if (!policy.ok()) return policy.status();
  const Clock::time_point begin = Clock::now();
  const absl::StatusOr<v1::EvaluationEpisode> episode =
      ComputeEvaluation(run.options(), item, **policy);
  if (!episode.ok()) return episode.status();
  result->set_compute_seconds(SecondsSince(begin));
  stats_->evaluate.Observe(result->compute_seconds());
  result->set_evaluation(episode->SerializeAsString());
  return absl::OkStatus();
}

absl::Status LeaseExecutor::UseLearner(const std::string& address) {
  if (learner_ != nullptr && learner_->address == address) return absl::OkStatus();
  const absl::StatusOr<std::shared_ptr<grpc::Channel>> channel =
      ConnectChannel(address, {kBulkKeepalive, Role::kLearner});
  if (!channel.ok()) return channel.status();
  learner_ = std::make_shared<const LearnerStubs>(LearnerStubs{
      address, v1::RowService::NewStub(*channel), v1::PolicyService::NewStub(*channel)});
  return absl::OkStatus();
}

absl::StatusOr<PolicyBackend*> LeaseExecutor::Policy(const std::string& sha256,
                                                     const Cancellation& cancellation) {
  const PhaseTimer timer(stats_->fetch);
  return Persistently(options_, cancellation, [&] {
    return policies_.Get(sha256, *learner_->policies, options_.fetch_limit);
  });
}

}  // namespace shoal
