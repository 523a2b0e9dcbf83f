// Watches the open streams of one service: how many there are, and when each has to be done with what
// it is expected to do. Owns the log of the service's refusals.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/peer_counts.h"
#include "common/refusal_log.h"

namespace shoal {

// A stream with a deadline that may move. OnDeadline is called by the guard's thread once the deadline
// has passed, again and again until it is moved; it must not call the guard.
class GuardedStream {
 public:
  virtual ~GuardedStream() = default;
  virtual void OnDeadline() = 0;

  // Any thread.
  void SetDeadline(absl::Time deadline) { deadline_ = absl::ToUnixNanos(deadline); }
  bool Late(absl::Time now) const { return absl::ToUnixNanos(now) >= deadline_; }

 private:
  std::atomic<int64_t> deadline_ = std::numeric_limits<int64_t>::max();
};

// Thread safe. All streams must be gone before it.
class StreamGuard {
 public:
  // most, most_per_host: streams at a time. period: how late a deadline may be noticed.
  StreamGuard(size_t most, size_t most_per_host, absl::Duration period,
              const RefusalLogLimits& log);
  ~StreamGuard();

  // False: there are too many streams, of all or of the peer's host, and this one is not watched. It
  // must be removed all the same.
  bool Add(GuardedStream* stream, const std::string& peer);
  // Once for every stream: afterwards it is not called any more.
  void Remove(GuardedStream* stream);
  size_t streams() const;
  // Until no stream is left, watched or not, or the deadline. True: none is left, and none of those
  // that were there will use the guard or what it was made with any more.
  bool AwaitEmpty(absl::Time deadline) const;

  RefusalLog& refusals() { return refusals_; }

 private:
  void Loop();

  const size_t most_;
  const absl::Duration period_;
  RefusalLog refusals_;
  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<GuardedStream*, std::string> streams_ ABSL_GUARDED_BY(mutex_);  // with their hosts
  PeerCounts hosts_ ABSL_GUARDED_BY(mutex_);
  std::set<GuardedStream*> unwatched_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace shoal
