// Tells work that its result is no longer wanted. Thread safe.
#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace shoal {

class Cancellation {
 public:
  // For good; more than once does no harm.
  void Cancel() {
    absl::MutexLock lock(&mutex_);
    cancelled_ = true;
  }
  bool cancelled() const {
    absl::MutexLock lock(&mutex_);
    return cancelled_;
  }
  // Waits so long, or until cancelled; true if cancelled.
  bool WaitFor(absl::Duration time) const {
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&cancelled_), time);
    return cancelled_;
  }

 private:
  mutable absl::Mutex mutex_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace shoal
