// The scenes of an evaluation as the coordinator takes them in: summarised, judged by the gate,
// offered as the best checkpoint.
//
// Input: one frame an EvaluationEpisode.
#include <cmath>

#include "coordinator/evaluation/best_checkpoint.h"
#include "coordinator/evaluation/summary.h"
#include "coordinator/gate/penalty_gate.h"
#include "nlohmann/json.hpp"
#include "tests/fuzz/fuzzing.h"

namespace shoal {
namespace {

using fuzzing::Require;
using fuzzing::RequireOk;
using fuzzing::RequireWords;

void CheckSummary(const EvaluationSummary& summary, size_t episodes) {
  Require(summary.episodes == static_cast<int64_t>(episodes), "scenes of a summary");
  for (const double share :
       {summary.avg_final_survival_rate, summary.min_final_survival_rate, summary.survival_fraction,
        summary.early_death_fraction_100, summary.early_death_fraction_150,
        summary.step_one_death_ratio, summary.step_one_avoidable_ratio}) {
    Require(share >= 0 && share <= 1, "shares are within 0 to 1");
  }
  for (const double step : {summary.mean_death_step, summary.p10, summary.p25, summary.p75,
                            summary.p90, summary.median_death_step}) {
    Require(step >= 1 && step <= 500, "death steps are within 1 to 500");
  }
  Require(!ToJson(summary).dump().empty(), "a summary is written");
  const std::vector<int32_t> worst = WorstScenes(summary, 3);
  Require(worst.size() == std::min<size_t>(3, episodes), "the worst scenes");
}

void CheckDecisions(const EvaluationSummary& summary) {
  const v1::RunOptions options;
  auto gate = PenaltyGate::Create(options);
  RequireOk(gate.status(), "the gate's options");
  GateInput input;
  input.iteration = 16;
  input.p10 = summary.p10;
  input.min_final = summary.min_final_survival_rate;
  input.early_death_100 = summary.early_death_fraction_100;
  input.step_one_count = summary.step_one_death_count;
  input.step_one_ratio = summary.step_one_death_ratio;
  input.avoidable_ratio = summary.step_one_avoidable_ratio;
  RequireOk(gate->OnEvaluation(input).status(), "the gate judges every summary");
  BestCheckpoint best(options);
  const BestCandidate candidate = CandidateOf(16, summary);
  Require(best.Offer(candidate) == best.Admits(candidate), "the first admitted is the best");
}

void TestOneInput(std::string_view bytes) {
  std::vector<v1::EvaluationEpisode> episodes;
  while (!bytes.empty() && episodes.size() < 16) {
    if (!fuzzing::ParseMessage(fuzzing::TakeFrame(&bytes), &episodes.emplace_back())) return;
  }
  const auto summary = SummarizeEvaluation(episodes);
  RequireWords(summary.status());
  if (!summary.ok()) return;
  CheckSummary(*summary, episodes.size());
  CheckDecisions(*summary);
}

}  // namespace
}  // namespace shoal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  shoal::TestOneInput(shoal::fuzzing::Input(data, size));
  return 0;
}
