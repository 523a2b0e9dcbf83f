#include "coordinator/service/background_thread.h"

#include <sys/resource.h>

#include <utility>

#include "absl/time/clock.h"

namespace shoal {

BackgroundThread::BackgroundThread(absl::Mutex* loop_mutex, int niceness)
    : loop_mutex_(loop_mutex), thread_([this, niceness] {
        // Linux takes 0 for the thread that calls, not for all of the process.
        if (niceness > 0) setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + niceness);
        Loop();
      }) {}

BackgroundThread::~BackgroundThread() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
  // An end may post further work.
  absl::MutexLock lock(loop_mutex_);
  Settle(absl::Now());
}

void BackgroundThread::Post(Work work, Done done, absl::Time) {
  absl::MutexLock lock(&mutex_);
  posted_.push_back(Job{std::move(work), std::move(done), absl::OkStatus()});
}

void BackgroundThread::AwaitWork() {
  absl::MutexLock lock(&mutex_);
  while (true) {
    mutex_.Await(absl::Condition(this, &BackgroundThread::Idle));
    if (posted_.empty()) return;
    // Here, since the thread may wait for the loop's lock, which is held.
    DoNext();
  }
}

void BackgroundThread::Settle(absl::Time now) {
  while (true) {
    AwaitWork();
    CallEnds(now);
    absl::MutexLock lock(&mutex_);
    if (posted_.empty() && !working_) return;
  }
}

void BackgroundThread::DoNext() {
  Job job = std::move(posted_.front());
  posted_.pop_front();
  working_ = true;
  mutex_.Unlock();
  job.status = job.work();
  job.work = nullptr;  // What it holds may be large, and its end is called with the loop's lock held.
  mutex_.Lock();
  working_ = false;
  done_.push_back(std::move(job));
}

void BackgroundThread::CallEnds(absl::Time now) {
  while (true) {
    Job job;
    {
      absl::MutexLock lock(&mutex_);
      if (done_.empty()) return;
      job = std::move(done_.front());
      done_.pop_front();
    }
    job.done(job.status, now);
  }
}

void BackgroundThread::Loop() {
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &BackgroundThread::MayWork));
      if (stopping_) return;
      if (!working_ && !posted_.empty()) DoNext();
    }
    absl::MutexLock lock(loop_mutex_);
    CallEnds(absl::Now());
  }
}

}  // namespace shoal
