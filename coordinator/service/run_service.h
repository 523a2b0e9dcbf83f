// RunService: what people and their tools ask.
#pragma once

#include <grpcpp/grpcpp.h>

#include "common/call_watchdog.h"
#include "common/refusal_log.h"
#include "coordinator/service/run_host.h"
#include "shoal/v1/run.grpc.pb.h"

namespace shoal {

struct RunServiceOptions {
  // Each watcher holds a thread; beyond so many WatchRun is refused with ResourceExhausted, and the
  // other calls find threads.
  size_t watchers = 64;
  // A watcher that has not taken a status for so long is cut off. More than the longest interval, a
  // minute.
  absl::Duration patience = absl::Seconds(90);
  RefusalLogLimits log;
};

// Thread safe. The host must outlive it.
class RunServiceImpl final : public v1::RunService::Service {
 public:
  explicit RunServiceImpl(RunHost* host, const RunServiceOptions& options = {});

  grpc::Status GetStatus(grpc::ServerContext* context, const v1::GetStatusRequest* request,
                         v1::GetStatusResponse* response) override;
  grpc::Status WatchRun(grpc::ServerContext* context, const v1::WatchRunRequest* request,
                        grpc::ServerWriter<v1::WatchRunResponse>* writer) override;
  grpc::Status StopRun(grpc::ServerContext* context, const v1::StopRunRequest* request,
                       v1::StopRunResponse* response) override;

 private:
  RunHost* const host_;
  RefusalLog refusals_;
  CallWatchdog watchdog_;  // Last: its thread writes to the log of refusals.
};

}  // namespace shoal
