// shoal finish: what `shoal train` makes at the end of a run, for one that has ended elsewhere. A
// standing coordinator calls it.

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "coordinator/cli/commands.h"
#include "coordinator/cli/exit_codes.h"
#include "coordinator/cli/prepare_run.h"
#include "coordinator/cli/run_end.h"
#include "coordinator/cli/run_summary.h"

namespace shoal {
namespace {

struct FinishArguments {
  std::string run;
  std::string out = "runs";
};

int RunFinish(const FinishArguments& arguments) {
  const ShutdownSignal signal;
  // The next run may be on already, and is in more of a hurry.
  (void)setpriority(PRIO_PROCESS, 0, 10);
  auto folder = FindRun(arguments.out, arguments.run);
  if (!folder.ok()) return ReportError(folder.status());
  auto info = ReadRunInfo(*folder);
  if (!info.ok()) return ReportError(info.status());
  const bool whole = MakeEndViews(*folder, info->status == RunState::kDone,
                                  [&signal] { return signal.count() > 0; });
  if (signal.count() > 0) return kExitInterrupted;
  if (!whole) return kExitFailed;
  auto summary = RunSummary(*folder);
  if (!summary.ok()) return ReportError(summary.status());
  std::fputs(summary->c_str(), stdout);
  return kExitDone;
}

}  // namespace

Command AddFinishCommand(CLI::App& app) {
  auto arguments = std::make_shared<FinishArguments>();
  CLI::App* finish =
      app.add_subcommand("finish", "make the videos, plots and report of a run that has ended");
  finish->add_option("run", arguments->run, "the run's name or folder")->required()->type_name("RUN");
  finish->add_option("--out", arguments->out, "folder of all runs")
      ->type_name("DIR")
      ->capture_default_str();
  return Command{finish, [arguments] { return RunFinish(*arguments); }};
}

}  // namespace shoal
