#include "coordinator/run/rollout_board.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/hash.h"

namespace shoal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Verdict = RolloutBoard::Verdict;

// Five environments in shards of two: 2, 2 and 1.
RolloutBoard Board() {
  v1::IterationPlan plan;
  plan.set_iteration(7);
  std::vector<v1::EnvironmentPlan> environments(5);
  environments[4].set_force_reset(true);
  const std::vector<std::string> states = {"a", "b", "c"};
  return RolloutBoard(plan, environments, std::make_shared<const std::vector<std::string>>(states), "sha", 2);
}

v1::RolloutRecord Record(int shard, int64_t rows) {
  v1::RolloutRecord record;
  record.set_iteration(7);
  record.set_shard(shard);
  record.set_rows(rows);
  record.set_rows_checksum("sum");
  record.set_next_state(absl::StrCat("next ", shard));
  return record;
}

Verdict Accept(RolloutBoard& board, int shard, int64_t rows, const std::string& session) {
  const v1::RolloutRecord record = Record(shard, rows);
  return board.Accept(shard, record.SerializeAsString(), record, "worker", session);
}

TEST(RolloutBoard, CutsEnvironmentsIntoItems) {
  const RolloutBoard board = Board();
  ASSERT_EQ(board.shards(), 3);
  const v1::RolloutItem last = board.Item(2);
  EXPECT_EQ(last.first_environment(), 4);
  ASSERT_EQ(last.environments_size(), 1);
  EXPECT_TRUE(last.environments(0).force_reset());
  EXPECT_EQ(last.state(), "c");
  EXPECT_EQ(last.policy_sha256(), "sha");
  EXPECT_EQ(board.Item(0).environments_size(), 2);
}

TEST(RolloutBoard, TakesOneRecordAShardAndNoticesOthers) {
  RolloutBoard board = Board();
  EXPECT_EQ(Accept(board, 1, 10, "s"), Verdict::kFirst);
  EXPECT_EQ(Accept(board, 1, 10, "s"), Verdict::kRepeated);
  EXPECT_EQ(Accept(board, 1, 11, "s"), Verdict::kMismatch);
  EXPECT_EQ(board.records()[1].rows(), 10);
  EXPECT_EQ(board.done(), 1);
  EXPECT_FALSE(board.complete());
}

TEST(RolloutBoard, KeepsRecordsAndStatesApart) {
  RolloutBoard board = Board();
  EXPECT_EQ(board.result(1).record_xxh3, "");
  for (const int shard : {2, 0, 1}) Accept(board, shard, 10, "s");
  v1::RolloutRecord record = Record(1, 10);
  EXPECT_EQ(board.result(1).record_xxh3, Xxh3_128Hex(record.SerializeAsString()));
  record.clear_next_state();
  EXPECT_EQ(board.result(1).record, record.SerializeAsString());
  EXPECT_EQ(board.records()[1].SerializeAsString(), record.SerializeAsString());
  EXPECT_THAT(*board.TakeNextStates(), ElementsAre("next 0", "next 1", "next 2"));
}

TEST(RolloutBoard, KnowsWhichLearnerHasWhichRows) {
  RolloutBoard board = Board();
  Accept(board, 0, 1, "old");
  Accept(board, 2, 1, "new");
  EXPECT_THAT(board.MissingRows("new"), ElementsAre(0, 1));
  EXPECT_EQ(Accept(board, 0, 1, "new"), Verdict::kRepeated);
  Accept(board, 1, 1, "new");
  EXPECT_THAT(board.MissingRows("new"), IsEmpty());
  EXPECT_TRUE(board.complete());
  board.ForgetRows(2);
  EXPECT_THAT(board.MissingRows("new"), ElementsAre(2));
  const v1::BeginUpdate order = board.UpdateOrder();
  ASSERT_EQ(order.shards_size(), 3);
  EXPECT_EQ(order.shards(1).shard(), 1);
  EXPECT_EQ(order.shards(1).rows_checksum(), "sum");
}

}  // namespace
}  // namespace shoal
