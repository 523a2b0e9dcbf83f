// Does what a lease asks for, from the policy's arrival to the record.
//
// In two halves, so that the next item can be computed while the rows of the last are pushed: Compute
// on one thread, Deliver on any other.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/cancellation.h"
#include "actor/actor_metrics.h"
#include "actor/policy_cache.h"
#include "actor/rollout/rows.h"
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

// Where rows go and policies come from. Thread safe.
struct LearnerStubs {
  std::string address;
  std::unique_ptr<v1::RowService::Stub> rows;
  std::unique_ptr<v1::PolicyService::Stub> policies;
};

// What is left to do for a lease that was computed.
struct ComputedLease {
  // The result of the lease, or its failure with a code and the reason; nothing else.
  v1::WorkRequest answer;
  // A rollout's, to be pushed before it is answered; null: there are none.
  struct Push {
    std::shared_ptr<const LearnerStubs> learner;
    v1::RowsHeader header;
    Rows rows;
  };
  std::unique_ptr<const Push> push;
};

class LeaseExecutor {
 public:
  explicit LeaseExecutor(ExecutorOptions options,
                         std::shared_ptr<ActorStats> stats = std::make_shared<ActorStats>());

  // All but the push. After a cancellation it comes back as soon as it can (a computation is finished
  // first). One thread at a time.
  ComputedLease Compute(const v1::WorkerWelcome& run, const v1::Lease& lease,
                        const Cancellation& cancellation);
  // Pushes the rows, if there are any, and gives the answer; a failure where they cannot be pushed.
  // Thread safe.
  v1::WorkRequest Deliver(ComputedLease computed, const Cancellation& cancellation) const;

 private:
  absl::Status Rollout(const v1::WorkerWelcome& run, const v1::RolloutItem& item,
                       const Cancellation& cancellation, ComputedLease* computed);
  absl::Status Evaluate(const v1::WorkerWelcome& run, const v1::EvaluationItem& item,
                        const Cancellation& cancellation, v1::WorkResult* result);

  // Connects to the lease's learner unless it is the one of the lease before.
  absl::Status UseLearner(const std::string& address);
  absl::StatusOr<PolicyBackend*> Policy(const std::string& sha256,
                                        const Cancellation& cancellation);

  const ExecutorOptions options_;
  const std::shared_ptr<ActorStats> stats_;
  // Of the lease before.
  std::shared_ptr<const LearnerStubs> learner_;
  PolicyCache policies_;
};

}  // namespace shoal
