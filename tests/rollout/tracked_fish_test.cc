#include "actor/rollout/tracked_fish.h"

#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal {
namespace {

using ::testing::ElementsAre;

const KeyedRandom kRandom(11, RandomPurpose::kTrackedFish);

TEST(DrawTrackedFish, DistinctAndWithinRange) {
  std::vector<int32_t> tracked;
  for (uint32_t episode = 0; episode < 100; ++episode) {
    DrawTrackedFish(kRandom, 3, episode, 4, 9, &tracked);
    ASSERT_EQ(tracked.size(), 4u);
    for (int32_t fish : tracked) EXPECT_TRUE(fish >= 0 && fish < 9);
    EXPECT_EQ(std::set<int32_t>(tracked.begin(), tracked.end()).size(), 4u);
  }
}

TEST(DrawTrackedFish, EveryFishComesUp) {
  std::vector<int> counts(5, 0);
  std::vector<int32_t> tracked;
  for (uint32_t episode = 0; episode < 5000; ++episode) {
    DrawTrackedFish(kRandom, 0, episode, 1, 5, &tracked);
    ++counts[tracked[0]];
  }
  // Four standard deviations: 4 * sqrt(5000 * 0.2 * 0.8) = 113.
  for (int count : counts) EXPECT_NEAR(count, 1000, 113);
}

TEST(DrawTrackedFish, NoMoreSlotsThanFish) {
  std::vector<int32_t> tracked;
  DrawTrackedFish(kRandom, 0, 0, 8, 3, &tracked);
  EXPECT_THAT(tracked, ::testing::UnorderedElementsAre(0, 1, 2));
}

TEST(ReplaceDeadFish, NextHigherLivingUntracked) {
  // Fish 4 dies: 5 is tracked, 6 is dead, 7 takes the place.
  const uint8_t alive[] = {1, 1, 1, 1, 0, 1, 0, 1};
  std::vector<int32_t> tracked = {5, 4};
  ReplaceDeadFish(alive, 8, &tracked);
  EXPECT_THAT(tracked, ElementsAre(5, 7));
}

TEST(ReplaceDeadFish, GoesRound) {
  const uint8_t alive[] = {0, 1, 1, 0};
  std::vector<int32_t> tracked = {3};
  ReplaceDeadFish(alive, 4, &tracked);
  EXPECT_THAT(tracked, ElementsAre(1));
}

TEST(ReplaceDeadFish, SlotsTakeTurnsInOrder) {
  // 1 and 2 die together: slot 0 (fish 2) takes 3, slot 1 (fish 1) finds 3 taken and takes 5.
  const uint8_t alive[] = {1, 0, 0, 1, 0, 1};
  std::vector<int32_t> tracked = {2, 1};
  ReplaceDeadFish(alive, 6, &tracked);
  EXPECT_THAT(tracked, ElementsAre(3, 5));
}

TEST(ReplaceDeadFish, NoFishIsLeftForTheSlot) {
  const uint8_t alive[] = {1, 0, 0};
  std::vector<int32_t> tracked = {1, 0, kNoFish};
  ReplaceDeadFish(alive, 3, &tracked);
  EXPECT_THAT(tracked, ElementsAre(kNoFish, 0, kNoFish));
}

TEST(NextLivingFish, LowestAboveThePreviousCyclically) {
  const uint8_t alive[] = {0, 1, 0, 1};
  EXPECT_EQ(NextLivingFish(alive, 4, -1), 1);
  EXPECT_EQ(NextLivingFish(alive, 4, 1), 3);
  EXPECT_EQ(NextLivingFish(alive, 4, 3), 1);
  const uint8_t one[] = {0, 0, 1};
  EXPECT_EQ(NextLivingFish(one, 3, 2), 2);
  const uint8_t none[] = {0, 0};
  EXPECT_EQ(NextLivingFish(none, 2, 0), kNoFish);
}

}  // namespace
}  // namespace shoal
