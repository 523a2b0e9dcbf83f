#include "coordinator/cli/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace shoal {
namespace {

bool Waiting(const v1::RunStatus& status) {
  return status.state() == v1::RunStatus::STATE_WAITING_FOR_LEARNER ||
         status.state() == v1::RunStatus::STATE_WAITING_FOR_ACTORS;
}

// Names only, so that it changes when somebody goes missing or is back, and not with the time.
std::string MissingNames(const v1::RunStatus& status) {
  std::vector<std::string> names;
  for (const v1::MissingPeer& peer : status.missing()) names.push_back(peer.name());
  std::sort(names.begin(), names.end());
  return absl::StrJoin(names, ",");
}

size_t TerminalWidth() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return 79;
  return size.ws_col - 1;
}

}  // namespace

std::string DurationText(double seconds) {
  const int64_t total = std::llround(std::max(0.0, seconds));
  if (total >= 3600) {
    return absl::StrFormat("%d:%02d:%02d", total / 3600, total / 60 % 60, total % 60);
  }
  return absl::StrFormat("%d:%02d", total / 60, total % 60);
}

std::string PhaseText(const v1::RunStatus& status) {
  switch (status.state()) {
    case v1::RunStatus::STATE_WAITING_FOR_LEARNER:
    case v1::RunStatus::STATE_WAITING_FOR_ACTORS:
      return absl::StrCat("waiting: ", status.message());
    case v1::RunStatus::STATE_ROLLOUT:
      return absl::StrCat("rollout ", status.shards_done(), "/", status.shards());
    case v1::RunStatus::STATE_UPDATE:
      return "update";
    case v1::RunStatus::STATE_EVALUATION:
      return "evaluation";
    case v1::RunStatus::STATE_DONE:
      return "done";
    case v1::RunStatus::STATE_STOPPED:
      return "stopped";
    case v1::RunStatus::STATE_FAILED:
      return "failed";
    case v1::RunStatus::STATE_PAUSED:
      return "paused";
    default:
      return "starting";
  }
}

std::string MissingText(const v1::RunStatus& status) {
  constexpr int kMost = 5;
  std::string text;
  for (int i = 0; i < std::min(kMost, status.missing_size()); ++i) {
    const v1::MissingPeer& peer = status.missing(i);
    absl::StrAppendFormat(&text, "%s%s (%d s)", i > 0 ? ", " : "", peer.name(),
                          std::llround(peer.silent_seconds()));
  }
  if (status.missing_size() > kMost) {
    absl::StrAppend(&text, " and ", status.missing_size() - kMost, " more");
  }
  return text;
}

std::string ProgressText(const v1::RunStatus& status) {
  std::string text = absl::StrFormat("iteration %d/%d  %s", status.iteration(),
                                     status.total_iterations(), PhaseText(status));
  // Early in the line, which may be cut off at the terminal's width.
  if (status.missing_size() > 0) absl::StrAppend(&text, "  missing: ", MissingText(status));
  if (status.rows_per_second() > 0) {
    absl::StrAppendFormat(&text, "  %.0f rows/s", status.rows_per_second());
  }
  if (status.survival_rate() >= 0) {
    absl::StrAppendFormat(&text, "  survival %.3f", status.survival_rate());
  }
  if (status.evaluations_done() > 0) {
    absl::StrAppendFormat(&text, "  evaluation %.3f at %d  gate %d %s",
                          status.evaluation_survival(), status.evaluation_iteration(),
                          status.gate_stage(), status.gate_event());
  }
  if (status.tail_slots() > 0) {
    absl::StrAppendFormat(&text, "  tail %d/%d left", status.tail_slots_left(),
                          status.tail_slots());
  }
  if (status.seconds_left() > 0) {
    absl::StrAppend(&text, "  ", DurationText(status.seconds_left()), " left");
  }
  return text;
}

ProgressPrinter::~ProgressPrinter() { Clear(); }

void ProgressPrinter::Clear() {
  if (!line_shown_) return;
  std::fputs("\r\033[K", stdout);
  std::fflush(stdout);
  line_shown_ = false;
}

void ProgressPrinter::Show(const v1::RunStatus& status) {
  const std::string text = ProgressText(status);
  // A restarted coordinator counts from 0 again.
  if (status.alarms() > 0 && status.alarms() != alarms_) Say("ALARM: " + status.alarm());
  alarms_ = status.alarms();
  if (live_) {
    std::printf("\r\033[K%s", text.substr(0, TerminalWidth()).c_str());
    std::fflush(stdout);
    line_shown_ = true;
    return;
  }
  const std::string key = absl::StrCat(
      Waiting(status) ? PhaseText(status)
                      : absl::StrCat(status.committed_iteration(), "/", status.evaluations_done()),
      " ", MissingNames(status));
  if (key == last_key_) return;
  last_key_ = key;
  std::printf("%s\n", text.c_str());
  std::fflush(stdout);
}

void ProgressPrinter::Say(const std::string& text) {
  Clear();
  std::printf("%s\n", text.c_str());
  std::fflush(stdout);
}

}  // namespace shoal
