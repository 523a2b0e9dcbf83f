// Does what a lease asks for, from the policy's arrival to the record.
//
// Not thread safe.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/cancellation.h"
#include "actor/actor_metrics.h"
#include "actor/policy_cache.h"
#include "actor/row_sender.h"
#include "shoal/v1/rows.grpc.pb.h"
#include "shoal/v1/worker.pb.h"

namespace shoal {

struct ExecutorOptions {
  std::string backend = "fused";
  // Policies kept as backends: those of two iterations, and of evaluations that run beside them.
  size_t policies = 4;
  // Between two pieces of a policy.
  absl::Duration fetch_limit = absl::Seconds(30);
  // An unreachable learner is tried again for so long; then the item fails.
  absl::Duration unavailable_limit = absl::Seconds(3);
  absl::Duration retry_interval = absl::Milliseconds(100);
  PushLimits push;
};

class LeaseExecutor {
 public:
  explicit LeaseExecutor(ExecutorOptions options,
                         std::shared_ptr<ActorStats> stats = std::make_shared<ActorStats>());

  // The result of the lease, or its failure with a code and the reason; nothing else. After a
  // cancellation it comes back as soon as it can (a computation is finished first).
  v1::WorkRequest Execute(const v1::WorkerWelcome& run, const v1::Lease& lease,
                          const Cancellation& cancellation);

 private:
  struct Learner {
    std::string address;
    std::unique_ptr<v1::RowService::Stub> rows;
    std::unique_ptr<v1::PolicyService::Stub> policies;
  };

  absl::StatusOr<v1::WorkResult> Compute(const v1::WorkerWelcome& run, const v1::Lease& lease,
                                         const Cancellation& cancellation);
  absl::Status Rollout(const v1::WorkerWelcome& run, const v1::RolloutItem& item,
                       const Cancellation& cancellation, v1::WorkResult* result);
  absl::Status Evaluate(const v1::WorkerWelcome& run, const v1::EvaluationItem& item,
                        const Cancellation& cancellation, v1::WorkResult* result);

  // Connects to the lease's learner unless it is the one of the lease before.
  absl::Status UseLearner(const std::string& address);
  absl::StatusOr<PolicyBackend*> Policy(const std::string& sha256,
                                        const Cancellation& cancellation);

  const ExecutorOptions options_;
  const std::shared_ptr<ActorStats> stats_;
  Learner learner_;
  PolicyCache policies_;
};

}  // namespace shoal
