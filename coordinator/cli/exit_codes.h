// Exit codes of `shoal`.
#pragma once

#include "absl/status/status.h"

namespace shoal {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;  // usage or bad content
inline constexpr int kExitNotFound = 3;
inline constexpr int kExitUnreachable = 4;
inline constexpr int kExitInterrupted = 130;  // interrupted, can be resumed

// Prints "shoal: MESSAGE" to the standard error and returns the code that fits.
int ReportError(const absl::Status& status);

}  // namespace shoal
