// The run loop among threads: one lock around it, a thread that ticks it, one that writes its commits,
// and a way to wait for the end. Every event comes in through With().
#pragma once

#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "coordinator/run/run_loop.h"
#include "coordinator/service/background_thread.h"

namespace shoal {

// Thread safe.
class RunHost {
 public:
  explicit RunHost(std::unique_ptr<RunLoop> loop);
  // Joins its threads, after what they have left to write. All streams that use the loop must have
  // ended.
  ~RunHost();

  // Runs event(loop, now) under the lock and returns what it returns.
  template <class Event>
  auto With(Event event) {
    absl::MutexLock lock(&mutex_);
    return event(*loop_, absl::Now());
  }

  v1::RunStatus Status() const;
  // Waits until the run is over, the host closes, or the deadline. True: one of the first two.
  bool WaitUntilOver(absl::Time deadline) const;
  bool failed() const;

  // Ends all waits.
  void Close();

 private:
  void TickUntilClosed();

  mutable absl::Mutex mutex_;
  const std::unique_ptr<RunLoop> loop_ ABSL_PT_GUARDED_BY(mutex_);
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  // Before the loop goes.
  std::unique_ptr<BackgroundThread> background_;
  std::thread ticker_;
};

}  // namespace shoal
