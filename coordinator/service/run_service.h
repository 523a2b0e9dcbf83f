// RunService: what people and their tools ask.
#pragma once

#include <grpcpp/grpcpp.h>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/call_watchdog.h"
#include "common/peer_counts.h"
#include "common/refusal_log.h"
#include "coordinator/service/run_host.h"
#include "shoal/v1/run.grpc.pb.h"

namespace shoal {

struct RunServiceOptions {
  // Each watcher holds a thread; beyond so many WatchRun is refused with ResourceExhausted, and the
  // other calls find threads.
  size_t watchers = 64;
  // Of one host, so that none keeps the others out.
  size_t watchers_per_host = 48;
  // Of one host, for each of the other calls: at once, and per second in the long run.
  double calls_burst = 1000;
  double calls_per_second = 500;
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
  grpc::Status GiveOrder(grpc::ServerContext* context, const v1::GiveOrderRequest* request,
                         v1::GiveOrderResponse* response) override;
  grpc::Status ListOrders(grpc::ServerContext* context, const v1::ListOrdersRequest* request,
                          v1::ListOrdersResponse* response) override;
  grpc::Status GetGate(grpc::ServerContext* context, const v1::GetGateRequest* request,
                       v1::GetGateResponse* response) override;
  grpc::Status GetTail(grpc::ServerContext* context, const v1::GetTailRequest* request,
                       v1::GetTailResponse* response) override;
  grpc::Status DescribeRun(grpc::ServerContext* context, const v1::DescribeRunRequest* request,
                           v1::DescribeRunResponse* response) override;

 private:
  // ResourceExhausted where the caller's host asks too often.
  grpc::Status Admit(const grpc::ServerContext& context, const char* method);

  RunHost* const host_;
  absl::Mutex mutex_;
  PeerRates rates_ ABSL_GUARDED_BY(mutex_);
  RefusalLog refusals_;
  CallWatchdog watchdog_;  // Last: its thread writes to the log of refusals.
};

}  // namespace shoal
