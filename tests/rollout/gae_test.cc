#include "actor/rollout/gae.h"

#include <numeric>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal {
namespace {

using ::testing::ElementsAre;

// Worked by hand with gamma = lambda = 1/2, so that every number is exact:
//   terminated          row 2: delta = 3 - 1 = 2                advantage 2
//                       row 1: delta = 2 + 1/2 - 2 = 1/2        1/2 + 2/4 = 1
//                       row 0: delta = 1 + 2/2 - 4 = -2         -2 + 1/4 = -7/4
//   truncated in V = 8  row 3: delta = 1 + 8/2 - 2 = 3          3
//   open in V = 4       row 5: delta = 1 + 4/2 - 2 = 1          1
//                       row 4: delta = 0 + 2/2 - 1 = 0          0 + 1/4 = 1/4
TEST(ComputeGae, HandWorkedTable) {
  const std::vector<float> rewards = {1, 2, 3, 1, 0, 1};
  const std::vector<float> values = {4, 2, 1, 2, 1, 2};
  const std::vector<RowEnd> ends = {kContinues, kContinues, kTerminated, 0, kContinues, 1};
  const std::vector<float> bootstrap = {8, 4};
  std::vector<int32_t> order(6);
  std::iota(order.begin(), order.end(), 0);
  std::vector<float> advantages(6), returns(6);
  ComputeGae({0.5, 0.5}, order, rewards, values, ends, bootstrap, advantages, returns);
  EXPECT_THAT(advantages, ElementsAre(-1.75f, 1, 2, 3, 0.25f, 1));
  EXPECT_THAT(returns, ElementsAre(2.25f, 3, 3, 5, 1.25f, 3));
}

TEST(ComputeGae, ReadsRowsWhereTheyLie) {
  // The first trajectory of the table, its rows collected as 1, 0, 2.
  const std::vector<float> rewards = {2, 1, 3};
  const std::vector<float> values = {2, 4, 1};
  const std::vector<RowEnd> ends = {kContinues, kContinues, kTerminated};
  const std::vector<int32_t> order = {1, 0, 2};
  std::vector<float> advantages(3), returns(3);
  ComputeGae({0.5, 0.5}, order, rewards, values, ends, {}, advantages, returns);
  EXPECT_THAT(advantages, ElementsAre(-1.75f, 1, 2));
}

TEST(ComputeGae, LambdaOneIsTheDiscountedReturn) {
  const std::vector<float> rewards = {1, 1, 1};
  const std::vector<float> values = {0.25f, -3, 7};
  const std::vector<RowEnd> ends = {kContinues, kContinues, 0};
  const std::vector<float> bootstrap = {8};
  const std::vector<int32_t> order = {0, 1, 2};
  std::vector<float> advantages(3), returns(3);
  ComputeGae({0.5, 1.0}, order, rewards, values, ends, bootstrap, advantages, returns);
  EXPECT_THAT(returns, ElementsAre(1 + 0.5f + 0.25f + 1, 1 + 0.5f + 2, 1 + 4));
}

}  // namespace
}  // namespace shoal
