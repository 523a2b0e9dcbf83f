// The names of runs, which are names of folders, wherever they come from.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace shoal {

// InvalidArgument: not 1 to 128 letters, digits, '_', '-' and '.', beginning with '-' or '.'. A name
// that passes is one component of a path and leads nowhere else.
absl::Status CheckRunName(const std::string& name);

// FOLDER/NAME; errors are CheckRunName's.
absl::StatusOr<std::string> RunFolder(const std::string& folder, const std::string& name);

}  // namespace shoal
