// shoal sweep: many runs, one table.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "common/shutdown.h"
#include "coordinator/cli/exit_codes.h"
#include "coordinator/cli/experiment_commands.h"
#include "coordinator/cli/find_policy.h"
#include "coordinator/cli/run_summary.h"
#include "coordinator/cli/scene_options.h"
#include "coordinator/cli/sweep_runner.h"
#include "coordinator/evaluation/summary.h"
#include "coordinator/store/run_store.h"
#include "coordinator/sweep/plan.h"
#include "coordinator/sweep/table.h"

namespace shoal {
namespace {

struct SweepArguments {
  std::string file;
  std::vector<std::string> grid;
  std::string seeds;
  std::vector<std::string> banks;
  std::vector<std::string> base;
  std::string out;
  std::string policy = "final";
  std::string output = "table";
  int jobs = 1;
  bool table_only = false;
};

absl::StatusOr<SweepPlan> ReadPlan(const SweepArguments& arguments) {
  SweepPlan plan;
  if (!arguments.file.empty()) {
    auto text = ReadFile(arguments.file);
    if (!text.ok()) return text.status();
    auto read = ParseSweepFile(*text, arguments.file);
    if (!read.ok()) return read.status();
    plan = *std::move(read);
  }
  auto grid = ExpandGrid(arguments.grid);
  if (!grid.ok()) return grid.status();
  plan.rows.insert(plan.rows.end(), grid->begin(), grid->end());
  auto base = ParseSweepOptions(arguments.base);
  if (!base.ok()) return base.status();
  plan.base = MergeSweepOptions(std::move(plan.base), *base);
  if (!arguments.seeds.empty()) {
    auto seeds = ParseSeeds(arguments.seeds);
    if (!seeds.ok()) return seeds.status();
    plan.seeds = *std::move(seeds);
  }
  if (!arguments.banks.empty()) plan.banks = arguments.banks;
  if (absl::Status status = CheckPlan(plan); !status.ok()) return status;
  return plan;
}

// What a run of a sweep has where nothing else is said: no videos, no evaluation of its own at the
// end (the sweep makes one), and its share of the cores.
SweepOptions Defaults(int jobs) {
  const int cores = std::max(1u, std::thread::hardware_concurrency());
  const std::string share = absl::StrCat(std::max(1, cores / jobs));
  return {{"tail_replay_count", "0"},
          {"skip_final_eval", "true"},
          {"actors", share},
          {"learner_threads", share}};
}

absl::StatusOr<double> MeanSurvival(const SceneArguments& scenes, const std::string& policy,
                                    const std::string& out) {
  auto player = FindPlayer(policy, out);
  if (!player.ok()) return player.status();
  if (absl::Status s = ApplySceneOptions(scenes, player->world); !s.ok()) return s;
  auto starts = SceneStarts(scenes);
  if (!starts.ok()) return starts.status();
  std::vector<v1::EvaluationEpisode> episodes;
  for (const EpisodeStart& start : *starts) {
    auto episode = PlayScene(player->world, start, scenes.num_fish, *player->player);
    if (!episode.ok()) return episode.status();
    episodes.push_back(*std::move(episode));
  }
  auto summary = SummarizeEvaluation(episodes);
  if (!summary.ok()) return summary.status();
  return summary->avg_final_survival_rate;
}

// The values of a finished run, or why there are none.
SweepResult Evaluate(const SweepArguments& arguments, const std::vector<SceneArguments>& banks,
                     const SweepRun& run) {
  SweepResult result;
  result.row = run.row;
  result.seed = run.seed;
  const std::string folder = absl::StrCat(arguments.out, "/", run.name);
  auto store = RunStore::OpenReadOnly(absl::StrCat(folder, "/run.db"));
  auto last = store.ok() ? store->LastCommitted() : store.status();
  if (!last.ok()) {
    result.error = std::string(last.status().message());
    return result;
  }
  result.policy_sha256 = last->policy_sha256;
  std::string policy = absl::StrCat("run:", run.name);
  if (arguments.policy == "best") {
    policy = absl::StrCat(folder, "/checkpoints/best/policy.safetensors");
  } else if (arguments.policy != "final") {
    absl::StrAppend(&policy, "@", arguments.policy);
  }
  for (const SceneArguments& bank : banks) {
    auto survival = MeanSurvival(bank, policy, arguments.out);
    if (!survival.ok()) {
      result.error = std::string(survival.status().message());
      return result;
    }
    result.survival.push_back(*survival);
  }
  return result;
}

// Writes the table's files into the sweep's folder and prints it.
absl::Status Finish(const SweepArguments& arguments, const SweepPlan& plan,
                    const std::vector<SweepResult>& results) {
  auto table = MakeSweepTable(plan, results);
  if (!table.ok()) return table.status();
  const std::string json = SweepJson(plan, *table, results);
  const std::string markdown = SweepMarkdown(plan, *table, results);
  absl::Status status = WriteFileAtomically(absl::StrCat(arguments.out, "/table.json"), json);
  if (status.ok()) {
    status = WriteFileAtomically(absl::StrCat(arguments.out, "/table.tsv"), SweepTsv(plan, *table));
  }
  if (status.ok()) status = WriteFileAtomically(absl::StrCat(arguments.out, "/table.md"), markdown);
  std::fputs((arguments.output == "json" ? json : markdown).c_str(), stdout);
  return status;
}

int RunSweep(const SweepArguments& arguments) {
  // Signals are taken over before any thread starts.
  std::atomic<int> interrupts{0};
  ShutdownSignal signal({[&] { interrupts = 1; }, [&] { interrupts = 2; }});
  auto plan = ReadPlan(arguments);
  if (!plan.ok()) return ReportError(plan.status());
  std::vector<SceneArguments> banks;
  for (const std::string& text : plan->banks) {
    auto scenes = ParseScenes(text);
    // A bank that cannot be played must not be found out after hours of training.
    if (scenes.ok()) {
      if (auto starts = SceneStarts(*scenes); !starts.ok()) scenes = starts.status();
    }
    if (!scenes.ok()) return ReportError(scenes.status());
    banks.push_back(*std::move(scenes));
  }
  const std::vector<SweepRun> runs = ExpandRuns(*plan, Defaults(arguments.jobs));
  if (absl::Status status = OpenSweep(arguments.out, runs); !status.ok()) return ReportError(status);

  std::vector<std::string> failures(runs.size());
  if (!arguments.table_only) {
    SweepRunnerOptions options;
    options.out = arguments.out;
    options.jobs = arguments.jobs;
    std::error_code error;
    options.shoal = std::filesystem::read_symlink("/proc/self/exe", error).string();
    options.interrupts = [&] { return interrupts.load(); };
    options.say = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
    auto trained = TrainSweep(options, runs);
    if (absl::IsCancelled(trained.status())) {
      std::fprintf(stderr, "stopped; the same command goes on\n");
      return kExitInterrupted;
    }
    if (!trained.ok()) return ReportError(trained.status());
    failures = *std::move(trained);
  }
  std::vector<SweepResult> results;
  bool all = true;
  for (size_t i = 0; i < runs.size(); ++i) {
    if (interrupts > 0) {
      std::fprintf(stderr, "stopped; the same command goes on\n");
      return kExitInterrupted;
    }
    auto info = ReadRunInfo(absl::StrCat(arguments.out, "/", runs[i].name));
    if (failures[i].empty() && (!info.ok() || info->status != RunState::kDone)) {
      failures[i] = "is not done";
    }
    results.push_back(failures[i].empty() ? Evaluate(arguments, banks, runs[i])
                                          : SweepResult{runs[i].row, runs[i].seed, failures[i], {}, ""});
    all = all && results.back().error.empty();
  }
  if (absl::Status status = Finish(arguments, *plan, results); !status.ok()) {
    return ReportError(status);
  }
  return all ? kExitDone : kExitFailed;
}

}  // namespace

Command AddSweepCommand(CLI::App& app) {
  auto a = std::make_shared<SweepArguments>();
  CLI::App* sweep = app.add_subcommand(
      "sweep", "train rows of options with several seeds each, and compare them in one table");
  sweep->add_option("--file", a->file, "a sweep file: base, seeds, bank, grid and row lines")
      ->type_name("FILE");
  sweep->add_option("--grid", a->grid, "NAME=V1,V2,... (or V1;V2 for values with commas); several multiply")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("AXIS");
  sweep->add_option("--seeds", a->seeds, "1-5, or 1,3,7; instead of the file's")->type_name("SEEDS");
  sweep->add_option("--bank", a->banks,
                    "BANK:EPISODES to evaluate on, and in the same quotes any options of the scenes; "
                    "several; instead of the file's")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("BANK");
  sweep->add_option("--out", a->out, "folder of the sweep's runs and tables")
      ->required()
      ->type_name("DIR");
  sweep->add_option("--jobs", a->jobs, "runs at a time")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  sweep->add_option("--policy", a->policy, "of each run: final, best, or the checkpoint of this iteration")
      ->check([](const std::string& text) {
        const bool number = !text.empty() && text.size() < 10 &&
                            text.find_first_not_of("0123456789") == text.npos;
        return number || text == "final" || text == "best"
                   ? std::string()
                   : "accepted are final, best and the number of an iteration";
      })
      ->capture_default_str();
  sweep->add_flag("--table_only", a->table_only, "train nothing; the table of the runs that are done");
  sweep->add_option("-o,--output", a->output, "table (Markdown) or json, which has more")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  sweep->add_option("base", a->base, "after --: options of `shoal train` for every run")
      ->type_name("OPTION...");
  return Command{sweep, [a] { return RunSweep(*a); }};
}

std::vector<Command> AddExperimentCommands(CLI::App& app) {
  return {AddCeilingCommand(app), AddSweepCommand(app)};
}

}  // namespace shoal
