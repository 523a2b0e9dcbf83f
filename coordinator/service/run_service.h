// RunService: what people and their tools ask.
#pragma once

#include <grpcpp/grpcpp.h>

#include "coordinator/service/run_host.h"
#include "shoal/v1/run.grpc.pb.h"

namespace shoal {

// Thread safe. The host must outlive it.
class RunServiceImpl final : public v1::RunService::Service {
 public:
  explicit RunServiceImpl(RunHost* host) : host_(host) {}

  grpc::Status GetStatus(grpc::ServerContext* context, const v1::GetStatusRequest* request,
                         v1::GetStatusResponse* response) override;
  grpc::Status WatchRun(grpc::ServerContext* context, const v1::WatchRunRequest* request,
                        grpc::ServerWriter<v1::WatchRunResponse>* writer) override;
  grpc::Status StopRun(grpc::ServerContext* context, const v1::StopRunRequest* request,
                       v1::StopRunResponse* response) override;

 private:
  RunHost* const host_;
};

}  // namespace shoal
