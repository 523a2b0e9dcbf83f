#include "coordinator/run/evaluation_board.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal {
namespace {

using testing::ElementsAre;
using Verdict = EvaluationBoard::Verdict;

EvaluationJob Job(int64_t id, int64_t iteration) {
  EvaluationJob job;
  job.id = id;
  job.kind = "multi";
  job.iteration = iteration;
  job.policy_sha256 = "sha";
  job.seeds = {5, 6};
  job.num_fish = 3;
  job.escape_boost_speed = 0.8;
  return job;
}

TEST(EvaluationBoard, MakesItemsAndCompletesInOrder) {
  EvaluationBoard board;
  board.Add(Job(0, 10));
  board.Add(Job(1, 20));
  const v1::EvaluationItem item = board.Item(1, 1);
  EXPECT_EQ(item.seed(), 6u);
  EXPECT_EQ(item.num_fish(), 3);
  EXPECT_EQ(board.Accept(1, 0, "x", {}, "actor"), Verdict::kFirst);
  EXPECT_EQ(board.Accept(1, 1, "y", {}, "actor"), Verdict::kFirst);
  EXPECT_EQ(board.Complete(), nullptr) << "the first one is not done";
  board.Accept(0, 0, "a", {}, "actor");
  board.Accept(0, 1, "b", {}, "actor");
  ASSERT_NE(board.Complete(), nullptr);
  EXPECT_EQ(board.Complete()->id, 0);
  EXPECT_THAT(board.Iterations(), ElementsAre(10, 20));
  board.Remove(0);
  EXPECT_EQ(board.Complete()->id, 1);
}

TEST(EvaluationBoard, TellsRepetitionsMismatchesAndStrangers) {
  EvaluationBoard board;
  board.Add(Job(0, 10));
  EXPECT_EQ(board.Accept(0, 0, "a", {}, "actor"), Verdict::kFirst);
  EXPECT_EQ(board.Accept(0, 0, "a", {}, "actor"), Verdict::kRepeated);
  EXPECT_EQ(board.Accept(0, 0, "b", {}, "actor"), Verdict::kMismatch);
  EXPECT_EQ(board.Accept(0, 2, "a", {}, "actor"), Verdict::kUnknown);
  EXPECT_EQ(board.Accept(0, -1, "a", {}, "actor"), Verdict::kUnknown);
  EXPECT_EQ(board.Accept(3, 0, "a", {}, "actor"), Verdict::kUnknown);
  EXPECT_TRUE(board.Has(0, 0));
  EXPECT_FALSE(board.Has(0, 1));
}

}  // namespace
}  // namespace shoal
