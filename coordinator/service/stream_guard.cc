#include "coordinator/service/stream_guard.h"

namespace shoal {

StreamGuard::StreamGuard(size_t most, absl::Duration period, const RefusalLogLimits& log)
    : most_(most), period_(period), refusals_(log), thread_([this] { Loop(); }) {}

StreamGuard::~StreamGuard() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

bool StreamGuard::Add(GuardedStream* stream) {
  absl::MutexLock lock(&mutex_);
  if (streams_.size() >= most_) return false;
  streams_.insert(stream);
  return true;
}

void StreamGuard::Remove(GuardedStream* stream) {
  absl::MutexLock lock(&mutex_);
  streams_.erase(stream);
}

size_t StreamGuard::streams() const {
  absl::MutexLock lock(&mutex_);
  return streams_.size();
}

void StreamGuard::Loop() {
  absl::MutexLock lock(&mutex_);
  while (!mutex_.AwaitWithTimeout(absl::Condition(&stopping_), period_)) {
    const absl::Time now = absl::Now();
    // Under the lock, so that none of them goes away meanwhile.
    for (GuardedStream* stream : streams_) {
      if (stream->Late(now)) stream->OnDeadline();
    }
    refusals_.Flush(now);
  }
}

}  // namespace shoal
