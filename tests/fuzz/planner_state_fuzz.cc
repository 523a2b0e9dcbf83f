// What run.db keeps of the planner, and of the gate, taken up when a run is resumed.
//
// Input: a byte for SmallOptions, a frame with a PenaltyGateState, then the PlannerState.
#include <cmath>

#include "coordinator/gate/penalty_gate.h"
#include "shoal/v1/records.pb.h"
#include "tests/fuzz/fuzzing.h"
#include "tests/fuzz/small_run.h"

namespace shoal {
namespace {

using fuzzing::Require;
using fuzzing::RequireOk;
using fuzzing::RequireWords;

void CheckGate(const v1::RunOptions& options, std::string_view bytes) {
  v1::PenaltyGateState state;
  if (!fuzzing::ParseMessage(bytes, &state)) return;
  auto gate = PenaltyGate::Create(options);
  RequireOk(gate.status(), "the gate's options");
  const std::string before = gate->State().SerializeAsString();
  const absl::Status status = gate->Restore(state);
  RequireWords(status);
  if (!status.ok()) {
    Require(gate->State().SerializeAsString() == before, "a refused state changes nothing");
    return;
  }
  Require(gate->allowed_phase() >= 1, "phases count from 1");
  GateInput input;
  input.iteration = 16;
  input.p10 = 300;
  input.min_final = 0.75;
  const auto record = gate->OnEvaluation(input);
  RequireOk(record.status(), "a gate taken up goes on");
  Require(std::isfinite(record->rolling_p10_median.value_or(0)), "a gate's medians are numbers");
  auto again = PenaltyGate::Create(options);
  RequireOk(again->Restore(gate->State()), "a gate's own state is taken up");
}

void CheckPlanned(const PlannedIteration& planned) {
  const v1::IterationPlan& plan = planned.plan;
  Require(plan.escape_boost_speed() >= 0 && plan.escape_boost_speed() <= 1, "boost of a plan");
  Require(std::isfinite(plan.advantage_mean()) && std::isfinite(plan.advantage_std()) &&
              plan.advantage_std() >= 0,
          "the row filter's thresholds are numbers");
  for (const v1::EnvironmentPlan& environment : planned.environments) {
    Require(environment.tail_velocities_size() % 2 == 0, "velocities come in pairs");
  }
}

void CheckPlanner(const v1::RunOptions& options, const std::string& bytes) {
  const auto planner = fuzzing::SmallPlanner(options);
  const absl::Status status = planner->RestoreState(bytes);
  RequireWords(status);
  if (!status.ok()) return;
  const std::string saved = planner->SaveState();
  const auto again = fuzzing::SmallPlanner(options);
  RequireOk(again->RestoreState(saved), "the planner's own state is taken up");
  Require(again->SaveState() == saved, "a state taken up is the same");

  v1::PlannerState state;
  Require(state.ParseFromString(saved), "a saved state can be read");
  Require(state.folded_iteration() >= 0 && state.folded_iteration() <= planner->total_iterations(),
          "the folded iteration is one of the run");
  const TailCounters counters = planner->TailState(state.folded_iteration());
  Require(counters.remaining_ratio >= 0 && counters.remaining_ratio <= 1, "slots that are left");
  if (state.folded_iteration() < planner->total_iterations()) {
    CheckPlanned(planner->Plan(state.folded_iteration() + 1));
  }
}

void TestOneInput(std::string_view bytes) {
  const v1::RunOptions options = fuzzing::SmallOptions(fuzzing::TakeByte(&bytes));
  CheckGate(options, fuzzing::TakeFrame(&bytes));
  CheckPlanner(options, std::string(bytes));
}

}  // namespace
}  // namespace shoal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  shoal::TestOneInput(shoal::fuzzing::Input(data, size));
  return 0;
}
