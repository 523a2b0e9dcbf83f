// The records of an iteration as the coordinator takes them in: checked, folded into measurements,
// and carried into the next plan.
//
// Input: a byte for SmallOptions, then one frame for the record of each shard.
#include <cmath>

#include "coordinator/run/rollout_board.h"
#include "nlohmann/json.hpp"
#include "tests/fuzz/fuzzing.h"
#include "tests/fuzz/small_run.h"

namespace shoal {
namespace {

using fuzzing::Require;
using fuzzing::RequireOk;
using fuzzing::RequireWords;

void CheckPlan(const v1::IterationPlan& plan) {
  Require(plan.num_fish() >= 1 && plan.num_fish() <= 4096, "fish of a plan");
  Require(plan.escape_boost_speed() >= 0 && plan.escape_boost_speed() <= 1, "boost of a plan");
  Require(std::isfinite(plan.advantage_mean()) && std::isfinite(plan.advantage_std()) &&
              plan.advantage_std() >= 0,
          "the row filter's thresholds are numbers");
}

void CheckMeasurements(const IterationMeasurements& m) {
  Require(m.survival_rate.value_or(0) >= 0 && m.survival_rate.value_or(0) <= 1, "survival");
  Require(m.prewarm_override_ratio.value_or(0) >= 0 && m.prewarm_override_ratio.value_or(0) <= 1,
          "overrides of the episodes begun");
  Require(m.rows >= 0 && m.rows <= m.unfiltered_rows, "rows after the filter");
  Require(m.environment_steps >= 0 && m.fish_steps >= 0, "counts are not negative");
  const nlohmann::ordered_json json = ToJson(m);
  for (const auto& [name, value] : json.items()) {
    Require(!value.is_number_float() || std::isfinite(value.get<double>()), name);
  }
  const AdvantageMoments moments = MomentsOfAdvantages(m);
  Require(std::isfinite(moments.mean) && std::isfinite(moments.std), "moments are numbers");
}

// As Training::Accept takes a record of a shard. False: it is refused.
bool Accept(std::string_view bytes, int shard, RolloutBoard* board) {
  v1::RolloutRecord record;
  if (!fuzzing::ParseMessage(bytes, &record) || record.iteration() != 1 ||
      record.shard() != shard) {
    return false;
  }
  const std::string text(bytes);
  const auto first = board->Accept(shard, text, record, "worker", "session");
  Require(first == RolloutBoard::Verdict::kFirst || text.empty(), "the first record stands");
  Require(board->Accept(shard, text, std::move(record), "other", "session") !=
              RolloutBoard::Verdict::kMismatch,
          "the same record is no mismatch");
  return true;
}

// A planner that is resumed after this iteration plans the same next one.
void CheckResuming(const v1::RunOptions& options, Planner& planner) {
  const std::string state = planner.SaveState();
  const auto resumed = fuzzing::SmallPlanner(options);
  RequireOk(resumed->RestoreState(state), "the planner's own state is taken up");
  Require(resumed->SaveState() == state, "a state taken up is the same");
  const PlannedIteration next = planner.Plan(2);
  const PlannedIteration again = resumed->Plan(2);
  Require(next.plan.SerializeAsString() == again.plan.SerializeAsString(), "the same next plan");
  CheckPlan(next.plan);
}

void TestOneInput(std::string_view bytes) {
  const v1::RunOptions options = fuzzing::SmallOptions(fuzzing::TakeByte(&bytes));
  const auto planner = fuzzing::SmallPlanner(options);
  const PlannedIteration planned = planner->Plan(1);
  RolloutBoard board(planned.plan, planned.environments, {}, "policy", fuzzing::kEnvsPerShard);
  for (int shard = 0; shard < fuzzing::kShards; ++shard) {
    if (!Accept(fuzzing::TakeFrame(&bytes), shard, &board)) return;
  }
  if (!board.complete()) return;
  Require(board.UpdateOrder().shards_size() == fuzzing::kShards, "shards of the update");
  const auto measurements = planner->Fold(planned.plan, board.records());
  RequireWords(measurements.status());
  if (!measurements.ok()) return;
  CheckMeasurements(*measurements);
  CheckResuming(options, *planner);
}

}  // namespace
}  // namespace shoal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  shoal::TestOneInput(shoal::fuzzing::Input(data, size));
  return 0;
}
