// shoal logs: the logs of a run's programs, merged by time.
#pragma once

#include "coordinator/cli/commands.h"

namespace shoal {

Command AddLogsCommand(CLI::App& app);

}  // namespace shoal
