#include "learner/ingest/stream_watchdog.h"

#include <algorithm>

namespace shoal {

StreamWatchdog::StreamWatchdog(absl::Duration idle, absl::Duration total, size_t max_streams)
    : idle_(absl::ToChronoNanoseconds(idle)),
      total_(absl::ToChronoNanoseconds(total)),
      max_streams_(max_streams),
      thread_([this] { Loop(); }) {}

StreamWatchdog::~StreamWatchdog() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

void StreamWatchdog::Loop() {
  absl::MutexLock lock(&mutex_);
  while (!stopping_) {
    const Clock::time_point now = Clock::now();
    const auto wait =
        std::chrono::duration_cast<std::chrono::nanoseconds>(CancelExpired(now) - now);
    // A new call cannot be over its limits before `wait` has passed, so nothing need wake this up.
    mutex_.AwaitWithTimeout(absl::Condition(&stopping_), absl::FromChrono(wait));
  }
}

StreamWatchdog::Clock::time_point StreamWatchdog::CancelExpired(Clock::time_point now) {
  const auto at_least = std::min(idle_, total_);
  Clock::time_point next = now + at_least;
  for (auto& [id, stream] : streams_) {
    const Clock::time_point limit = std::min(stream.touched + idle_, stream.began + total_);
    if (limit <= now) {
      // Cancelling again at the next round does no harm; the call's thread is about to leave.
      stream.context->TryCancel();
    } else {
      next = std::min(next, limit);
    }
  }
  return next;
}

StreamWatchdog::Watch::Watch(StreamWatchdog* watchdog, grpc::ServerContext* context)
    : watchdog_(watchdog), id_(0) {
  const Clock::time_point now = Clock::now();
  absl::MutexLock lock(&watchdog_->mutex_);
  if (watchdog_->streams_.size() >= watchdog_->max_streams_) return;
  id_ = watchdog_->next_id_++;
  watchdog_->streams_[id_] = {context, now, now};
}

StreamWatchdog::Watch::~Watch() {
  absl::MutexLock lock(&watchdog_->mutex_);
  watchdog_->streams_.erase(id_);
}

void StreamWatchdog::Watch::Touch() {
  absl::MutexLock lock(&watchdog_->mutex_);
  const auto found = watchdog_->streams_.find(id_);
  if (found != watchdog_->streams_.end()) found->second.touched = Clock::now();
}

}  // namespace shoal
