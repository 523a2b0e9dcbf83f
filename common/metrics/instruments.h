// What a program counts while it works, for its metrics: cheap to write, read at a scrape.
//
// Thread safe. Nothing of it may reach what a run computes.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace shoal {

// Upper bounds of a histogram's buckets, seconds: from a chunk's way over a link to a long update.
// One more bucket is for what is longer.
inline constexpr std::array<double, 12> kSecondsBounds = {0.001, 0.005, 0.02, 0.1, 0.25, 0.5,
                                                          1,     2.5,   10,   30,  120,  600};

// A histogram at a moment.
struct SecondsSnapshot {
  // How many fell into each bucket alone, not into it and those before.
  std::array<uint64_t, kSecondsBounds.size() + 1> counts{};
  double sum = 0;
};

// How long something took, again and again.
class SecondsHistogram {
 public:
  void Observe(double seconds) {
    size_t bucket = 0;
    while (bucket < kSecondsBounds.size() && seconds > kSecondsBounds[bucket]) ++bucket;
    absl::MutexLock lock(&mutex_);
    ++state_.counts[bucket];
    state_.sum += seconds;
  }
  SecondsSnapshot snapshot() const {
    absl::MutexLock lock(&mutex_);
    return state_;
  }

 private:
  mutable absl::Mutex mutex_;
  SecondsSnapshot state_ ABSL_GUARDED_BY(mutex_);
};

// Observes the time from its making to its end.
class PhaseTimer {
 public:
  explicit PhaseTimer(SecondsHistogram& histogram) : histogram_(histogram) {}
  ~PhaseTimer() {
    histogram_.Observe(std::chrono::duration<double>(Clock::now() - begin_).count());
  }
  PhaseTimer(const PhaseTimer&) = delete;
  PhaseTimer& operator=(const PhaseTimer&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  SecondsHistogram& histogram_;
  const Clock::time_point begin_ = Clock::now();
};

// A gauge that is one higher while this lives.
class InProgress {
 public:
  explicit InProgress(std::atomic<int64_t>& gauge) : gauge_(gauge) { ++gauge_; }
  ~InProgress() { --gauge_; }
  InProgress(const InProgress&) = delete;
  InProgress& operator=(const InProgress&) = delete;

 private:
  std::atomic<int64_t>& gauge_;
};

}  // namespace shoal
