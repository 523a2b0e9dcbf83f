// The commands that look at a run from outside: actors, describe run, watch.
#pragma once

#include <vector>

#include "coordinator/cli/commands.h"

namespace shoal {

std::vector<Command> AddLookCommands(CLI::App& app);

}  // namespace shoal
