#pragma once

// One log line for each peer that a server refuses, as long as they are few. A flood of them must
// not fill the disk: beyond a burst and a rate they are only counted, and now and then one line says
// how many there were, by reason.
//
//   warning ... stream refused service=Work peer=ipv4:127.0.0.1:4711 reason=no_hello says="..."
//   warning ... more streams refused count=990 reasons=no_hello:900,too_fast:90

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/token_bucket.h"

namespace shoal {

struct RefusalLogLimits {
  // Lines at once, and per second in the long run.
  double burst = 10;
  double per_second = 1;
  // From the first refusal that is only counted to the line that counts them.
  absl::Duration summary = absl::Seconds(10);
};

// Which refusals get a line of their own: no log and no clock. Not thread safe.
class RefusalCounter {
 public:
  explicit RefusalCounter(const RefusalLogLimits& limits)
      : limits_(limits), bucket_(limits.burst, limits.per_second) {}

  // True: write a line. Reasons are few and the program's own, never a peer's words.
  bool Admit(std::string_view reason, absl::Time now);

  // Those that had no line, once the time for it has come: "count=990 reasons=..." as two fields.
  struct Summary {
    int64_t count = 0;
    std::string reasons;
  };
  std::optional<Summary> Due(absl::Time now);

 private:
  const RefusalLogLimits limits_;
  TokenBucket bucket_;
  // Since when there is something to count; InfinitePast: nothing.
  absl::Time since_ = absl::InfinitePast();
  std::map<std::string, int64_t, std::less<>> counts_;
};

// Thread safe.
class RefusalLog {
 public:
  explicit RefusalLog(const RefusalLogLimits& limits = {}) : counter_(limits) {}
  // Writes what is left to count.
  ~RefusalLog() { Flush(absl::InfiniteFuture()); }

  // service: the method, "Work". says: for people; control characters in it do no harm.
  void Refused(std::string_view service, std::string_view peer, std::string_view reason,
               std::string_view says);

  // Writes the line that counts, if it is due. Whoever owns the log calls this about once a second.
  void Flush(absl::Time now);

 private:
  absl::Mutex mutex_;
  RefusalCounter counter_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace shoal
