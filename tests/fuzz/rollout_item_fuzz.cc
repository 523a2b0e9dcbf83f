// A rollout item as an actor takes it in: the plan, what it says of the environments, and the
// shard's state. Whatever an actor computes of it without complaint, learner and coordinator take.
//
// Input: a byte for SmallOptions, a frame with the RolloutItem, and the ShardState, which replaces
// the item's own unless it is empty.
#include <algorithm>
#include <cmath>

#include "actor/rollout/rollout.h"
#include "coordinator/evaluation/measurements.h"
#include "tests/fuzz/fuzzing.h"
#include "tests/fuzz/small_run.h"

namespace shoal {
namespace {

using fuzzing::Require;
using fuzzing::RequireOk;
using fuzzing::RequireWords;

// Items of thousands of fish are right and only slow.
bool IsSmall(const v1::RolloutItem& item) {
  return item.plan().num_fish() <= 32 && item.environments_size() <= 8;
}

void CheckRows(const RolloutResult& result) {
  Require(result.rows.size() == result.record.rows(), "the record counts the rows");
  Require(RowsChecksum(result.rows) == result.record.rows_checksum(), "the rows' checksum");
  if (result.rows.size() == 0) return;
  v1::RowChunk chunk;
  FillChunk(result.rows, 0, result.rows.size(), &chunk);
  Rows received;
  received.obs_dim = result.rows.obs_dim;
  RequireOk(AppendChunk(chunk, &received), "the learner takes an actor's rows");
}

void CheckRecord(const v1::IterationPlan& plan, v1::RolloutRecord record) {
  record.set_shard(0);
  const auto measurements = FoldIteration(plan, {&record, 1}, /*tail_slots_left=*/true);
  RequireOk(measurements.status(), "the coordinator takes an actor's record");
}

void TestOneInput(std::string_view bytes) {
  const v1::RunOptions options = fuzzing::SmallOptions(fuzzing::TakeByte(&bytes));
  v1::RolloutItem item;
  if (!fuzzing::ParseMessage(fuzzing::TakeFrame(&bytes), &item)) return;
  if (!bytes.empty()) item.set_state(std::string(bytes));
  if (!IsSmall(item)) return;
  const auto backend = fuzzing::SmallPolicy(options);
  const absl::StatusOr<RolloutResult> result = ComputeRollout(options, item, *backend);
  RequireWords(result.status());
  if (!result.ok()) return;
  CheckRows(*result);
  CheckRecord(item.plan(), result->record);

  v1::RolloutItem next = item;
  next.set_state(result->record.next_state());
  next.mutable_plan()->set_iteration(std::min<int64_t>(item.plan().iteration() + 1, UINT32_MAX));
  next.mutable_plan()->set_fresh_episodes(false);
  const absl::StatusOr<RolloutResult> again = ComputeRollout(options, next, *backend);
  // Episodes are numbered with 32 bits, and an item may come close to their end.
  RequireWords(again.status());
  if (again.ok()) CheckRecord(next.plan(), again->record);
}

}  // namespace
}  // namespace shoal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  shoal::TestOneInput(shoal::fuzzing::Input(data, size));
  return 0;
}
