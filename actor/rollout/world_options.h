// A run's options as the world's own.
#pragma once

#include "absl/status/statusor.h"
#include "actor/world/options.h"
#include "shoal/v1/config.pb.h"

namespace shoal {

// The part of a run's options that all its worlds share. What varies by iteration or scene (escape
// boost, density penalty, number of fish) is not in it. Pure and thread safe.
// InvalidArgument, naming the option, if a number is not within the option's range, a table cannot
// be read, or a bin ends above 360 degrees or a speed of 10.
absl::StatusOr<WorldOptions> ReadWorldOptions(const v1::RunOptions& options);

}  // namespace shoal
