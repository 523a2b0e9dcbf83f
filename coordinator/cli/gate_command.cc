// shoal gate replay: a recorded history of evaluations through a gate with any options.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "common/command_line.h"
#include "common/files.h"
#include "coordinator/cli/commands.h"
#include "coordinator/cli/exit_codes.h"
#include "coordinator/cli/prepare_run.h"
#include "coordinator/gate/replay.h"
#include "coordinator/schedule/options.h"
#include "nlohmann/json.hpp"

namespace shoal {
namespace {

struct ReplayArguments {
  std::string history;
  RunRequest request;
  RunOptionsFromCommandLine given;
  bool json = false;
};

void PrintTable(const std::string& records) {
  std::printf("%9s %-16s %5s %11s %8s %12s %7s %8s %8s\n", "iteration", "event", "stage",
              "phase limit", "streak", "freeze until", "failure", "p10 med", "step one");
  for (absl::string_view line : absl::StrSplit(records, '\n', absl::SkipEmpty())) {
    const auto r = nlohmann::json::parse(line.begin(), line.end());
    const std::string median =
        r.contains("rolling_p10_median") && r["rolling_p10_median"].is_number()
            ? absl::StrFormat("%.2f", r["rolling_p10_median"].get<double>())
            : "-";
    std::printf("%9d %-16s %5d %11d %8d %12d %7s %8s %8.4f\n", r["iteration"].get<int>(),
                r["event"].get<std::string>().c_str(), r["stage"].get<int>(),
                r["phase_limit"].get<int>(), r["success_streak"].get<int>(),
                r["freeze_until"].get<int>(), r["failure_detected"].get<bool>() ? "yes" : "no",
                median.c_str(), r["step_one_death_ratio"].get<double>());
  }
}

absl::Status Replay(ReplayArguments& arguments) {
  arguments.request.command_line = arguments.given.options();
  auto options = CombineOptions(arguments.request);
  if (!options.ok()) return options.status();
  if (absl::Status status = ResolveOptions(*options); !status.ok()) return status;
  auto history = ReadFile(arguments.history);
  if (!history.ok()) return history.status();
  auto records = ReplayHistory(*history, *options);
  if (!records.ok()) {
    return absl::Status(records.status().code(),
                        absl::StrCat(arguments.history, ": ", records.status().message()));
  }
  if (arguments.json) {
    std::fputs(records->c_str(), stdout);
  } else {
    PrintTable(*records);
  }
  return absl::OkStatus();
}

}  // namespace

Command AddGateReplayCommand(CLI::App& app) {
  auto arguments = std::make_shared<ReplayArguments>();
  CLI::App* gate = app.add_subcommand("gate", "the penalty gate");
  gate->require_subcommand(1);
  CLI::App* replay =
      gate->add_subcommand("replay", "run a history of evaluations through a gate with any options");
  replay->add_option("--history", arguments->history, "an eval_multi_history.jsonl")
      ->required()
      ->type_name("FILE");
  replay->add_option("--preset", arguments->request.preset, "named set of options")->type_name("NAME");
  replay->add_option("--config", arguments->request.config_file, "options from a file")
      ->type_name("FILE");
  replay->add_flag("--json", arguments->json, "one JSON record a line");
  AddRunOptions(*replay, arguments->given);
  return Command{gate, [arguments] {
                   const absl::Status status = Replay(*arguments);
                   return status.ok() ? kExitDone : ReportError(status);
                 }};
}

}  // namespace shoal
