// The commands of `shoal` for experiments with many runs and for what bounds them; see commands.h.
#pragma once

#include <vector>

#include "coordinator/cli/commands.h"

namespace shoal {

Command AddCeilingCommand(CLI::App& app);
Command AddSweepCommand(CLI::App& app);

// All of these.
std::vector<Command> AddExperimentCommands(CLI::App& app);

}  // namespace shoal
