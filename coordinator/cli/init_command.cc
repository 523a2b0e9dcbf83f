// shoal init: makes a run's folder, for a coordinator that somebody else starts.

#include <cstdio>
#include <memory>
#include <string>

#include "common/command_line.h"
#include "coordinator/cli/commands.h"
#include "coordinator/cli/exit_codes.h"
#include "coordinator/cli/prepare_run.h"

namespace shoal {
namespace {

struct InitArguments {
  RunRequest request;
  RunOptionsFromCommandLine given;
  bool keep = false;
};

int RunInit(InitArguments& arguments) {
  arguments.request.command_line = arguments.given.options();
  if (arguments.keep) {
    auto options = CombineOptions(arguments.request);
    if (!options.ok()) return ReportError(options.status());
    const auto there = FindRun(arguments.request.out, options->run_name());
    if (there.ok()) {
      std::printf("%s\n", there->c_str());
      return kExitDone;
    }
  }
  const auto made = PrepareRun(arguments.request);
  if (!made.ok()) return ReportError(made.status());
  std::printf("%s\n", made->c_str());
  return kExitDone;
}

}  // namespace

Command AddInitCommand(CLI::App& app) {
  auto arguments = std::make_shared<InitArguments>();
  CLI::App* init = app.add_subcommand(
      "init", "make a run's folder and print its path; a coordinator, a learner and actors started by "
              "themselves train it");
  init->add_option("--preset", arguments->request.preset, "named set of options: dev_v33 or school")
      ->type_name("NAME");
  init->add_option("--config", arguments->request.config_file,
                   "options from a file in config.textproto's format; the command line wins")
      ->type_name("FILE");
  init->add_option("--out", arguments->request.out, "folder of all runs")
      ->type_name("DIR")
      ->capture_default_str();
  init->add_flag("--continue", arguments->keep, "if there is a run of this name, leave it as it is");
  AddRunOptions(*init, arguments->given);
  return Command{init, [arguments] { return RunInit(*arguments); }};
}

}  // namespace shoal
