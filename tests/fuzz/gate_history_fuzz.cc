// Histories of evaluations through the penalty gate (shoal gate replay).
//
// Input: a byte that chooses the gate's options, then the history, one JSON object a line.
#include <cmath>

#include "absl/strings/str_split.h"
#include "coordinator/gate/replay.h"
#include "nlohmann/json.hpp"
#include "tests/fuzz/fuzzing.h"

namespace shoal {
namespace {

using fuzzing::Require;
using fuzzing::RequireOk;
using fuzzing::RequireWords;

v1::RunOptions Options(uint8_t choice) {
  v1::RunOptions options;
  options.set_penalty_gate_phase_allowance((choice & 1) ? "2,4,5,6" : "4");
  options.set_penalty_gate_lock_iteration((choice & 2) ? 0 : 30);
  options.set_penalty_gate_success_median_window((choice & 4) ? 3 : 1);
  options.set_penalty_gate_success_avoidable_step_one_ratio((choice & 8) ? 0.01 : 0);
  options.set_penalty_gate_relax_step_one_ratio((choice & 16) ? 0.02 : 0);
  options.set_penalty_gate_success_step_one((choice & 32) ? -1 : 18);
  options.set_penalty_gate_freeze_iterations((choice & 64) ? 1000000 : 0);
  options.set_penalty_gate_required_successes((choice & 128) ? 2 : 1);
  return options;
}

void CheckInputs(const std::vector<GateInput>& inputs) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const GateInput& input = inputs[i];
    Require(i == 0 || input.iteration > inputs[i - 1].iteration, "iterations increase");
    Require(input.iteration >= 0 && input.step_one_count >= 0, "counts");
    Require(input.p10 >= 0 && input.p10 <= 500, "a p10 is within 0 to 500");
    for (const double share : {input.min_final, input.early_death_100, input.step_one_ratio,
                               input.avoidable_ratio.value_or(0)}) {
      Require(share >= 0 && share <= 1, "shares are within 0 to 1");
    }
  }
}

// A gate that is interrupted after every evaluation says the same as one that is not.
void CheckResuming(const std::vector<GateInput>& inputs, const v1::RunOptions& options) {
  auto gate = PenaltyGate::Create(options);
  auto other = PenaltyGate::Create(options);
  RequireOk(gate.status(), "the gate's options");
  for (const GateInput& input : inputs) {
    const auto record = gate->OnEvaluation(input);
    RequireOk(record.status(), "an evaluation that was read is judged");
    const auto again = other->OnEvaluation(input);
    RequireOk(again.status(), "an evaluation that was read is judged again");
    Require(GateRecordJson(*record) == GateRecordJson(*again), "a resumed gate says the same");
    auto resumed = PenaltyGate::Create(options);
    RequireOk(resumed->Restore(other->State()), "a gate's state is taken up");
    Require(resumed->State().SerializeAsString() == other->State().SerializeAsString(),
            "a gate's state taken up is the same");
    other = std::move(resumed);
  }
}

void TestOneInput(std::string_view bytes) {
  const v1::RunOptions options = Options(fuzzing::TakeByte(&bytes));
  const auto inputs = ReadGateHistory(bytes, options);
  const auto records = ReplayHistory(bytes, options);
  RequireWords(inputs.status());
  Require(inputs.ok() == records.ok(), "a history that can be read can be replayed");
  if (!inputs.ok()) return;
  CheckInputs(*inputs);
  CheckResuming(*inputs, options);
  size_t lines = 0;
  for (const absl::string_view line : absl::StrSplit(*records, '\n', absl::SkipEmpty())) {
    ++lines;
    const auto record = nlohmann::json::parse(line);
    Require(record["stage"].get<int64_t>() >= 0 && record["stage"].get<int64_t>() < 4, "stages");
  }
  Require(lines == inputs->size(), "one record an evaluation");
}

}  // namespace
}  // namespace shoal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  shoal::TestOneInput(shoal::fuzzing::Input(data, size));
  return 0;
}
