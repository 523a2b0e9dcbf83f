#include "coordinator/service/run_seat.h"

#include <cstdint>
#include <string_view>

#include "common/rpc_counts.h"
#include "google/protobuf/duration.pb.h"

namespace shoal {
namespace {

using PeerReactor = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;

grpc::Status NoRun() {
  return grpc::Status(grpc::StatusCode::NOT_FOUND,
                      "no run is on; `shoal runs --coordinator ADDRESS` has the line");
}

// Writes one message and ends the stream: nothing that the peer says matters. gRPC ends it in time
// where the peer does not read, since the server's keepalive does.
class Dismissing final : public PeerReactor {
 public:
  template <class Response>
  Dismissing(std::string_view method, const Response& response) : count_(method) {
    bool own;
    const grpc::Status status =
        grpc::SerializationTraits<Response>::Serialize(response, &bytes_, &own);
    count_.Ends(status.error_code());
    if (!status.ok()) {
      Finish(status);
      return;
    }
    StartWriteAndFinish(&bytes_, grpc::WriteOptions(), grpc::Status::OK);
  }
  void OnDone() override { delete this; }

 private:
  CountedStream count_;
  grpc::ByteBuffer bytes_;
};

template <class Response>
PeerReactor* Dismiss(std::string_view method, absl::Duration come_again) {
  Response response;
  v1::Dismissal* dismissal = response.mutable_dismissal();
  dismissal->set_reason(v1::Dismissal::REASON_NO_RUN);
  dismissal->set_message("no run is on");
  const int64_t nanos = absl::ToInt64Nanoseconds(come_again);
  dismissal->mutable_come_again()->set_seconds(nanos / 1'000'000'000);
  dismissal->mutable_come_again()->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
  return new Dismissing(method, response);  // Deletes itself.
}

// To the run that is on.
template <class Request, class Response>
grpc::Status Forward(RunSeat* seat,
                     grpc::Status (v1::RunService::Service::*method)(grpc::ServerContext*,
                                                                     const Request*, Response*),
                     grpc::ServerContext* context, const Request* request, Response* response) {
  const RunSeat::Guest run(seat);
  if (run.get() == nullptr) return NoRun();
  v1::RunService::Service& service = run->runs;
  return (service.*method)(context, request, response);
}

}  // namespace

RunSession* RunSeat::Enter() {
  absl::MutexLock lock(&mutex_);
  if (!open_) return nullptr;
  ++guests_;
  return session_.get();
}

void RunSeat::Leave() {
  absl::MutexLock lock(&mutex_);
  --guests_;
}

void RunSeat::Take(std::unique_ptr<RunSession> session) {
  absl::MutexLock lock(&mutex_);
  session_ = std::move(session);
  open_ = true;
}

bool RunSeat::Clear(absl::Time deadline) {
  RunSession* session = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    if (session_ == nullptr) return true;
    open_ = false;
    session = session_.get();
    session->host.Close();
    const auto left = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return guests_ == 0; };
    if (!mutex_.AwaitWithDeadline(absl::Condition(&left), deadline)) return false;
  }
  // No stream can begin any more.
  if (!session->workers.AwaitNoStreams(deadline)) return false;
  if (!session->learners.AwaitNoStreams(deadline)) return false;
  std::unique_ptr<RunSession> ended;
  absl::MutexLock lock(&mutex_);
  ended = std::move(session_);
  return true;
}

PeerReactor* SeatWorkerService::Work(grpc::CallbackServerContext* context) {
  const RunSeat::Guest run(seat_);
  if (run.get() != nullptr) return run->workers.Work(context);
  return Dismiss<v1::WorkResponse>("WorkerService.Work", come_again_);
}

PeerReactor* SeatLearnerService::Learn(grpc::CallbackServerContext* context) {
  const RunSeat::Guest run(seat_);
  if (run.get() != nullptr) return run->learners.Learn(context);
  return Dismiss<v1::LearnResponse>("LearnerService.Learn", come_again_);
}

grpc::Status SeatRunService::GetStatus(grpc::ServerContext* context,
                                       const v1::GetStatusRequest* request,
                                       v1::GetStatusResponse* response) {
  return Forward(seat_, &v1::RunService::Service::GetStatus, context, request, response);
}

grpc::Status SeatRunService::StopRun(grpc::ServerContext* context,
                                     const v1::StopRunRequest* request,
                                     v1::StopRunResponse* response) {
  return Forward(seat_, &v1::RunService::Service::StopRun, context, request, response);
}

grpc::Status SeatRunService::GiveOrder(grpc::ServerContext* context,
                                       const v1::GiveOrderRequest* request,
                                       v1::GiveOrderResponse* response) {
  return Forward(seat_, &v1::RunService::Service::GiveOrder, context, request, response);
}

grpc::Status SeatRunService::ListOrders(grpc::ServerContext* context,
                                        const v1::ListOrdersRequest* request,
                                        v1::ListOrdersResponse* response) {
  return Forward(seat_, &v1::RunService::Service::ListOrders, context, request, response);
}

grpc::Status SeatRunService::GetGate(grpc::ServerContext* context,
                                     const v1::GetGateRequest* request,
                                     v1::GetGateResponse* response) {
  return Forward(seat_, &v1::RunService::Service::GetGate, context, request, response);
}

grpc::Status SeatRunService::GetTail(grpc::ServerContext* context,
                                     const v1::GetTailRequest* request,
                                     v1::GetTailResponse* response) {
  return Forward(seat_, &v1::RunService::Service::GetTail, context, request, response);
}

grpc::Status SeatRunService::DescribeRun(grpc::ServerContext* context,
                                         const v1::DescribeRunRequest* request,
                                         v1::DescribeRunResponse* response) {
  return Forward(seat_, &v1::RunService::Service::DescribeRun, context, request, response);
}

grpc::Status SeatRunService::WatchRun(grpc::ServerContext* context,
                                      const v1::WatchRunRequest* request,
                                      grpc::ServerWriter<v1::WatchRunResponse>* writer) {
  return Forward(seat_, &v1::RunService::Service::WatchRun, context, request, writer);
}

}  // namespace shoal
