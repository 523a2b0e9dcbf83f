#pragma once

// How a program is asked to stop. SIGTERM and SIGINT mean: finish what is in hand and end. A second
// one means: now.
//
// Signals are not handled in a signal handler, where next to nothing is allowed, but taken by one
// thread that waits for them; what it runs may lock, log and call anything.

#include <sys/types.h>

#include <functional>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace shoal {

// Make one at the start of main, before any other thread: the signals are blocked in the thread
// that makes it, and threads started later inherit that. One at a time in a program. Thread-safe.
class ShutdownSignal {
 public:
  // Both run on the signal thread and must not wait for this object's destruction; either may be
  // null. Without `second`, a second signal ends the program at once, with 128 plus its number.
  struct Callbacks {
    std::function<void()> first;
    std::function<void()> second;
  };

  ShutdownSignal() : ShutdownSignal(Callbacks()) {}
  explicit ShutdownSignal(Callbacks callbacks);
  // Joins the thread and restores the signal mask of the thread that made this.
  ~ShutdownSignal();
  ShutdownSignal(const ShutdownSignal&) = delete;
  ShutdownSignal& operator=(const ShutdownSignal&) = delete;

  // Waits for the first signal, at most so long; true if it has come.
  bool WaitFor(absl::Duration timeout) const;

  // How many have come, and the last one's number (0: none).
  int count() const;
  int last_signal() const;

 private:
  struct Descriptors;

  void Run();
  void Handle(int signal);

  const Callbacks callbacks_;
  std::unique_ptr<Descriptors> descriptors_;
  mutable absl::Mutex mutex_;
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
  int last_signal_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread thread_;
};

// From now on the kernel sends this process SIGTERM when the thread that started it ends. If the
// parent has ended already (it is not `parent`, or changes during the call), the process sends the
// signal to itself. `parent` 0: whoever is the parent at the time of the call.
void DieWithParent(pid_t parent = 0);

}  // namespace shoal
