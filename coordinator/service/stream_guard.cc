#include "coordinator/service/stream_guard.h"

namespace shoal {

StreamGuard::StreamGuard(size_t most, size_t most_per_host, absl::Duration period,
                         const RefusalLogLimits& log)
    : most_(most),
      period_(period),
      refusals_(log),
      hosts_(most_per_host),
      thread_([this] { Loop(); }) {}

StreamGuard::~StreamGuard() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

bool StreamGuard::Add(GuardedStream* stream, const std::string& peer) {
  const std::string host = PeerHost(peer);
  absl::MutexLock lock(&mutex_);
  if (streams_.size() >= most_ || !hosts_.Enter(host)) {
    unwatched_.insert(stream);
    return false;
  }
  streams_.emplace(stream, host);
  return true;
}

void StreamGuard::Remove(GuardedStream* stream) {
  absl::MutexLock lock(&mutex_);
  const auto found = streams_.find(stream);
  if (found == streams_.end()) {
    unwatched_.erase(stream);
    return;
  }
  hosts_.Leave(found->second);
  streams_.erase(found);
}

size_t StreamGuard::streams() const {
  absl::MutexLock lock(&mutex_);
  return streams_.size();
}

bool StreamGuard::AwaitEmpty(absl::Time deadline) const {
  absl::MutexLock lock(&mutex_);
  auto empty = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return streams_.empty() && unwatched_.empty();
  };
  return mutex_.AwaitWithDeadline(absl::Condition(&empty), deadline);
}

void StreamGuard::Loop() {
  absl::MutexLock lock(&mutex_);
  while (!mutex_.AwaitWithTimeout(absl::Condition(&stopping_), period_)) {
    const absl::Time now = absl::Now();
    // Under the lock, so that none of them goes away meanwhile.
    for (const auto& [stream, host] : streams_) {
      if (stream->Late(now)) stream->OnDeadline();
    }
    refusals_.Flush(now);
  }
}

}  // namespace shoal
