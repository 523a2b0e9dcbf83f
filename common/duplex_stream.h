// The client side of a bidirectional stream as a pair of bounded queues, over gRPC's callback API:
// sending never blocks, receiving waits with a time limit, and no thread is needed.
//
// Flow control: while inbox_limit messages wait to be taken, no more are read, and the peer's
// writing comes to a halt; while outbox_limit messages wait to be written, Send refuses.
//
// Thread safe. Must not be destroyed in a gRPC callback. The stub (or channel) must outlive it.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace shoal {

struct DuplexLimits {
  size_t inbox = 64;
  size_t outbox = 64;
};

enum class StreamEvent {
  kMessage,  // a message was taken
  kEnded,    // no message is left, and none will come; see status()
  kTimeout,  // neither, in the time given
};

template <class Request, class Response>
class DuplexStream final : private grpc::ClientBidiReactor<Request, Response> {
 public:
  using Reactor = grpc::ClientBidiReactor<Request, Response>;

  // `start` begins the call: stub.async()->Method(context, reactor).
  template <class Start>
  explicit DuplexStream(const Start& start, const DuplexLimits& limits = {}) : limits_(limits) {
    start(&context_, static_cast<Reactor*>(this));
    // Keeps the call open while no operation is on its way; Break lets go of it.
    this->AddHold();
    {
      absl::MutexLock lock(&mutex_);
      reading_ = true;
      this->StartRead(&incoming_);
    }
    this->StartCall();
  }

  // Cancels what is still going on.
  ~DuplexStream() override {
    Cancel();
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(this, &DuplexStream::Done));
  }

  // Queues a message. False: the stream has ended, or too much is queued.
  bool Send(Request request) {
    absl::MutexLock lock(&mutex_);
    if (broken_ || !writable_ || outbox_.size() >= limits_.outbox) return false;
    outbox_.push_back(std::move(request));
    if (outbox_.size() == 1) this->StartWrite(&outbox_.front());
    return true;
  }

  // Takes the oldest message, waiting for it for at most `timeout`.
  StreamEvent Receive(absl::Duration timeout, Response* response) {
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(this, &DuplexStream::HasNews), timeout);
    if (!inbox_.empty()) {
      *response = std::move(inbox_.front());
      inbox_.pop_front();
      ReadIfRoom();
      return StreamEvent::kMessage;
    }
    return done_ ? StreamEvent::kEnded : StreamEvent::kTimeout;
  }

  // Ends the call at once; the peer sees it cancelled.
  void Cancel() {
    context_.TryCancel();
    absl::MutexLock lock(&mutex_);
    Break();
  }

  // How the call ended. Only after kEnded.
  grpc::Status status() const {
    absl::MutexLock lock(&mutex_);
    return status_;
  }

 private:
  void OnReadDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    reading_ = false;
    if (!ok) {
      Break();
      return;
    }
    inbox_.push_back(std::move(incoming_));
    ReadIfRoom();
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    outbox_.pop_front();
    if (!ok) {
      // The call is over. What the peer sent before is still read; that reading fails in the end.
      outbox_.clear();
      writable_ = false;
      return;
    }
    if (!broken_ && !outbox_.empty()) this->StartWrite(&outbox_.front());
  }

  void OnDone(const grpc::Status& status) override {
    absl::MutexLock lock(&mutex_);
    status_ = status;
    broken_ = true;
    done_ = true;
  }

  void ReadIfRoom() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (broken_ || reading_ || inbox_.size() >= limits_.inbox) return;
    reading_ = true;
    this->StartRead(&incoming_);
  }

  // After this no operation is started, so the hold is not needed.
  void Break() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (broken_) return;
    broken_ = true;
    this->RemoveHold();
  }

  bool HasNews() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !inbox_.empty() || done_; }
  bool Done() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return done_; }

  const DuplexLimits limits_;
  grpc::ClientContext context_;
  mutable absl::Mutex mutex_;
  Response incoming_;  // Belongs to gRPC while reading_.
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool writable_ ABSL_GUARDED_BY(mutex_) = true;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<Response> inbox_ ABSL_GUARDED_BY(mutex_);
  std::deque<Request> outbox_ ABSL_GUARDED_BY(mutex_);  // The front is being written.
  grpc::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace shoal
