// What programs that were killed left behind.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace shoal {

// Removes from the folder, and not from those below it, every unfinished file or folder
// (".NAME.tmp.PID.N", as common/files.h, video files and plots name them) whose process is gone.
// What a living process is at work on stays. Returns how many were removed; a folder that is not
// there has none. Errors name the path. Thread-safe.
absl::StatusOr<int> RemoveStaleFiles(const std::string& folder);

}  // namespace shoal
