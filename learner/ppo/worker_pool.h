// A few threads that share the independent parts of one computation.
//
// The pool gives out task numbers; which thread takes which task is left to chance, so a caller
// that wants the same result with any number of threads lets each task write to a place of its own
// and folds those places in task order afterwards.
//
// Threads are owned and joined by the pool. Between jobs they spin for some tens of microseconds,
// so that the steps of an update do not pay for waking them, and then sleep. One thread may call
// Run at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"

namespace shoal {

class WorkerPool {
 public:
  using Body = absl::FunctionRef<void(int64_t task, int worker)>;

  // `threads` >= 1 counts the thread that calls Run; `on_start` is called first in each other one.
  WorkerPool(int threads, const std::function<void()>& on_start);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  int threads() const { return static_cast<int>(threads_.size()) + 1; }

  // Calls body(task, worker) once for every task in 0..tasks-1 and returns when all are done.
  // worker is below threads(), and no two calls with the same worker overlap; the caller is 0.
  // What a task throws is thrown again here, after the job's end; tasks not begun are left out
  // then.
  void Run(int64_t tasks, Body body);

 private:
  struct Job {
    Body body;
    int64_t tasks;
    std::atomic<int64_t> next{0};
  };

  void Loop(int worker, const std::function<void()>& on_start);
  void Drain(Job& job, int worker);

  absl::Mutex mutex_;
  absl::CondVar posted_;
  absl::CondVar left_;
  Job* job_ ABSL_GUARDED_BY(mutex_) = nullptr;  // Null between jobs: late threads find nothing.
  std::exception_ptr error_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  // Written under mutex_; read without it only to end a spin early.
  std::atomic<uint64_t> generation_{0};
  std::atomic<int> inside_{0};
  std::vector<std::thread> threads_;
};

}  // namespace shoal
