// shoal runs, iterations, evals, checkpoints: what is recorded, as a table or as JSON. They read
// run.db, also while the run is on, and ask nobody.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/options.h"
#include "coordinator/cli/cluster_commands.h"
#include "coordinator/cli/commands.h"
#include "coordinator/cli/connection_options.h"
#include "coordinator/cli/exit_codes.h"
#include "coordinator/cli/prepare_run.h"
#include "coordinator/evaluation/summary.h"
#include "coordinator/store/run_store.h"
#include "learner/checkpoint/checkpoint.h"
#include "nlohmann/json.hpp"

namespace shoal {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct ListArguments {
  std::string run;
  std::string out = "runs";
  std::string output = "table";
  std::string coordinator;
  double timeout = 10;
};

std::string Cell(const Json& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (!value.is_number_float()) return value.dump();
  return absl::StrFormat("%.*f", std::abs(value.get<double>()) < 100 ? 4 : 0, value.get<double>());
}

// Rows are flat objects with the same names in the same order; text to the left, the rest to the
// right. `columns`: the names to show, where a table has no room for all.
std::string Table(const std::vector<Json>& rows, const std::vector<std::string>& columns) {
  std::vector<std::string> lines(rows.size() + 1);
  for (const std::string& name : columns) {
    std::vector<std::string> cells = {name};
    for (const Json& row : rows) cells.push_back(Cell(row.value(name, Json())));
    size_t width = 0;
    for (const std::string& cell : cells) width = std::max(width, cell.size());
    const bool text = std::any_of(rows.begin(), rows.end(), [&](const Json& row) {
      return row.value(name, Json()).is_string();
    });
    for (size_t i = 0; i < cells.size(); ++i) {
      if (!lines[i].empty()) lines[i] += "  ";
      const std::string space(width - cells[i].size(), ' ');
      lines[i] += text ? cells[i] + space : space + cells[i];
    }
  }
  std::string table;
  for (std::string& line : lines) {
    line.erase(line.find_last_not_of(' ') + 1);
    absl::StrAppend(&table, line, "\n");
  }
  return table;
}

absl::StatusOr<Json> Parse(const std::string& text, const std::string& what) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::DataLossError(absl::StrCat(what, " cannot be read"));
  return json;
}

absl::StatusOr<RunStore> OpenStore(const std::string& folder) {
  auto store = RunStore::OpenReadOnly(absl::StrCat(folder, "/run.db"));
  if (absl::IsNotFound(store.status())) {
    return absl::NotFoundError(absl::StrCat("the run in ", folder, " was never started"));
  }
  return store;
}

absl::StatusOr<Json> RunRow(const std::string& folder) {
  auto store = RunStore::OpenReadOnly(absl::StrCat(folder, "/run.db"));
  if (!store.ok()) return store.status();
  auto info = store->Info();
  if (!info.ok()) return info.status();
  auto last = store->LastCommitted();
  if (!last.ok()) return last.status();
  auto options = ParseOptions(info->options, store->path());
  if (!options.ok()) return options.status();
  auto evaluations = store->FinishedEvaluations();
  if (!evaluations.ok()) return evaluations.status();
  Json survival = nullptr;
  for (const EvaluationRow& evaluation : *evaluations) {
    if (evaluation.kind != RunStore::kMultiEvaluation) continue;
    auto summary = Parse(evaluation.summary, absl::StrCat(store->path(), ": an evaluation"));
    if (!summary.ok()) return summary.status();
    survival = summary->value("/summary/avg_final_survival_rate"_json_pointer, Json());
  }
  return Json{{"run", info->name},
              {"state", RunStateName(info->status)},
              {"iteration", last->iteration},
              {"of", options->total_iterations()},
              {"survival", survival},
              {"created", FormatTimestamp(info->created_at)},
              {"policy_sha256", last->policy_sha256}};
}

absl::StatusOr<std::vector<Json>> ListRuns(const ListArguments& arguments) {
  std::error_code error;
  std::vector<std::string> folders;
  for (const auto& entry : fs::directory_iterator(arguments.out, error)) {
    if (fs::exists(entry.path() / "run.db")) folders.push_back(entry.path().string());
  }
  if (error) {
    return absl::NotFoundError(absl::StrCat("--out ", arguments.out, ": ", error.message()));
  }
  std::sort(folders.begin(), folders.end());
  std::vector<Json> rows;
  for (const std::string& folder : folders) {
    auto row = RunRow(folder);
    if (row.ok()) {
      rows.push_back(*std::move(row));
    } else {
      // One that is damaged, or of another build, hides no other.
      (void)ReportError(row.status());
    }
  }
  return rows;
}

absl::StatusOr<std::vector<Json>> ListIterations(const std::string& folder) {
  auto store = OpenStore(folder);
  if (!store.ok()) return store.status();
  auto last = store->LastCommitted();
  if (!last.ok()) return last.status();
  std::vector<Json> rows;
  for (int64_t i = 1; i <= last->iteration; ++i) {
    auto iteration = store->LoadIteration(i);
    if (!iteration.ok()) return iteration.status();
    auto row = Parse(iteration->measurements, absl::StrCat(store->path(), ": iteration ", i));
    if (!row.ok()) return row.status();
    (*row)["policy_sha256"] = iteration->policy_sha256;
    (*row)["committed_at"] = FormatTimestamp(iteration->committed_at);
    rows.push_back(*std::move(row));
  }
  return rows;
}

absl::StatusOr<Json> EvaluationListRow(const EvaluationRow& evaluation, const std::string& path) {
  const std::string what = absl::StrCat(path, ": evaluation ", evaluation.id);
  auto summary = Parse(evaluation.summary, what);
  if (!summary.ok()) return summary.status();
  Json gate = Json::object();
  if (evaluation.gate_event) {
    auto event = Parse(*evaluation.gate_event, what);
    if (!event.ok()) return event.status();
    gate = *std::move(event);
  }
  const auto of = [&](const char* group, const char* name) {
    return summary->value(Json::json_pointer(absl::StrCat("/", group, "/", name)), Json());
  };
  return Json{{"id", evaluation.id},
              {"kind", evaluation.kind},
              {"iteration", evaluation.iteration},
              {"episodes", of("summary", "episodes")},
              {"survival", of("summary", "avg_final_survival_rate")},
              {"worst", of("summary", "min_final_survival_rate")},
              {"p10", of("death_stats", "p10")},
              {"early_100", of("death_stats", "early_death_fraction_100")},
              {"step_one", summary->value("step_one_death_count", Json())},
              {"unavoidable", summary->value("step_one_unavoidable_count", Json())},
              {"ne_share", summary->value("step_one_ne_high_speed_share", Json())},
              {"gate", gate.value("event", Json())},
              {"stage", gate.value("stage", Json())},
              {"freeze_until", gate.value("freeze_until", Json())}};
}

absl::StatusOr<std::vector<Json>> ListEvaluations(const std::string& folder) {
  auto store = OpenStore(folder);
  if (!store.ok()) return store.status();
  auto evaluations = store->FinishedEvaluations();
  if (!evaluations.ok()) return evaluations.status();
  std::vector<Json> rows;
  for (const EvaluationRow& evaluation : *evaluations) {
    auto row = EvaluationListRow(evaluation, store->path());
    if (!row.ok()) return row.status();
    rows.push_back(*std::move(row));
  }
  return rows;
}

absl::StatusOr<std::vector<Json>> ListCheckpointRows(const std::string& folder) {
  auto store = OpenStore(folder);
  if (!store.ok()) return store.status();
  const std::string checkpoints = absl::StrCat(folder, "/checkpoints");
  auto iterations = ListCheckpoints(checkpoints);
  if (!iterations.ok()) return iterations.status();
  auto last = store->LastCommitted();
  if (!last.ok()) return last.status();
  std::vector<Json> rows;
  for (int64_t iteration : *iterations) {
    // The one of an update whose commit has not come yet has no hash in run.db.
    auto sha = store->PolicySha256(iteration);
    const absl::Status whole =
        sha.ok() ? ReadCheckpoint(checkpoints, iteration, *sha).status() : sha.status();
    rows.push_back({{"iteration", iteration},
                    {"committed", iteration <= last->iteration},
                    {"whole", whole.ok()},
                    {"policy_sha256", sha.ok() ? Json(*sha) : Json()}});
  }
  return rows;
}

int Show(const absl::StatusOr<std::vector<Json>>& rows, const std::string& output,
         const std::vector<std::string>& columns) {
  if (!rows.ok()) return ReportError(rows.status());
  std::string text;
  if (output == "json") {
    text = Json(*rows).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  } else {
    text = Table(*rows, columns);
  }
  std::fputs(text.c_str(), stdout);
  return kExitDone;
}

using Lister = absl::StatusOr<std::vector<Json>> (*)(const std::string& folder);

Command AddList(CLI::App& app, const char* name, const char* help, Lister list,
                std::vector<std::string> columns) {
  auto arguments = std::make_shared<ListArguments>();
  CLI::App* command = app.add_subcommand(name, help);
  if (list != nullptr) {
    command->add_option("run", arguments->run, "the run's name or folder")
        ->required()
        ->type_name("RUN");
  }
  if (list == nullptr) {
    command->add_option("--coordinator", arguments->coordinator,
                        "the line of the standing coordinator there, instead of a folder")
        ->type_name("ADDRESS");
    command->add_option("--timeout", arguments->timeout, "wait so long for an answer, seconds")
        ->check(CLI::Range(0.01, 3600.0))
        ->capture_default_str();
    AddConnectionOptions(*command);
  }
  command->add_option("--out", arguments->out, "folder of all runs")
      ->type_name("DIR")
      ->capture_default_str();
  command->add_option("-o,--output", arguments->output, "table or json, which has more")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  return Command{command, [arguments, list, columns = std::move(columns)] {
                   if (!arguments->coordinator.empty()) {
                     return Show(ListClusterRuns(arguments->coordinator, arguments->timeout),
                                 arguments->output,
                                 {"run", "state", "ahead", "iteration", "submitted", "ended", "message"});
                   }
                   if (list == nullptr) return Show(ListRuns(*arguments), arguments->output, columns);
                   auto folder = FindRun(arguments->out, arguments->run);
                   if (!folder.ok()) return ReportError(folder.status());
                   return Show(list(*folder), arguments->output, columns);
                 }};
}

}  // namespace

Command AddRunsCommand(CLI::App& app) {
  return AddList(app, "runs", "the runs in a folder, or of a standing coordinator", nullptr,
                 {"run", "state", "iteration", "of", "survival", "created"});
}

Command AddIterationsCommand(CLI::App& app) {
  return AddList(app, "iterations", "the committed iterations of a run", ListIterations,
                 {"iteration", "num_fish", "episodes_ended", "survival_rate", "first_death_p10",
                  "step_one_deaths", "density_penalty_coef", "entropy_coef", "escape_boost_speed",
                  "tail_queue_remaining", "tail_schedule_ratio", "rows", "rows_per_second"});
}

Command AddEvalsCommand(CLI::App& app) {
  return AddList(app, "evals", "the evaluations of a run and the gate's answers", ListEvaluations,
                 {"iteration", "kind", "episodes", "survival", "worst", "p10", "early_100",
                  "step_one", "unavoidable", "ne_share", "gate", "stage", "freeze_until"});
}

Command AddCheckpointsCommand(CLI::App& app) {
  return AddList(app, "checkpoints", "the checkpoints of a run, read and compared with run.db",
                 ListCheckpointRows, {"iteration", "committed", "whole", "policy_sha256"});
}

}  // namespace shoal
