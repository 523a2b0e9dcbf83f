// How long a coordinator has said nothing to whoever follows its run, and what follows from that. Time
// and messages are passed in. Not thread safe.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "shoal/v1/run.pb.h"

namespace shoal {

class CoordinatorSilence {
 public:
  // Missing after so long: it speaks five times a second, and people are to know within a lease time,
  // 10 s, who is missing.
  static constexpr absl::Duration kMissed = absl::Seconds(5);
  // An order to stop waits so long, from when it was given, for a coordinator that says nothing.
  static constexpr absl::Duration kStopPatience = absl::Seconds(10);
  // As long as its peers look for it before they give up.
  static constexpr absl::Duration kPatience = absl::Minutes(10);
  // Between two looks no more than this counts: whoever looks so seldom was stopped itself, or the
  // machine slept.
  static constexpr absl::Duration kLongestLook = absl::Seconds(6);

  explicit CoordinatorSilence(absl::Time now) : looked_(now) {}

  // `answers`: messages of the coordinator so far; any change is a sign of life.
  void Look(int64_t answers, absl::Time now);
  // From the first call on.
  void StopOrdered();

  bool missing() const { return silence_ >= kMissed; }
  absl::Duration silence() const { return silence_; }
  // Puts it before the other missing peers of the status, where it is missing.
  void AddTo(v1::RunStatus& status) const;

  // OK: wait on. Cancelled: the order to stop has waited long enough. Unavailable: nothing came for
  // kPatience. The message says since when.
  absl::Status Verdict() const;

 private:
  absl::Time looked_;
  int64_t answers_ = 0;
  bool stop_ordered_ = false;
  absl::Duration silence_;
  // Of it, what has passed since the order to stop.
  absl::Duration stop_silence_;
};

}  // namespace shoal
