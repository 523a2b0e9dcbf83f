// WorkerService and LearnerService over the run loop: one stream a peer, within limits.
//
// A stream is refused, with one line in the log (as far as RefusalLog lets it), by
//   DeadlineExceeded   no hello in time
//   InvalidArgument    no hello first, a second hello, a message that cannot be read or is of no known
//                      kind, a field that is too long or does not show, an answer to no lease of this
//                      stream, a record that is not one of the lease's item
//   ResourceExhausted  too many streams, too large a message, too many messages, a peer that does not
//                      read
//   AlreadyExists      a second learner
// and dismissed where it does not fit the run.
#pragma once

#include <grpcpp/grpcpp.h>

#include "coordinator/service/peer_limits.h"
#include "coordinator/service/run_host.h"
#include "coordinator/service/stream_guard.h"
#include "shoal/v1/learner.grpc.pb.h"
#include "shoal/v1/worker.grpc.pb.h"

namespace shoal {

// Raw: messages come as bytes, so that their size is known before they are parsed.
//
// Thread safe. The host must outlive all streams.
class WorkerServiceImpl final
    : public v1::WorkerService::WithRawCallbackMethod_Work<v1::WorkerService::Service> {
 public:
  explicit WorkerServiceImpl(RunHost* host, const PeerLimits& limits = {});
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Work(
      grpc::CallbackServerContext* context) override;
  // StreamGuard::AwaitEmpty.
  bool AwaitNoStreams(absl::Time deadline) const { return guard_.AwaitEmpty(deadline); }

 private:
  RunHost* const host_;
  const PeerLimits limits_;
  StreamGuard guard_;
};

class LearnerServiceImpl final
    : public v1::LearnerService::WithRawCallbackMethod_Learn<v1::LearnerService::Service> {
 public:
  explicit LearnerServiceImpl(RunHost* host, const PeerLimits& limits = {});
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Learn(
      grpc::CallbackServerContext* context) override;
  // StreamGuard::AwaitEmpty.
  bool AwaitNoStreams(absl::Time deadline) const { return guard_.AwaitEmpty(deadline); }

 private:
  RunHost* const host_;
  const PeerLimits limits_;
  StreamGuard guard_;
};

}  // namespace shoal
