#include "common/call_watchdog.h"

#include <algorithm>
#include <utility>

namespace shoal {
namespace {

// A year at most, so that sums with the clock stay within an integer.
std::chrono::nanoseconds ToChrono(absl::Duration duration) {
  return absl::ToChronoNanoseconds(
      std::clamp(duration, absl::ZeroDuration(), absl::Hours(24 * 365)));
}

}  // namespace

CallWatchdog::CallWatchdog(const CallLimits& limits, std::function<void()> tick)
    : idle_(ToChrono(limits.idle)),
      first_(ToChrono(limits.first)),
      total_(ToChrono(limits.total)),
      most_calls_(limits.calls),
      tick_(std::move(tick)),
      hosts_(limits.calls_per_host),
      thread_([this] { Loop(); }) {}

CallWatchdog::~CallWatchdog() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

void CallWatchdog::Loop() {
  absl::MutexLock lock(&mutex_);
  while (!stopping_) {
    const Clock::time_point now = Clock::now();
    const auto wait =
        std::chrono::duration_cast<std::chrono::nanoseconds>(CancelExpired(now) - now);
    mutex_.AwaitWithTimeout(absl::Condition(&stopping_), absl::FromChrono(wait));
    if (!tick_) continue;
    mutex_.Unlock();
    tick_();
    mutex_.Lock();
  }
}

CallWatchdog::Clock::time_point CallWatchdog::CancelExpired(Clock::time_point now) {
  // A call that begins meanwhile, or is given less time, is seen a moment late at most.
  Clock::time_point next = now + std::min({idle_, first_, total_, std::chrono::nanoseconds(std::chrono::seconds(1))});
  for (auto& [id, call] : calls_) {
    const Clock::time_point idle_limit = call.touched + call.idle;
    const Clock::time_point total_limit = call.began + call.total;
    const Clock::time_point limit = std::min(idle_limit, total_limit);
    if (limit <= now) {
      if (call.expired == nullptr) call.expired = idle_limit <= now ? "idle" : "too_long";
      // Cancelling again at the next round does no harm; the call's thread is about to leave.
      call.context->TryCancel();
    } else {
      next = std::min(next, limit);
    }
  }
  return next;
}

CallWatchdog::Watch::Watch(CallWatchdog* watchdog, grpc::ServerContext* context)
    : watchdog_(watchdog), id_(0) {
  const Clock::time_point now = Clock::now();
  const std::string host = PeerHost(context->peer());
  absl::MutexLock lock(&watchdog_->mutex_);
  if (watchdog_->calls_.size() >= watchdog_->most_calls_ || !watchdog_->hosts_.Enter(host)) return;
  id_ = watchdog_->next_id_++;
  Call& call = watchdog_->calls_[id_];
  call.context = context;
  call.host = host;
  call.began = call.touched = now;
  call.idle = watchdog_->first_;
  call.total = watchdog_->total_;
}

CallWatchdog::Watch::~Watch() {
  absl::MutexLock lock(&watchdog_->mutex_);
  const auto found = watchdog_->calls_.find(id_);
  if (found == watchdog_->calls_.end()) return;
  watchdog_->hosts_.Leave(found->second.host);
  watchdog_->calls_.erase(found);
}

void CallWatchdog::Watch::Touch() {
  absl::MutexLock lock(&watchdog_->mutex_);
  const auto found = watchdog_->calls_.find(id_);
  if (found == watchdog_->calls_.end()) return;
  found->second.touched = Clock::now();
  found->second.idle = watchdog_->idle_;
}

void CallWatchdog::Watch::LimitTotal(absl::Duration total) {
  absl::MutexLock lock(&watchdog_->mutex_);
  const auto found = watchdog_->calls_.find(id_);
  if (found == watchdog_->calls_.end()) return;
  found->second.total = std::min(found->second.total, ToChrono(total));
}

const char* CallWatchdog::Watch::expired() const {
  absl::MutexLock lock(&watchdog_->mutex_);
  const auto found = watchdog_->calls_.find(id_);
  return found == watchdog_->calls_.end() ? nullptr : found->second.expired;
}

}  // namespace shoal
