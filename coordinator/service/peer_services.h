// WorkerService and LearnerService over the run loop: one stream a peer.
#pragma once

#include <grpcpp/grpcpp.h>

#include "coordinator/service/run_host.h"
#include "shoal/v1/learner.grpc.pb.h"
#include "shoal/v1/worker.grpc.pb.h"

namespace shoal {

// Thread safe. The host must outlive all streams.
class WorkerServiceImpl final : public v1::WorkerService::CallbackService {
 public:
  explicit WorkerServiceImpl(RunHost* host) : host_(host) {}
  grpc::ServerBidiReactor<v1::WorkRequest, v1::WorkResponse>* Work(
      grpc::CallbackServerContext* context) override;

 private:
  RunHost* const host_;
};

class LearnerServiceImpl final : public v1::LearnerService::CallbackService {
 public:
  explicit LearnerServiceImpl(RunHost* host) : host_(host) {}
  grpc::ServerBidiReactor<v1::LearnRequest, v1::LearnResponse>* Learn(
      grpc::CallbackServerContext* context) override;

 private:
  RunHost* const host_;
};

}  // namespace shoal
