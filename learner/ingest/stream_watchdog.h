// Ends calls of a synchronous server that have gone idle or take too long: a blocking Read has no
// deadline of its own.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace shoal {

class StreamWatchdog {
 public:
  // idle: since the last Touch. total: since the call began. At most max_streams calls are watched.
  StreamWatchdog(absl::Duration idle, absl::Duration total, size_t max_streams);
  // All watches must be gone.
  ~StreamWatchdog();

  // Watches one call for as long as it lives; it must not outlive the context. Its methods belong
  // to the call's thread.
  class Watch {
   public:
    Watch(StreamWatchdog* watchdog, grpc::ServerContext* context);
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

    // False: there are too many calls already, and this one should be refused.
    bool accepted() const { return id_ != 0; }
    // The call made progress.
    void Touch();

   private:
    StreamWatchdog* const watchdog_;
    uint64_t id_;
  };

 private:
  using Clock = std::chrono::steady_clock;
  struct Stream {
    grpc::ServerContext* context;
    Clock::time_point began;
    Clock::time_point touched;
  };

  void Loop();
  // Cancels what is over its limits and says when to look again.
  Clock::time_point CancelExpired(Clock::time_point now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::chrono::nanoseconds idle_;
  const std::chrono::nanoseconds total_;
  const size_t max_streams_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<uint64_t, Stream> streams_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace shoal
