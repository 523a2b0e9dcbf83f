#include "coordinator/artifacts/run_facts.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/options.h"
#include "coordinator/artifacts/gate_input.h"
#include "coordinator/store/evaluation_episodes.h"

namespace shoal {
namespace {

absl::StatusOr<EvaluationFacts> ReadEvaluation(const RunStore& store, const EvaluationRow& row) {
  auto episodes = LoadEpisodes(store, row.id);
  if (!episodes.ok()) return episodes.status();
  auto summary = SummarizeEvaluation(*episodes);
  if (!summary.ok()) return summary.status();
  EvaluationFacts facts;
  facts.kind = row.kind;
  facts.iteration = row.iteration;
  facts.summary = *std::move(summary);
  for (const v1::EvaluationEpisode& episode : *episodes) {
    facts.death_steps.insert(facts.death_steps.end(), episode.death_step().begin(),
                             episode.death_step().end());
  }
  return facts;
}

absl::Status ReadIterations(const RunStore& store, RunFacts& facts) {
  auto last = store.LastCommitted();
  if (!last.ok()) return last.status();
  for (int64_t i = 1; i <= last->iteration; ++i) {
    auto iteration = store.LoadIteration(i);
    if (!iteration.ok()) return iteration.status();
    auto json = nlohmann::ordered_json::parse(iteration->measurements, nullptr, false);
    if (!json.is_object()) {
      return absl::DataLossError(absl::StrCat(store.path(), ": the measurements of iteration ", i,
                                              " are no JSON object"));
    }
    facts.iterations.push_back(std::move(json));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status JudgeEvaluations(const v1::RunOptions& options,
                              std::vector<EvaluationFacts>& evaluations) {
  auto gate = PenaltyGate::Create(options);
  if (!gate.ok()) return gate.status();
  for (EvaluationFacts& evaluation : evaluations) {
    if (evaluation.kind != RunStore::kMultiEvaluation) continue;
    auto record = gate->OnEvaluation(GateInputOf(evaluation.iteration, evaluation.summary));
    if (!record.ok()) return record.status();
    evaluation.gate = *std::move(record);
  }
  return absl::OkStatus();
}

absl::StatusOr<RunFacts> ReadRunFacts(const RunStore& store) {
  RunFacts facts;
  auto info = store.Info();
  if (!info.ok()) return info.status();
  facts.info = *std::move(info);
  auto options = ParseOptions(facts.info.options, store.path());
  if (!options.ok()) return options.status();
  facts.options = *std::move(options);
  if (absl::Status status = ReadIterations(store, facts); !status.ok()) return status;
  auto rows = store.FinishedEvaluations();
  if (!rows.ok()) return rows.status();
  for (const EvaluationRow& row : *rows) {
    auto evaluation = ReadEvaluation(store, row);
    if (!evaluation.ok()) return evaluation.status();
    facts.evaluations.push_back(*std::move(evaluation));
  }
  if (absl::Status status = JudgeEvaluations(facts.options, facts.evaluations); !status.ok()) {
    return status;
  }
  auto stages = TailStageSpecs(facts.options);
  if (!stages.ok()) return stages.status();
  facts.tail_stages = *std::move(stages);
  auto used = store.LoadTailUsed();
  if (!used.ok()) return used.status();
  facts.tail_used = *std::move(used);
  return facts;
}

}  // namespace shoal
