// shoal: trains, evaluates and looks at runs.

#include <CLI/CLI.hpp>
#include <iostream>
#include <vector>

#include "common/command_line.h"
#include "common/logging.h"
#include "common/version.h"
#include "coordinator/cli/commands.h"
#include "coordinator/cli/compare_command.h"
#include "coordinator/cli/connection_options.h"
#include "coordinator/cli/exit_codes.h"
#include "coordinator/cli/experiment_commands.h"
#include "coordinator/cli/logs_command.h"
#include "coordinator/cli/look_commands.h"
#include "coordinator/cli/order_command.h"

int main(int argc, char** argv) {
  using namespace shoal;  // NOLINT: main cannot be in a namespace
  // What people want to know comes as messages; the log of a run is in its folder.
  LogOptions log;
  log.component = "shoal";
  log.level = LogLevel::kWarning;
  if (absl::Status status = SetUpLogging(log); !status.ok()) return ReportError(status);
  CLI::App app(
      "shoal trains a fish school to survive a predator, and runs the experiments around it");
  app.name("shoal");
  app.set_version_flag("--version", VersionLine("shoal"));
  app.require_subcommand(1);
  std::vector<Command> commands = {
      AddTrainCommand(app),       AddEvalCommand(app),       AddStatusCommand(app),
      AddGateReplayCommand(app),  AddTailMakeCommand(app),   AddVerifyCommand(app),
      AddRunsCommand(app),        AddIterationsCommand(app), AddEvalsCommand(app),
      AddCheckpointsCommand(app), AddVideoCommand(app),      AddReportCommand(app),
      AddPlotCommand(app),        AddCompareCommand(app),    AddInitCommand(app),
      AddHealthCommand(app),      AddFinishCommand(app),     AddFetchCommand(app),
      AddLogsCommand(app)};
  for (const auto add : {AddLookCommands, AddOrderCommands, AddExperimentCommands}) {
    const std::vector<Command> more = add(app);
    commands.insert(commands.end(), more.begin(), more.end());
  }
  auto outcome = ParseCommandLine(app, argc, argv, std::cout);
  if (!outcome.ok()) return ReportError(outcome.status());
  if (*outcome == CommandLineOutcome::kShown) return kExitDone;
  if (absl::Status status = SetUpConnections(); !status.ok()) return ReportError(status);
  for (const Command& command : commands) {
    if (command.app->parsed()) return command.run();
  }
  return kExitUsage;
}
