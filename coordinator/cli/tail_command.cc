// shoal tail make: mix files for the tail queue.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "coordinator/cli/commands.h"
#include "coordinator/cli/exit_codes.h"
#include "coordinator/cli/order_command.h"
#include "coordinator/cli/run_target.h"
#include "coordinator/run/run_reports.h"
#include "coordinator/tail/make_mix.h"
#include "coordinator/tail/mix_file.h"

namespace shoal {
namespace {

struct MakeArguments {
  std::string preset;
  std::string out;
  std::string sector;
  std::string speed = "0-10";
  std::vector<std::string> parts;
  std::vector<std::string> deaths;
  int64_t count = 2560;
  uint64_t seed = 0;
};

absl::Status MakePreset(const MakeArguments& arguments) {
  auto stages = PresetStages(arguments.preset);
  if (!stages.ok()) return stages.status();
  if (absl::Status status = CreateDirectories(arguments.out); !status.ok()) return status;
  for (const PresetStage& stage : *stages) {
    const std::string path = absl::StrCat(arguments.out, "/", stage.file_name);
    if (absl::Status s = WriteFileAtomically(path, stage.text); !s.ok()) return s;
    std::printf("%s\n", path.c_str());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<MixPart>> Parts(const MakeArguments& arguments) {
  std::vector<MixPart> parts;
  for (const std::string& text : arguments.parts) {
    auto part = ParseMixPart(text);
    if (!part.ok()) return part.status();
    parts.push_back(*part);
  }
  if (!arguments.sector.empty()) {
    MixPart part;
    auto heading = ParseMixRange("sector", arguments.sector);
    if (!heading.ok()) return heading.status();
    auto speed = ParseMixRange("speed", arguments.speed);
    if (!speed.ok()) return speed.status();
    part.heading = *heading;
    part.speed = *speed;
    parts.push_back(part);
  }
  return parts;
}

absl::Status Make(const MakeArguments& arguments) {
  if (!arguments.preset.empty()) {
    if (!arguments.sector.empty() || !arguments.parts.empty()) {
      return absl::InvalidArgumentError("--preset makes files of its own: give no --sector or --part with it");
    }
    if (arguments.out.empty()) {
      return absl::InvalidArgumentError("--preset needs --out DIR for its files");
    }
    return MakePreset(arguments);
  }
  if (arguments.sector.empty() == arguments.parts.empty()) {
    return absl::InvalidArgumentError("give either --sector (with --speed), one or more --part, or --preset");
  }
  MixRequest request;
  request.count = arguments.count;
  request.seed = arguments.seed;
  auto parts = Parts(arguments);
  if (!parts.ok()) return parts.status();
  request.parts = *std::move(parts);
  for (const std::string& path : arguments.deaths) {
    auto text = ReadFile(path);
    if (!text.ok()) return text.status();
    auto deaths = ReadDeaths(*text, path);
    if (!deaths.ok()) return deaths.status();
    request.deaths.insert(request.deaths.end(), deaths->begin(), deaths->end());
  }
  auto mix = MakeMix(request);
  // Deaths that no part fits are bad content, not a failure of ours.
  if (!mix.ok()) return absl::InvalidArgumentError(mix.status().message());
  if (arguments.out.empty()) {
    std::fputs(mix->c_str(), stdout);
    return absl::OkStatus();
  }
  return WriteFileAtomically(arguments.out, *mix);
}

// "0-3, 7", and so on.
std::string Ranges(const std::vector<int>& numbers) {
  std::string text;
  for (size_t i = 0; i < numbers.size();) {
    size_t end = i;
    while (end + 1 < numbers.size() && numbers[end + 1] == numbers[end] + 1) ++end;
    absl::StrAppend(&text, text.empty() ? "" : ", ", numbers[i]);
    if (end > i) absl::StrAppend(&text, "-", numbers[end]);
    i = end + 1;
  }
  return text;
}

void PrintTail(const v1::GetTailResponse& report) {
  const v1::TailStatus& tail = report.tail();
  std::printf("slots %d, left %d, taken %d; %.2f of the planned pace; refills %d\n\n",
              static_cast<int>(tail.slots()), static_cast<int>(tail.slots_left()),
              static_cast<int>(tail.used_total()), tail.schedule_ratio(),
              static_cast<int>(tail.refills()));
  std::printf("%5s  %10s  %10s  %7s  %7s  %6s  %s\n", "stage", "iterations", "velocities", "slots",
              "used", "share", "file");
  for (const v1::TailStageStatus& stage : report.stages()) {
    const double share = stage.slots() > 0 ? 100.0 * stage.used() / stage.slots() : 0;
    std::printf("%5d  %10d  %10d  %7d  %7d  %4.0f %%  %s%s\n", static_cast<int>(stage.stage()),
                static_cast<int>(stage.iterations()), static_cast<int>(stage.velocities()),
                static_cast<int>(stage.slots()), static_cast<int>(stage.used()), share,
                stage.path().c_str(), stage.stage() == tail.stage() ? "  (current)" : "");
  }
  std::printf("\n%9s  %6s  %9s  %13s  %12s\n", "iteration", "begun", "overrides", "forced resets",
              "planned pace");
  for (const v1::TailIteration& i : report.iterations()) {
    std::printf("%9d  %6d  %9d  %13d  %12.2f\n", static_cast<int>(i.iteration()),
                static_cast<int>(i.episodes_begun()), static_cast<int>(i.overrides()),
                static_cast<int>(i.forced_resets()), i.schedule_ratio());
  }
  std::vector<int> unused;
  for (int e = 0; e < report.used_size(); ++e) {
    if (report.used(e) == 0) unused.push_back(e);
  }
  std::printf("\nenvironments that have used none of their %d slots: %s\n",
              static_cast<int>(report.slots_each()),
              unused.empty() ? "none" : absl::StrCat(unused.size(), " of ", report.used_size(), " (",
                                                     Ranges(unused), ")").c_str());
}

int ShowTail(const RunTarget& target) {
  if (absl::Status s = CheckRunTarget(target, "tail"); !s.ok()) return ReportError(s);
  auto report = AskOrRead(target, &v1::RunService::Stub::GetTail, TailReport);
  if (!report.ok()) return ReportError(report.status());
  if (target.output == "json") return PrintJson(*report);
  PrintTail(*report);
  return kExitDone;
}

}  // namespace

Command AddTailMakeCommand(CLI::App& app) {
  auto a = std::make_shared<MakeArguments>();
  auto target = std::make_shared<RunTarget>();
  auto refill_order = std::make_shared<OrderArguments>();
  CLI::App* tail = app.add_subcommand(
      "tail", "tail seeds: what a run has used of them by stage, iteration and environment");
  tail->require_subcommand(0, 1);
  AddRunTarget(*tail, *target);
  CLI::App* refill = tail->add_subcommand(
      "refill", "give each environment's used slots of its current stage back, in a run that is on");
  AddOrderOptions(*refill, *refill_order, v1::Order::KIND_TAIL_REFILL, true);
  CLI::App* make = tail->add_subcommand("make", "make a mix file of predator velocities");
  make->add_option("--preset", a->preset, "the stage files of a preset, into the folder --out")
      ->type_name("NAME");
  make->add_option("--out", a->out, "file to write (default: standard output); a folder for --preset")
      ->type_name("PATH");
  make->add_option("--sector", a->sector, "headings, degrees counter-clockwise from +x: 180-270")
      ->type_name("RANGE");
  make->add_option("--speed", a->speed, "speeds: 0.2-1.35")->type_name("RANGE")->capture_default_str();
  make->add_option("--part", a->parts,
                   "a part of the mix: SHARE:sector:HEADING:SPEED, SHARE:deaths:HEADING:SPEED or "
                   "SHARE:others[:CLUSTERS], SHARE as 0.4 or 40%")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("PART");
  make->add_option("--deaths", a->deaths,
                   "recorded step-one deaths: a run's step_one_worst_seeds.json, "
                   "step_one_clusters.jsonl or eval_multi_history.jsonl")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("FILE");
  make->add_option("--count", a->count, "velocities")
      ->check(CLI::Range(int64_t{1}, int64_t{10000000}))
      ->capture_default_str();
  make->add_option("--seed", a->seed, "seed of what is drawn")->capture_default_str();
  return Command{tail, [a, target, refill_order, make, refill] {
                   if (refill->parsed()) return GiveOrder(*refill_order, "tail refill");
                   if (!make->parsed()) return ShowTail(*target);
                   const absl::Status status = Make(*a);
                   return status.ok() ? kExitDone : ReportError(status);
                 }};
}

}  // namespace shoal
