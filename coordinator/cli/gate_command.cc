// shoal gate replay: a recorded history of evaluations through a gate with any options.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "common/command_line.h"
#include "common/files.h"
#include "coordinator/cli/commands.h"
#include "coordinator/cli/exit_codes.h"
#include "coordinator/cli/prepare_run.h"
#include "coordinator/cli/run_target.h"
#include "coordinator/cli/terminal.h"
#include "coordinator/gate/replay.h"
#include "coordinator/run/run_reports.h"
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

void PrintGateHistory(const v1::GetGateResponse& report) {
  std::printf("%9s  %-16s  %5s  %5s  %9s  %8s  %12s\n", "iteration", "event", "stage", "phase",
              "successes", "failures", "freeze until");
  for (const v1::GateStatus& gate : report.history()) {
    std::printf("%9d  %-16s  %5d  %5d  %9s  %8d  %12d%s\n", static_cast<int>(gate.iteration()),
                gate.event().c_str(), static_cast<int>(gate.stage()),
                static_cast<int>(gate.allowed_phase()),
                absl::StrCat(gate.success_streak(), "/", gate.required_successes()).c_str(),
                static_cast<int>(gate.failure_streak()), static_cast<int>(gate.freeze_until()),
                gate.relaxed() ? "  relaxed" : "");
  }
}

// What the last evaluation lacked of a success, criterion by criterion.
void PrintMissing(const v1::GateStatus& gate, bool colours) {
  if (gate.iteration() == 0) {
    std::printf("no evaluation was judged yet; locked until iteration %d\n",
                static_cast<int>(gate.lock_iteration()));
    return;
  }
  std::printf("\nfor the next success (of %d running; measured at iteration %d):\n",
              static_cast<int>(gate.required_successes()), static_cast<int>(gate.iteration()));
  std::printf("  %-35s  %10s  %4s  %10s\n", "criterion", "measured", "", "threshold");
  for (const v1::GateCriterionStatus& c : gate.criteria()) {
    const bool failure = absl::StartsWith(c.name(), "failure_");
    // A failure is what must not hold.
    const bool met = failure ? !c.held() : c.held();
    const char* const relation = failure || c.name() == "success_p10" ? ">=" : "<=";
    const std::string verdict = !c.on() ? Tinted("off", Tint::kQuiet, colours)
                                : met   ? Tinted("met", Tint::kGood, colours)
                                        : Tinted("missed", Tint::kBad, colours);
    std::printf("  %-35s  %10s  %4s  %10.5g  %s\n", c.name().c_str(),
                c.has_value() ? absl::StrFormat("%.5g", c.value()).c_str() : "-", relation,
                c.threshold(), verdict.c_str());
  }
  if (gate.lock_iteration() >= gate.iteration()) {
    std::printf("  locked until iteration %d, whatever is measured\n",
                static_cast<int>(gate.lock_iteration()));
  } else if (gate.freeze_until() > gate.iteration()) {
    std::printf("  frozen until iteration %d\n", static_cast<int>(gate.freeze_until()));
  }
}

int ShowGate(const RunTarget& target) {
  if (absl::Status s = CheckRunTarget(target, "gate"); !s.ok()) return ReportError(s);
  auto report = AskOrRead(target, &v1::RunService::Stub::GetGate, GateReport);
  if (!report.ok()) return ReportError(report.status());
  if (target.output == "json") return PrintJson(*report);
  PrintGateHistory(*report);
  PrintMissing(report->gate(), WantsColours(STDOUT_FILENO));
  return kExitDone;
}

}  // namespace

Command AddGateReplayCommand(CLI::App& app) {
  auto arguments = std::make_shared<ReplayArguments>();
  auto target = std::make_shared<RunTarget>();
  CLI::App* gate = app.add_subcommand(
      "gate", "the penalty gate: what it answered, and what the next success lacks");
  gate->require_subcommand(0, 1);
  AddRunTarget(*gate, *target);
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
  return Command{gate, [arguments, target, replay] {
                   if (!replay->parsed()) return ShowGate(*target);
                   const absl::Status status = Replay(*arguments);
                   return status.ok() ? kExitDone : ReportError(status);
                 }};
}

}  // namespace shoal
