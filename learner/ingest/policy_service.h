// PolicyService (shoal/v1/rows.proto): the bytes of a policy version, in pieces of 64 KiB.
// NotFound: no such version here (yet). ResourceExhausted: too many calls at once. InvalidArgument: a
// name that no version can have. A call whose client does not read is cancelled.
#pragma once

#include "common/call_watchdog.h"
#include "common/refusal_log.h"
#include "learner/ingest/policy_store.h"
#include "shoal/v1/rows.grpc.pb.h"

namespace shoal {

struct PolicyServiceOptions {
  // idle: since a piece was taken.
  CallLimits calls{.calls = 128, .calls_per_host = 96};
  RefusalLogLimits log;
};

class PolicyServiceImpl final : public v1::PolicyService::Service {
 public:
  // The store must outlive the service.
  explicit PolicyServiceImpl(PolicyStore* store, const PolicyServiceOptions& options = {});

  grpc::Status GetPolicy(grpc::ServerContext* context, const v1::GetPolicyRequest* request,
                         grpc::ServerWriter<v1::GetPolicyResponse>* writer) override;

 private:
  PolicyStore* const store_;
  RefusalLog refusals_;
  CallWatchdog watchdog_;  // Last: its thread writes to the log of refusals.
};

}  // namespace shoal
