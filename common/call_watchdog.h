// Ends calls of a synchronous server that have gone idle or take too long, and limits their number:
// a blocking Read or Write has no deadline of its own, and every call holds a thread.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/peer_counts.h"

namespace shoal {

struct CallLimits {
  // Since the last sign of progress. The first one may be awaited for less long.
  absl::Duration idle = absl::Seconds(30);
  absl::Duration first = absl::Seconds(30);
  // Since the call began.
  absl::Duration total = absl::Minutes(10);
  // At a time; and of one host, so that none keeps the others out.
  size_t calls = 256;
  size_t calls_per_host = 192;
};

class CallWatchdog {
 public:
  // Durations are taken as at most a year. `tick`, which may be null, is called by the watchdog's
  // thread about once a second.
  explicit CallWatchdog(const CallLimits& limits, std::function<void()> tick = nullptr);
  // All watches must be gone.
  ~CallWatchdog();

  // Watches one call for as long as it lives; it must not outlive the context. Its methods belong
  // to the call's thread.
  class Watch {
   public:
    Watch(CallWatchdog* watchdog, grpc::ServerContext* context);
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

    // False: there are too many calls already, of all or of this host, and this one should be
    // refused.
    bool accepted() const { return id_ != 0; }
    // The call made progress.
    void Touch();
    // The call may take so long from its beginning, if that is less than `total`.
    void LimitTotal(absl::Duration total);
    // Why the call was cancelled: "idle" or "too_long". Null: it was not, not by the watchdog.
    const char* expired() const;

   private:
    CallWatchdog* const watchdog_;
    uint64_t id_;
  };

 private:
  using Clock = std::chrono::steady_clock;
  struct Call {
    grpc::ServerContext* context = nullptr;
    std::string host;
    Clock::time_point began;
    Clock::time_point touched;
    std::chrono::nanoseconds idle{};
    std::chrono::nanoseconds total{};
    const char* expired = nullptr;
  };

  void Loop();
  // Cancels what is over its limits and says when to look again, within a second.
  Clock::time_point CancelExpired(Clock::time_point now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::chrono::nanoseconds idle_;
  const std::chrono::nanoseconds first_;
  const std::chrono::nanoseconds total_;
  const size_t most_calls_;
  const std::function<void()> tick_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<uint64_t, Call> calls_ ABSL_GUARDED_BY(mutex_);
  PeerCounts hosts_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace shoal
