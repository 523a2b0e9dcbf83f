#include "coordinator/cli/run_summary.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/options.h"
#include "coordinator/evaluation/best_checkpoint.h"
#include "nlohmann/json.hpp"

namespace shoal {
namespace {

using Json = nlohmann::ordered_json;

std::string EvaluationTable(const std::vector<EvaluationRow>& evaluations) {
  std::string text = absl::StrFormat("%-10s %9s %8s %8s %7s %11s %8s %9s  %s\n", "evaluation",
                                     "iteration", "survival", "minimum", "p10", "early death",
                                     "step one", "avoidable", "gate");
  for (const EvaluationRow& row : evaluations) {
    const Json summary = Json::parse(row.summary);
    const Json& rates = summary["summary"];
    const Json& deaths = summary["death_stats"];
    std::string gate = "-";
    if (row.gate_event) {
      const Json record = Json::parse(*row.gate_event);
      gate = absl::StrCat("stage ", record["stage"].get<int>(), " ",
                          record["event"].get<std::string>());
    }
    absl::StrAppendFormat(&text, "%-10s %9d %8.4f %8.4f %7.1f %11.4f %8d %9.4f  %s\n", row.kind,
                          row.iteration, rates["avg_final_survival_rate"].get<double>(),
                          rates["min_final_survival_rate"].get<double>(),
                          deaths["p10"].get<double>(),
                          deaths["early_death_fraction_100"].get<double>(),
                          summary["step_one_death_count"].get<int>(),
                          summary["step_one_avoidable_ratio"].get<double>(), gate);
  }
  return text;
}

std::string BestText(const std::vector<EvaluationRow>& evaluations, const v1::RunOptions& options,
                     int64_t last) {
  BestCheckpoint best(options);
  for (const EvaluationRow& row : evaluations) {
    if (row.kind != RunStore::kMultiEvaluation) continue;
    const Json summary = Json::parse(row.summary);
    BestCandidate candidate;
    candidate.iteration = row.iteration;
    candidate.step_one_deaths = summary["step_one_death_count"].get<int64_t>();
    candidate.avoidable_step_one_ratio = summary["step_one_avoidable_ratio"].get<double>();
    candidate.early_death = summary["death_stats"]["early_death_fraction_100"].get<double>();
    candidate.avg_final_survival = summary["summary"]["avg_final_survival_rate"].get<double>();
    best.Offer(candidate);
  }
  if (best.best()) return absl::StrCat("best checkpoint: iteration ", best.best()->iteration);
  return absl::StrCat("best checkpoint: no evaluation satisfied the limits, so the last one, iteration ",
                      last, ", stands in");
}

}  // namespace

absl::StatusOr<RunInfo> ReadRunInfo(const std::string& run_dir) {
  auto store = RunStore::OpenReadOnly(absl::StrCat(run_dir, "/run.db"));
  if (!store.ok()) return store.status();
  return store->Info();
}

absl::StatusOr<std::string> RunSummary(const std::string& run_dir) {
  auto store = RunStore::OpenReadOnly(absl::StrCat(run_dir, "/run.db"));
  if (!store.ok()) return store.status();
  auto info = store->Info();
  if (!info.ok()) return info.status();
  auto last = store->LastCommitted();
  if (!last.ok()) return last.status();
  auto evaluations = store->FinishedEvaluations();
  if (!evaluations.ok()) return evaluations.status();
  auto options = ParseOptions(info->options, absl::StrCat(run_dir, "/run.db"));
  if (!options.ok()) return options.status();

  std::string text;
  if (!evaluations->empty()) {
    absl::StrAppend(&text, EvaluationTable(*evaluations),
                    BestText(*evaluations, *options, last->iteration), "\n");
  }
  absl::StrAppend(&text, "iterations: ", last->iteration, " of ", options->total_iterations(), "\n",
                  "files: ", run_dir, "\n", "policy_sha256 ", last->policy_sha256, "\n");
  return text;
}

}  // namespace shoal
