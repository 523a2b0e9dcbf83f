#include "coordinator/service/peer_services.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/logging.h"
#include "common/rpc.h"
#include "coordinator/run/ports.h"
#include "coordinator/service/bidi_stream.h"

namespace shoal {
namespace {

// A peer has at most a lease or an order and some heartbeats' answers on the way.
constexpr size_t kMaxQueued = 256;

template <class Response>
Response Dismiss(const absl::Status& status) {
  Response response;
  response.mutable_dismissal()->set_reason(v1::Dismissal::REASON_UNFIT);
  response.mutable_dismissal()->set_message(std::string(status.message()));
  return response;
}

class WorkerStream final : public BidiStream<v1::WorkRequest, v1::WorkResponse>, public WorkerPort {
 public:
  WorkerStream(grpc::CallbackServerContext* context, RunHost* host)
      : BidiStream(context, kMaxQueued), host_(host) {}

  void Send(v1::WorkResponse response) override {
    const bool last = response.has_dismissal();
    BidiStream::Send(std::move(response));
    if (last) Close(grpc::Status::OK);
  }
  void Abort() override { BidiStream::Abort(); }

 protected:
  void OnMessage(const v1::WorkRequest& message) override {
    if (id_ != 0) {
      host_->With([&](RunLoop& loop, absl::Time now) { loop.OnWorkerMessage(id_, message, now); });
    } else if (!message.has_hello()) {
      Close(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "a worker opens with its hello"));
    } else {
      auto id = host_->With([&](RunLoop& loop, absl::Time now) {
        return loop.WorkerArrived(message.hello(), this, now);
      });
      if (id.ok()) {
        id_ = *id;
      } else {
        LogWarning("actor refused", {{"worker", message.hello().name()}, {"reason", id.status()}});
        Send(Dismiss<v1::WorkResponse>(id.status()));
      }
    }
  }
  void OnEnd() override {
    if (id_ == 0) return;
    host_->With([&](RunLoop& loop, absl::Time now) { loop.WorkerGone(id_, now); });
  }

 private:
  RunHost* const host_;
  WorkerId id_ = 0;  // Used by the stream's reading side alone.
};

class LearnerStream final : public BidiStream<v1::LearnRequest, v1::LearnResponse>,
                            public LearnerPort {
 public:
  LearnerStream(grpc::CallbackServerContext* context, RunHost* host)
      : BidiStream(context, kMaxQueued), host_(host) {}

  void Send(v1::LearnResponse response) override {
    const bool last = response.has_dismissal();
    BidiStream::Send(std::move(response));
    if (last) Close(grpc::Status::OK);
  }
  void Abort() override { BidiStream::Abort(); }

 protected:
  void OnMessage(const v1::LearnRequest& message) override {
    if (arrived_) {
      host_->With(
          [&](RunLoop& loop, absl::Time now) { loop.OnLearnerMessage(this, message, now); });
    } else if (!message.has_hello()) {
      Close(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "a learner opens with its hello"));
    } else {
      const absl::Status status = host_->With([&](RunLoop& loop, absl::Time now) {
        return loop.LearnerArrived(message.hello(), this, now);
      });
      arrived_ = status.ok();
      if (arrived_) return;
      LogWarning("learner refused", {{"reason", status}});
      if (absl::IsFailedPrecondition(status)) {
        Send(Dismiss<v1::LearnResponse>(status));
      } else {
        Close(ToGrpc(status));
      }
    }
  }
  void OnEnd() override {
    if (!arrived_) return;
    host_->With([&](RunLoop& loop, absl::Time now) { loop.LearnerGone(this, now); });
  }

 private:
  RunHost* const host_;
  bool arrived_ = false;  // Used by the stream's reading side alone.
};

}  // namespace

grpc::ServerBidiReactor<v1::WorkRequest, v1::WorkResponse>* WorkerServiceImpl::Work(
    grpc::CallbackServerContext* context) {
  auto* stream = new WorkerStream(context, host_);  // deletes itself
  stream->Begin();
  return stream;
}

grpc::ServerBidiReactor<v1::LearnRequest, v1::LearnResponse>* LearnerServiceImpl::Learn(
    grpc::CallbackServerContext* context) {
  auto* stream = new LearnerStream(context, host_);  // deletes itself
  stream->Begin();
  return stream;
}

}  // namespace shoal
