// Stand-ins for a coordinator: they greet whoever connects, answer heartbeats, keep everything else
// for the test, and say what the test tells them to.
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/rpc.h"
#include "shoal/v1/learner.grpc.pb.h"
#include "shoal/v1/worker.grpc.pb.h"

namespace shoal {

// No test waits longer for anything.
inline constexpr absl::Duration kTestDeadline = absl::Seconds(60);

// The coordinator's side of the streams of one service, one stream at a time.
template <class Request, class Response>
class FakePeer {
 public:
  using Stream = grpc::ServerReaderWriter<Response, Request>;

  // What the next stream gets for its hello.
  void Greet(Response greeting) {
    absl::MutexLock lock(&mutex_);
    greeting_ = std::move(greeting);
  }

  // Sends on the stream that was greeted last.
  void Send(const Response& response) {
    absl::MutexLock lock(&mutex_);
    ASSERT_NE(stream_, nullptr);
    stream_->Write(response);
  }

  // Breaks the stream that was greeted last.
  void Break() {
    absl::MutexLock lock(&mutex_);
    ASSERT_NE(context_, nullptr);
    context_->TryCancel();
  }

  // The next message that is not a heartbeat.
  Request Next() {
    absl::MutexLock lock(&mutex_);
    Request request;
    EXPECT_TRUE(
        mutex_.AwaitWithTimeout(absl::Condition(this, &FakePeer::HasMessage), kTestDeadline));
    if (messages_.empty()) return request;
    request = std::move(messages_.front());
    messages_.pop_front();
    return request;
  }

  // Waits until so many heartbeats have come in all.
  void AwaitHeartbeats(int count) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [&]()
                            ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return heartbeats_ >= count; };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&enough), kTestDeadline));
  }
  int heartbeats() {
    absl::MutexLock lock(&mutex_);
    return heartbeats_;
  }

  // The handler of the service.
  grpc::Status Serve(grpc::ServerContext* context, Stream* stream) {
    Request request;
    while (stream->Read(&request)) {
      absl::MutexLock lock(&mutex_);
      if (request.has_heartbeat()) {
        ++heartbeats_;
        Response response;
        *response.mutable_heartbeat() = request.heartbeat();
        stream->Write(response);
        continue;
      }
      if (request.has_hello()) {
        stream_ = stream;
        context_ = context;
        stream->Write(greeting_);
      }
      messages_.push_back(request);
    }
    absl::MutexLock lock(&mutex_);
    if (stream_ == stream) {
      stream_ = nullptr;
      context_ = nullptr;
    }
    return grpc::Status::OK;
  }

 private:
  bool HasMessage() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !messages_.empty(); }

  absl::Mutex mutex_;
  Response greeting_ ABSL_GUARDED_BY(mutex_);
  Stream* stream_ ABSL_GUARDED_BY(mutex_) = nullptr;
  grpc::ServerContext* context_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::deque<Request> messages_ ABSL_GUARDED_BY(mutex_);
  int heartbeats_ ABSL_GUARDED_BY(mutex_) = 0;
};

using FakeWorkerPeer = FakePeer<v1::WorkRequest, v1::WorkResponse>;
using FakeLearnerPeer = FakePeer<v1::LearnRequest, v1::LearnResponse>;

class FakeWorkerService final : public v1::WorkerService::Service {
 public:
  grpc::Status Work(grpc::ServerContext* context, FakeWorkerPeer::Stream* stream) override {
    return peer.Serve(context, stream);
  }
  FakeWorkerPeer peer;
};

class FakeLearnerService final : public v1::LearnerService::Service {
 public:
  grpc::Status Learn(grpc::ServerContext* context, FakeLearnerPeer::Stream* stream) override {
    return peer.Serve(context, stream);
  }
  FakeLearnerPeer peer;
};

// Both welcomes have these.
template <class Welcome>
void FillWelcome(const std::string& run_id, const v1::RunOptions& options, Welcome* welcome) {
  welcome->set_run_id(run_id);
  *welcome->mutable_options() = options;
  welcome->mutable_heartbeat_interval()->set_nanos(20'000'000);
}

}  // namespace shoal
