// The place of the run that is on, in a coordinator that serves one run after another: its services
// answer while it is there, and peers are told to come again while there is none.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "coordinator/run/run_loop.h"
#include "coordinator/service/peer_services.h"
#include "coordinator/service/run_host.h"
#include "coordinator/service/run_service.h"
#include "shoal/v1/learner.grpc.pb.h"
#include "shoal/v1/run.grpc.pb.h"
#include "shoal/v1/worker.grpc.pb.h"

namespace shoal {

// A run with what serves it.
struct RunSession {
  explicit RunSession(std::unique_ptr<RunLoop> loop)
      : host(std::move(loop)), workers(&host), learners(&host), runs(&host) {}

  RunHost host;
  WorkerServiceImpl workers;
  LearnerServiceImpl learners;
  RunServiceImpl runs;
};

// Thread safe.
class RunSeat {
 public:
  // A call that uses the session; it stays for as long as this lives.
  class Guest {
   public:
    explicit Guest(RunSeat* seat) : seat_(seat), session_(seat->Enter()) {}
    ~Guest() {
      if (session_ != nullptr) seat_->Leave();
    }
    Guest(const Guest&) = delete;
    Guest& operator=(const Guest&) = delete;

    // null: no run is on.
    RunSession* get() const { return session_; }
    RunSession* operator->() const { return session_; }

   private:
    RunSeat* const seat_;
    RunSession* const session_;
  };

  // Takes a session in; the seat must be free.
  void Take(std::unique_ptr<RunSession> session);

  // Ends the session: new calls meet no run, those that wait come back, streams end. Its run should
  // be over, or streams end only with their peers. False: some did not by the deadline; the seat is
  // still taken, and Clear can be called again.
  bool Clear(absl::Time deadline);

 private:
  RunSession* Enter();
  void Leave();

  absl::Mutex mutex_;
  std::unique_ptr<RunSession> session_ ABSL_GUARDED_BY(mutex_);
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
  int guests_ ABSL_GUARDED_BY(mutex_) = 0;
};

// The services of a run, by way of the seat. RunService answers NotFound where no run is on; peers are
// dismissed until `come_again` has passed.
class SeatWorkerService final
    : public v1::WorkerService::WithRawCallbackMethod_Work<v1::WorkerService::Service> {
 public:
  SeatWorkerService(RunSeat* seat, absl::Duration come_again)
      : seat_(seat), come_again_(come_again) {}
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Work(
      grpc::CallbackServerContext* context) override;

 private:
  RunSeat* const seat_;
  const absl::Duration come_again_;
};

class SeatLearnerService final
    : public v1::LearnerService::WithRawCallbackMethod_Learn<v1::LearnerService::Service> {
 public:
  SeatLearnerService(RunSeat* seat, absl::Duration come_again)
      : seat_(seat), come_again_(come_again) {}
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Learn(
      grpc::CallbackServerContext* context) override;

 private:
  RunSeat* const seat_;
  const absl::Duration come_again_;
};

class SeatRunService final : public v1::RunService::Service {
 public:
  explicit SeatRunService(RunSeat* seat) : seat_(seat) {}

  grpc::Status GetStatus(grpc::ServerContext* context, const v1::GetStatusRequest* request,
                         v1::GetStatusResponse* response) override;
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
  grpc::Status WatchRun(grpc::ServerContext* context, const v1::WatchRunRequest* request,
                        grpc::ServerWriter<v1::WatchRunResponse>* writer) override;

 private:
  RunSeat* const seat_;
};

}  // namespace shoal
