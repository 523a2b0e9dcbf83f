#include "coordinator/service/run_service.h"

#include <algorithm>

namespace shoal {
namespace {

constexpr absl::Duration kShortestInterval = absl::Milliseconds(50);
constexpr absl::Duration kDefaultInterval = absl::Milliseconds(200);

absl::Duration IntervalOf(const google::protobuf::Duration& interval) {
  const absl::Duration duration =
      absl::Seconds(interval.seconds()) + absl::Nanoseconds(interval.nanos());
  if (duration <= absl::ZeroDuration()) return kDefaultInterval;
  return std::clamp(duration, kShortestInterval, absl::Minutes(1));
}

bool Over(const v1::RunStatus& status) {
  return status.state() == v1::RunStatus::STATE_DONE ||
         status.state() == v1::RunStatus::STATE_STOPPED ||
         status.state() == v1::RunStatus::STATE_FAILED;
}

}  // namespace

grpc::Status RunServiceImpl::GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                                       v1::GetStatusResponse* response) {
  *response->mutable_status() = host_->Status();
  return grpc::Status::OK;
}

grpc::Status RunServiceImpl::WatchRun(grpc::ServerContext* context,
                                      const v1::WatchRunRequest* request,
                                      grpc::ServerWriter<v1::WatchRunResponse>* writer) {
  const absl::Duration interval = IntervalOf(request->interval());
  while (!context->IsCancelled()) {
    v1::WatchRunResponse response;
    *response.mutable_status() = host_->Status();
    if (!writer->Write(response) || Over(response.status())) break;
    if (host_->WaitUntilOver(absl::Now() + interval) && !Over(host_->Status())) break;
  }
  return grpc::Status::OK;
}

grpc::Status RunServiceImpl::StopRun(grpc::ServerContext*, const v1::StopRunRequest*,
                                     v1::StopRunResponse* response) {
  host_->With([](RunLoop& loop, absl::Time now) { loop.Stop(now); });
  *response->mutable_status() = host_->Status();
  return grpc::Status::OK;
}

}  // namespace shoal
