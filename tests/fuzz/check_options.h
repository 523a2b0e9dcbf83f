// What must hold for options that were accepted, whichever way they came in.
#pragma once

#include "shoal/v1/config.pb.h"

namespace shoal::fuzzing {

// Options whose values were checked one by one: they are written and read again as they are, and
// if they resolve, schedules, gate, row shape and world are made of them and keep to their ranges.
void CheckOptions(const v1::RunOptions& options);

}  // namespace shoal::fuzzing
