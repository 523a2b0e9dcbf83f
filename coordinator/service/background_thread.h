// Background work of a run on a thread of its own.
#pragma once

#include <deque>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "coordinator/run/background.h"

namespace shoal {

// The methods of Background are called with the loop's lock held, which the thread takes to call ends.
class BackgroundThread final : public Background {
 public:
  // niceness: how far the works' priority is below that of the program's other threads.
  explicit BackgroundThread(absl::Mutex* loop_mutex, int niceness = 0);
  // Does what is left to do, ends included. Without the loop's lock.
  ~BackgroundThread() override;

  void Post(Work work, Done done, absl::Time now) override;
  void AwaitWork() override;
  void Settle(absl::Time now) override;

 private:
  struct Job {
    Work work;
    Done done;
    absl::Status status;
  };
  void Loop();
  // Takes the next job and does its work, with the lock released meanwhile.
  void DoNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Calls the ends of works that are done; with the loop's lock held.
  void CallEnds(absl::Time now);
  bool Idle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !working_; }
  bool MayWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !done_.empty() || (!working_ && !posted_.empty());
  }

  absl::Mutex* const loop_mutex_;
  // Taken under the loop's lock, and never before it.
  absl::Mutex mutex_;
  std::deque<Job> posted_ ABSL_GUARDED_BY(mutex_);
  std::deque<Job> done_ ABSL_GUARDED_BY(mutex_);
  // A work is being done, by the thread or by who waits.
  bool working_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace shoal
