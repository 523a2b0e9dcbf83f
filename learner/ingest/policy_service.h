// PolicyService (shoal/v1/rows.proto): the bytes of a policy version, in pieces of at most 1 MiB.
// NotFound: no such version here (yet).
#pragma once

#include "learner/ingest/policy_store.h"
#include "shoal/v1/rows.grpc.pb.h"

namespace shoal {

class PolicyServiceImpl final : public v1::PolicyService::Service {
 public:
  // The store must outlive the service.
  explicit PolicyServiceImpl(PolicyStore* store) : store_(store) {}

  grpc::Status GetPolicy(grpc::ServerContext* context, const v1::GetPolicyRequest* request,
                         grpc::ServerWriter<v1::GetPolicyResponse>* writer) override;

 private:
  PolicyStore* const store_;
};

}  // namespace shoal
