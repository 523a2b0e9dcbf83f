// One server side of a bidirectional stream over gRPC's callback API: reads one message after
// another, queues what is to be written, and ends once.
//
// Derived classes get OnMessage for each message (never two at a time) and OnEnd exactly once, after
// which nothing more arrives; the object deletes itself afterwards. Send and Close may be called from
// any thread until OnEnd returns.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstddef>
#include <deque>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace shoal {

template <class Request, class Response>
class BidiStream : public grpc::ServerBidiReactor<Request, Response> {
 public:
  // A peer that lets more than max_queue messages pile up is cut off.
  BidiStream(grpc::CallbackServerContext* context, size_t max_queue)
      : context_(context), max_queue_(max_queue) {}

  // Begins reading. Not in the constructor, since OnMessage is virtual.
  void Begin() { this->StartRead(&request_); }

  // Queues a message; never blocks. After Close it does nothing.
  void Send(Response response) {
    absl::MutexLock lock(&mutex_);
    if (closing_) return;
    if (queue_.size() >= max_queue_) {
      CloseLocked(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED,
                               "the peer does not read what it is sent"));
      context_->TryCancel();
      return;
    }
    queue_.push_back(std::move(response));
    if (!writing_) WriteNext();
  }

  // Ends the stream with this status once everything queued is written.
  void Close(grpc::Status status) {
    absl::MutexLock lock(&mutex_);
    CloseLocked(std::move(status));
  }

  // Ends the stream at once: for peers that have gone silent.
  void Abort() { context_->TryCancel(); }

  void OnReadDone(bool ok) final {
    if (!ok) {
      // The peer closed its half, or the call was cancelled.
      Close(grpc::Status::OK);
      return;
    }
    OnMessage(request_);
    this->StartRead(&request_);
  }

  void OnWriteDone(bool ok) final {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    queue_.pop_front();
    if (!ok) queue_.clear();
    if (!queue_.empty()) {
      WriteNext();
    } else if (closing_) {
      FinishOnce();
    }
  }

  void OnDone() final {
    OnEnd();
    delete this;
  }

 protected:
  virtual void OnMessage(const Request& request) = 0;
  virtual void OnEnd() = 0;

 private:
  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    writing_ = true;
    this->StartWrite(&queue_.front());
  }
  void CloseLocked(grpc::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (closing_) return;
    closing_ = true;
    status_ = std::move(status);
    if (!writing_) FinishOnce();
  }
  void FinishOnce() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (finished_) return;
    finished_ = true;
    this->Finish(status_);
  }

  grpc::CallbackServerContext* const context_;
  const size_t max_queue_;
  Request request_;
  absl::Mutex mutex_;
  // The front is being written while writing_.
  std::deque<Response> queue_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace shoal
