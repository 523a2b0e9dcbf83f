#include "learner/ppo/worker_pool.h"

#include <utility>

namespace shoal {
namespace {

// Some tens of microseconds, with a pause between looks.
constexpr int kSpins = 1000;

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

WorkerPool::WorkerPool(int threads, const std::function<void()>& on_start) {
  threads_.reserve(threads - 1);
  for (int worker = 1; worker < threads; ++worker) {
    threads_.emplace_back([this, worker, on_start] { Loop(worker, on_start); });
  }
}

WorkerPool::~WorkerPool() {
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
    generation_.fetch_add(1, std::memory_order_release);
    posted_.SignalAll();
  }
  for (std::thread& thread : threads_) thread.join();
}

void WorkerPool::Run(int64_t tasks, Body body) {
  if (tasks <= 1 || threads_.empty()) {
    for (int64_t task = 0; task < tasks; ++task) body(task, 0);
    return;
  }
  Job job{body, tasks};
  {
    absl::MutexLock lock(&mutex_);
    job_ = &job;
    generation_.fetch_add(1, std::memory_order_release);
    posted_.SignalAll();
  }
  Drain(job, 0);
  for (int i = 0; i < kSpins && inside_.load(std::memory_order_acquire) > 0; ++i) Pause();
  std::exception_ptr error;
  {
    absl::MutexLock lock(&mutex_);
    job_ = nullptr;  // Nobody enters any more; those inside still use the job.
    while (inside_.load(std::memory_order_relaxed) > 0) left_.Wait(&mutex_);
    error = std::exchange(error_, nullptr);
  }
  if (error) std::rethrow_exception(error);
}

void WorkerPool::Loop(int worker, const std::function<void()>& on_start) {
  on_start();
  uint64_t seen = 0;
  while (true) {
    for (int i = 0; i < kSpins && generation_.load(std::memory_order_acquire) == seen; ++i) Pause();
    Job* job = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      while (generation_.load(std::memory_order_relaxed) == seen) posted_.Wait(&mutex_);
      if (stop_) return;
      seen = generation_.load(std::memory_order_relaxed);
      if (job_ == nullptr) continue;
      job = job_;
      inside_.fetch_add(1, std::memory_order_relaxed);
    }
    Drain(*job, worker);
    absl::MutexLock lock(&mutex_);
    if (inside_.fetch_sub(1, std::memory_order_release) == 1) left_.Signal();
  }
}

void WorkerPool::Drain(Job& job, int worker) {
  try {
    for (int64_t task = job.next.fetch_add(1); task < job.tasks; task = job.next.fetch_add(1)) {
      job.body(task, worker);
    }
  } catch (...) {
    job.next.store(job.tasks);
    absl::MutexLock lock(&mutex_);
    if (!error_) error_ = std::current_exception();
  }
}

}  // namespace shoal
