// What a peer of WorkerService and LearnerService may do before its stream is ended, and the part of
// it that counts: pure, with the time passed in.
#pragma once

#include <algorithm>
#include <cstddef>

#include "absl/time/time.h"
#include "common/refusal_log.h"
#include "common/token_bucket.h"

namespace shoal {

struct PeerLimits {
  // Open streams; the rest are refused. Every actor has one; more than one learner is never wanted,
  // but one that comes back may meet its own stream of before.
  size_t workers = 4096;
  size_t learners = 16;
  // Of one host, so that none keeps the others out.
  size_t workers_per_host = 3072;
  size_t learners_per_host = 12;
  // From the stream's beginning to its hello.
  absl::Duration hello = absl::Seconds(5);
  // A stream that was ended is cut off if the peer has not taken the end after so long.
  absl::Duration close = absl::Seconds(5);
  // A hello, and any message that answers nothing (heartbeats are 11 bytes). An answer may have what
  // the lease can need (MaxAnswerBytes), or an update's shards.
  size_t message_bytes = 64 << 10;
  // Messages that answer nothing: so many times the pace of heartbeats that the welcome asks for,
  // and so many at once (what a slow network may hold back). Answers are as many as leases.
  double heartbeat_paces = 5;
  double burst = 60;
  RefusalLogLimits log;
};

// Messages of one stream that answer nothing. Not thread safe.
class HeartbeatBudget {
 public:
  // interval: of the welcome.
  HeartbeatBudget(const PeerLimits& limits, absl::Duration interval)
      : bucket_(limits.burst,
                limits.heartbeat_paces / absl::ToDoubleSeconds(std::max(interval, kShortest))) {}

  // False: the stream sends more than it may.
  bool Take(absl::Time now) { return bucket_.Take(now); }

 private:
  static constexpr absl::Duration kShortest = absl::Milliseconds(1);
  TokenBucket bucket_;
};

}  // namespace shoal
