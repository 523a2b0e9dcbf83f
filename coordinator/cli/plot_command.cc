// shoal plot: pictures of a run's figures.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "coordinator/cli/commands.h"
#include "coordinator/cli/exit_codes.h"
#include "coordinator/cli/prepare_run.h"
#include "coordinator/cli/run_plots.h"
#include "common/shutdown.h"

namespace shoal {
namespace {

struct PlotArguments {
  std::string run;
  std::string runs = "runs";
  std::string out;
};

int RunPlot(const PlotArguments& arguments) {
  const ShutdownSignal signal;
  auto folder = FindRun(arguments.runs, arguments.run);
  if (!folder.ok()) return ReportError(folder.status());
  RunPlotOptions options;
  options.run_dir = *folder;
  options.out = arguments.out;
  options.cancelled = [&signal] { return signal.count() > 0; };
  auto files = MakePlots(options);
  if (!files.ok()) return ReportError(files.status());
  for (const std::string& file : *files) std::printf("%s\n", file.c_str());
  return kExitDone;
}

}  // namespace

Command AddPlotCommand(CLI::App& app) {
  auto a = std::make_shared<PlotArguments>();
  CLI::App* plot = app.add_subcommand("plot", "draw a run's figures as PNG files, also while it is on (needs gnuplot)");
  plot->add_option("run", a->run, "the run, by name or folder")->required()->type_name("RUN");
  plot->add_option("--out", a->out, "put all pictures here (default: the run's plots/ and media/)")->type_name("DIR");
  plot->add_option("--runs", a->runs, "folder of all runs")->type_name("DIR")->capture_default_str();
  return Command{plot, [a] { return RunPlot(*a); }};
}

}  // namespace shoal
