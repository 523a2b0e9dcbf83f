// QueueService over the line of runs.
#pragma once

#include <grpcpp/grpcpp.h>

#include <string>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/call_watchdog.h"
#include "common/peer_counts.h"
#include "common/refusal_log.h"
#include "coordinator/queue/queue_keeper.h"
#include "shoal/v1/queue.grpc.pb.h"

namespace shoal {

struct QueueServiceOptions {
  // Calls of one host, for each method: at once, and per second in the long run. More are refused with
  // ResourceExhausted. Asking is GetRun and ListRuns.
  double asked_burst = 1000;
  double asked_per_second = 500;
  // What changes the line, or walks through a run's folder: SubmitRun, ResumeRun, CancelRun,
  // ListRunFiles. At once: as many as there may be runs in line.
  double ordered_burst = 1000;
  double ordered_per_second = 20;
  // FetchRunFile: a run has hundreds of files, which are fetched one after another.
  double fetched_burst = 5000;
  double fetched_per_second = 1000;
  // Bytes of one host's submissions, which stay on the disk.
  double submitted_burst = 256 << 20;
  double submitted_per_second = 1 << 20;
  // Files fetched at a time, each of which holds a thread; further calls are refused with
  // ResourceExhausted.
  size_t fetches = 32;
  size_t fetches_per_host = 16;
  // Who does not read for so long is cut off.
  absl::Duration patience = absl::Seconds(30);
  // Of one file.
  absl::Duration fetch_limit = absl::Hours(1);
  RefusalLogLimits log;
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
  // ResourceExhausted where the caller's host asks more often than `rates`, one of those below, lets
  // it, or sends more bytes.
  grpc::Status Admit(const grpc::ServerContext& context, const char* method, PeerRates& rates);
  grpc::Status AdmitBytes(const grpc::ServerContext& context, const char* method, size_t bytes);
  grpc::Status Refuse(const std::string& peer, const char* method, const char* reason,
                      const char* says);
  // The folder of a run that is not on.
  absl::StatusOr<std::string> QuietRun(const std::string& name) const;

  QueueKeeper* const keeper_;
  absl::Mutex mutex_;  // Of the rates.
  PeerRates asked_;
  PeerRates ordered_;
  PeerRates fetched_;
  PeerRates submitted_bytes_;
  RefusalLog refusals_;
  CallWatchdog watchdog_;  // Last: its thread writes to the log of refusals.
};

}  // namespace shoal
