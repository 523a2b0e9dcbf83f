// One server side of a bidirectional stream over gRPC's callback API: reads one message after
// another, queues what is to be written, and ends once.
//
// The peer may be anybody: the size of a message is looked at before it is parsed, one that cannot be
// parsed ends the stream, and so does the guard's deadline. A stream that is ended so is refused: the
// peer gets a status, and the guard's log a line.
//
// Derived classes get OnMessage for each message (never two at a time) and OnEnd exactly once, after
// which nothing more arrives; the object deletes itself afterwards. Send, Close and Refuse may be
// called from any thread until OnEnd returns.
#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/rpc.h"
#include "common/rpc_counts.h"
#include "coordinator/service/stream_guard.h"

namespace shoal {

struct BidiLimits {
  // A peer that lets more messages pile up is cut off.
  size_t max_queue = 256;
  // From the beginning until Welcomed is called.
  absl::Duration hello = absl::Seconds(5);
  // From the end until the peer has taken it; then it is cut off.
  absl::Duration close = absl::Seconds(5);
};

template <class Request, class Response>
class BidiStream : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                   public GuardedStream {
 public:
  // method: one of CountedStream::kMethods. The guard must outlive the stream.
  BidiStream(grpc::CallbackServerContext* context, StreamGuard* guard, std::string_view method,
             const BidiLimits& limits)
      : context_(context),
        peer_(context->peer()),
        guard_(guard),
        service_(method.substr(method.find('.') + 1)),
        count_(method),
        limits_(limits) {
    SetDeadline(absl::Now() + limits.hello);
  }

  // Begins reading. Not in the constructor, since OnMessage is virtual. Where the guard has no room
  // the stream is refused instead.
  void Begin() {
    if (!guard_->Add(this, peer_)) {
      Refuse("too_many", absl::ResourceExhaustedError("there are too many streams, of all or of this host; try again"));
      return;
    }
    absl::MutexLock lock(&mutex_);
    ReadNext();
  }

  // Queues a message; never blocks. After the end it does nothing.
  void Send(const Response& response) {
    const bool full = [&] {
      absl::MutexLock lock(&mutex_);
      if (closing_) return false;
      if (queue_.size() >= limits_.max_queue) return true;
      grpc::ByteBuffer bytes;
      bool own;
      grpc::Status status = grpc::SerializationTraits<Response>::Serialize(response, &bytes, &own);
      if (!status.ok()) {
        CloseLocked(std::move(status));
        return false;
      }
      queue_.push_back(std::move(bytes));
      if (!writing_) WriteNext();
      return false;
    }();
    if (!full) return;
    Refuse("not_reading", absl::ResourceExhaustedError("the peer does not read what it is sent"));
    context_->TryCancel();
  }

  // Ends the stream with this status once everything queued is written.
  void Close(grpc::Status status) {
    absl::MutexLock lock(&mutex_);
    CloseLocked(std::move(status));
  }

  // Ends the stream, without what is queued, because of what the peer does; a line goes to the log.
  // reason: a word of the program's own.
  void Refuse(const char* reason, const absl::Status& status) {
    {
      absl::MutexLock lock(&mutex_);
      if (closing_) return;
      queue_.resize(writing_ ? 1 : 0);
      CloseLocked(ToGrpc(status));
    }
    Log(reason, status);
  }

  // Ends the stream at once: for peers that have gone silent.
  void Abort() { context_->TryCancel(); }

  void OnReadDone(bool ok) final {
    if (!ok) {
      // The peer closed its half, or the call was cancelled.
      Close(grpc::Status::OK);
      return;
    }
    Take();
    absl::MutexLock lock(&mutex_);
    ReadNext();
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
    // Last: who waits for the guard to be empty may take away what the stream used.
    guard_->Remove(this);
    delete this;
  }

  void OnDeadline() final {
    {
      absl::MutexLock lock(&mutex_);
      if (closing_) {
        context_->TryCancel();
        return;
      }
    }
    Refuse("no_hello", absl::DeadlineExceededError(absl::StrCat(
                           "no hello within ", absl::FormatDuration(limits_.hello))));
  }

 protected:
  virtual void OnMessage(Request& request) = 0;
  virtual void OnEnd() = 0;
  // The most bytes that the next message may have.
  virtual size_t MaxMessageBytes() = 0;

  // The hello is there: the stream may last as long as it likes.
  void Welcomed() {
    absl::MutexLock lock(&mutex_);
    if (!closing_) SetDeadline(absl::InfiniteFuture());
  }
  // For refusals that end the stream in another way than Refuse.
  void Log(const char* reason, const absl::Status& status) {
    guard_->refusals().Refused(service_, peer_, reason, std::string(status.message()));
  }

 private:
  // The message that was read.
  void Take() {
    const size_t most = MaxMessageBytes();
    if (incoming_.Length() > most) {
      Refuse("too_large", absl::ResourceExhaustedError(
                              absl::StrCat("a message of ", incoming_.Length(),
                                           " bytes where at most ", most, " are accepted")));
      incoming_.Clear();
      return;
    }
    Request request;
    if (!grpc::SerializationTraits<Request>::Deserialize(&incoming_, &request).ok()) {
      Refuse("malformed", absl::InvalidArgumentError("a message that cannot be read"));
      return;
    }
    OnMessage(request);
  }
  void ReadNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!closing_) this->StartRead(&incoming_);
  }
  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    writing_ = true;
    this->StartWrite(&queue_.front());
  }
  void CloseLocked(grpc::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (closing_) return;
    closing_ = true;
    status_ = std::move(status);
    SetDeadline(absl::Now() + limits_.close);
    if (!writing_) FinishOnce();
  }
  void FinishOnce() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (finished_) return;
    finished_ = true;
    count_.Ends(status_.error_code());
    this->Finish(status_);
  }

  grpc::CallbackServerContext* const context_;
  const std::string peer_;  // The context forgets it when the stream is cancelled.
  StreamGuard* const guard_;
  const std::string service_;  // For the log.
  CountedStream count_;
  const BidiLimits limits_;
  grpc::ByteBuffer incoming_;
  absl::Mutex mutex_;
  // The front is being written while writing_.
  std::deque<grpc::ByteBuffer> queue_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace shoal
