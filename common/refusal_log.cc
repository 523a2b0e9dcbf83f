#include "common/refusal_log.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/logging.h"

namespace shoal {

bool RefusalCounter::Admit(std::string_view reason, absl::Time now) {
  if (bucket_.Take(now)) return true;
  if (counts_.empty()) since_ = now;
  const auto found = counts_.find(reason);
  if (found != counts_.end()) {
    ++found->second;
  } else {
    counts_.emplace(std::string(reason), 1);
  }
  return false;
}

std::optional<RefusalCounter::Summary> RefusalCounter::Due(absl::Time now) {
  if (counts_.empty() || now - since_ < limits_.summary) return std::nullopt;
  Summary summary;
  for (const auto& [reason, count] : counts_) summary.count += count;
  summary.reasons = absl::StrJoin(counts_, ",", absl::PairFormatter(":"));
  counts_.clear();
  return summary;
}

void RefusalLog::Refused(std::string_view service, std::string_view peer, std::string_view reason,
                         std::string_view says) {
  const absl::Time now = absl::Now();
  Flush(now);
  {
    absl::MutexLock lock(&mutex_);
    if (!counter_.Admit(reason, now)) return;
  }
  LogWarning("stream refused",
             {{"service", service}, {"peer", peer}, {"reason", reason}, {"says", says}});
}

void RefusalLog::Flush(absl::Time now) {
  std::optional<RefusalCounter::Summary> summary;
  {
    absl::MutexLock lock(&mutex_);
    summary = counter_.Due(now);
  }
  if (!summary) return;
  LogWarning("more streams refused", {{"count", summary->count}, {"reasons", summary->reasons}});
}

}  // namespace shoal
