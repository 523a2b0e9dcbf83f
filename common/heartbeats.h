// When to send a heartbeat and when a peer counts as silent. A plain value for one thread; the time
// is passed in, so that it can be tested without waiting.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace shoal {

class Heartbeats {
 public:
  using Clock = std::chrono::steady_clock;

  // A peer is silent when nothing came for this many intervals...
  static constexpr int kSilentIntervals = 4;
  // ... and at least this long, since a short interval must not make a busy machine look dead.
  static constexpr std::chrono::milliseconds kLeastSilence{2000};
  static constexpr std::chrono::milliseconds kLeastInterval{10};
  static constexpr std::chrono::milliseconds kMostInterval{60000};

  // The interval is the peer's wish, brought into the range above.
  Heartbeats(std::chrono::nanoseconds interval, Clock::time_point now)
      : interval_(std::clamp<std::chrono::nanoseconds>(interval, kLeastInterval, kMostInterval)),
        heard_(now),
        due_(now + interval_) {}

  // Something came from the peer.
  void Heard(Clock::time_point now) { heard_ = now; }
  bool Silent(Clock::time_point now) const { return now >= SilentAt(); }

  bool Due(Clock::time_point now) const { return now >= due_; }
  // The number of the heartbeat to be sent now.
  uint64_t Sent(Clock::time_point now) {
    due_ = now + interval_;
    return ++sequence_;
  }

  // When Due or Silent may next become true.
  Clock::time_point Next() const { return std::min(due_, SilentAt()); }

 private:
  Clock::time_point SilentAt() const {
    return heard_ + std::max<std::chrono::nanoseconds>(kSilentIntervals * interval_, kLeastSilence);
  }

  std::chrono::nanoseconds interval_;
  Clock::time_point heard_;
  Clock::time_point due_;
  uint64_t sequence_ = 0;
};

}  // namespace shoal
