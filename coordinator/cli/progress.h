// A run's status as people read it: one live line on a terminal, plain lines elsewhere.
#pragma once

#include <string>

#include "shoal/v1/run.pb.h"

namespace shoal {

// "iteration 12/60  rollout 7/16  missing: actor-1 (4 s)  5120 rows/s  survival 0.931  evaluation 0.912 at 10  ..."
std::string ProgressText(const v1::RunStatus& status);

// What is being done, or waited for: "rollout 7/16", "waiting: no learner is connected".
std::string PhaseText(const v1::RunStatus& status);

// Who is missing and for how long: "learner (6 s), actor-1 (4 s)"; "" if nobody is.
std::string MissingText(const v1::RunStatus& status);

// "1:05" or "2:03:09", rounded to seconds.
std::string DurationText(double seconds);

// Not thread safe.
class ProgressPrinter {
 public:
  // `live`: standard output is a terminal.
  explicit ProgressPrinter(bool live) : live_(live) {}
  // Clears the live line.
  ~ProgressPrinter();

  // Live: replaces the line. Otherwise prints one when an iteration or evaluation has ended or the
  // run waits for somebody, and when somebody goes missing or is back.
  void Show(const v1::RunStatus& status);
  // A line of its own that stays.
  void Say(const std::string& text);

 private:
  void Clear();

  const bool live_;
  bool line_shown_ = false;
  // What the last plain line was about.
  std::string last_key_;
  int64_t alarms_ = 0;
};

}  // namespace shoal
