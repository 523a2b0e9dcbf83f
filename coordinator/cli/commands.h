// The commands of `shoal`. Each registers itself and, when it was chosen, runs and returns an exit
// code. Data goes to the standard output, messages to the standard error.
#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <vector>

#include "common/shutdown.h"

namespace shoal {

struct Command {
  CLI::App* app = nullptr;
  std::function<int()> run;
};

// `app` is the whole program's; what is registered must outlive parsing and running, so the commands
// keep their arguments alive themselves.
Command AddTrainCommand(CLI::App& app);
Command AddEvalCommand(CLI::App& app);
Command AddStatusCommand(CLI::App& app);
Command AddGateReplayCommand(CLI::App& app);
Command AddTailMakeCommand(CLI::App& app);
Command AddVerifyCommand(CLI::App& app);
Command AddRunsCommand(CLI::App& app);
Command AddIterationsCommand(CLI::App& app);
Command AddEvalsCommand(CLI::App& app);
Command AddCheckpointsCommand(CLI::App& app);
Command AddVideoCommand(CLI::App& app);
Command AddReportCommand(CLI::App& app);
Command AddFinishCommand(CLI::App& app);
Command AddFetchCommand(CLI::App& app);
Command AddPlotCommand(CLI::App& app);
Command AddInitCommand(CLI::App& app);
Command AddHealthCommand(CLI::App& app);

}  // namespace shoal
