#include "coordinator/cli/coordinator_silence.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace shoal {

void CoordinatorSilence::Look(int64_t answers, absl::Time now) {
  const absl::Duration passed =
      std::clamp(now - looked_, absl::ZeroDuration(), kLongestLook);
  looked_ = now;
  if (answers != answers_) {
    answers_ = answers;
    silence_ = stop_silence_ = absl::ZeroDuration();
    return;
  }
  silence_ += passed;
  if (stop_ordered_) stop_silence_ += passed;
}

void CoordinatorSilence::StopOrdered() { stop_ordered_ = true; }

void CoordinatorSilence::AddTo(v1::RunStatus& status) const {
  if (!missing()) return;
  v1::MissingPeer* peer = status.add_missing();
  peer->set_name("coordinator");
  peer->set_silent_seconds(absl::ToDoubleSeconds(silence_));
  for (int i = status.missing_size() - 1; i > 0; --i) {
    status.mutable_missing()->SwapElements(i, i - 1);
  }
}

absl::Status CoordinatorSilence::Verdict() const {
  const bool stop = stop_silence_ >= kStopPatience;
  if (!stop && silence_ < kPatience) return absl::OkStatus();
  const std::string message = absl::StrCat("the coordinator has not answered for ",
                                           absl::ToInt64Seconds(silence_), " s");
  return stop ? absl::CancelledError(message) : absl::UnavailableError(message);
}

}  // namespace shoal
