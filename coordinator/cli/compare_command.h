// shoal compare, registered like the commands of commands.h.
#pragma once

#include "coordinator/cli/commands.h"

namespace shoal {

Command AddCompareCommand(CLI::App& app);

}  // namespace shoal
