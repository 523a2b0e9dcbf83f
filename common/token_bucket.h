#pragma once

// A rate with a burst: at most `burst` tokens at once and `per_second` more for every second that
// passes. Knows no clock: the time is passed in, and one that goes backwards gives nothing.
// Not thread safe.

#include <algorithm>

#include "absl/time/time.h"

namespace shoal {

class TokenBucket {
 public:
  // Begins full. burst: at least 1; per_second: at least 0.
  TokenBucket(double burst, double per_second)
      : burst_(burst), per_second_(per_second), tokens_(burst) {}

  // Takes so many tokens if there are as many; more than the burst there never are.
  bool Take(absl::Time now, double tokens = 1) {
    if (now > filled_) {
      if (filled_ != absl::InfinitePast()) {
        tokens_ = std::min(burst_, tokens_ + per_second_ * absl::ToDoubleSeconds(now - filled_));
      }
      filled_ = now;
    }
    if (tokens_ < tokens) return false;
    tokens_ -= tokens;
    return true;
  }

 private:
  const double burst_;
  const double per_second_;
  double tokens_;
  absl::Time filled_ = absl::InfinitePast();
};

}  // namespace shoal
