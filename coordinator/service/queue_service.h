// QueueService over the line of runs.
#pragma once

#include <grpcpp/grpcpp.h>

#include <string>

#include "absl/time/time.h"

#include "common/call_watchdog.h"
#include "common/refusal_log.h"
#include "coordinator/queue/queue_keeper.h"
#include "shoal/v1/queue.grpc.pb.h"

namespace shoal {

struct QueueServiceOptions {
  // Files fetched at a time, each of which holds a thread; further calls are refused with
  // ResourceExhausted.
  size_t fetches = 32;
  size_t fetches_per_host = 16;
  // Who does not read for so long is cut off.
  absl::Duration patience = absl::Seconds(30);
  // Of one file.
  absl::Duration fetch_limit = absl::Hours(1);
};

// Thread safe. The keeper must outlive it.
class QueueServiceImpl final : public v1::QueueService::Service {
 public:
  explicit QueueServiceImpl(QueueKeeper* keeper, const QueueServiceOptions& options = {});

  grpc::Status SubmitRun(grpc::ServerContext* context, const v1::SubmitRunRequest* request,
                         v1::SubmitRunResponse* response) override;
  grpc::Status ResumeRun(grpc::ServerContext* context, const v1::ResumeRunRequest* request,
                         v1::ResumeRunResponse* response) override;
  grpc::Status CancelRun(grpc::ServerContext* context, const v1::CancelRunRequest* request,
                         v1::CancelRunResponse* response) override;
  grpc::Status GetRun(grpc::ServerContext* context, const v1::GetRunRequest* request,
                      v1::GetRunResponse* response) override;
  grpc::Status ListRuns(grpc::ServerContext* context, const v1::ListRunsRequest* request,
                        v1::ListRunsResponse* response) override;
  grpc::Status ListRunFiles(grpc::ServerContext* context, const v1::ListRunFilesRequest* request,
                            v1::ListRunFilesResponse* response) override;
  grpc::Status FetchRunFile(grpc::ServerContext* context, const v1::FetchRunFileRequest* request,
                            grpc::ServerWriter<v1::FetchRunFileResponse>* writer) override;

 private:
  // The folder of a run that is not on.
  absl::StatusOr<std::string> QuietRun(const std::string& name) const;

  QueueKeeper* const keeper_;
  RefusalLog refusals_;
  CallWatchdog watchdog_;  // Last: its thread writes to the log of refusals.
};

}  // namespace shoal
