#include "common/heartbeats.h"

#include <gtest/gtest.h>

namespace shoal {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Heartbeats::Clock::time_point kBegin{};

TEST(HeartbeatsTest, AreDueOnceAnInterval) {
  Heartbeats heartbeats(milliseconds(500), kBegin);
  EXPECT_FALSE(heartbeats.Due(kBegin + milliseconds(499)));
  EXPECT_TRUE(heartbeats.Due(kBegin + milliseconds(500)));
  EXPECT_EQ(heartbeats.Next(), kBegin + milliseconds(500));
  EXPECT_EQ(heartbeats.Sent(kBegin + milliseconds(510)), 1u);
  EXPECT_FALSE(heartbeats.Due(kBegin + milliseconds(1000)));
  EXPECT_TRUE(heartbeats.Due(kBegin + milliseconds(1010)));
  EXPECT_EQ(heartbeats.Sent(kBegin + milliseconds(1010)), 2u);
}

TEST(HeartbeatsTest, SilenceIsSeveralIntervals) {
  Heartbeats heartbeats(seconds(1), kBegin);
  EXPECT_FALSE(heartbeats.Silent(kBegin + milliseconds(3999)));
  EXPECT_TRUE(heartbeats.Silent(kBegin + seconds(4)));
  heartbeats.Heard(kBegin + seconds(3));
  EXPECT_FALSE(heartbeats.Silent(kBegin + milliseconds(6999)));
  EXPECT_TRUE(heartbeats.Silent(kBegin + seconds(7)));
}

TEST(HeartbeatsTest, NoIntervalIsTakenAtItsWordBeyondReason) {
  const Heartbeats none(seconds(0), kBegin);
  EXPECT_FALSE(none.Due(kBegin));
  EXPECT_TRUE(none.Due(kBegin + Heartbeats::kLeastInterval));
  EXPECT_FALSE(none.Silent(kBegin + milliseconds(1999)));
  EXPECT_TRUE(none.Silent(kBegin + milliseconds(2000)));
  const Heartbeats endless(seconds(1'000'000), kBegin);
  EXPECT_TRUE(endless.Due(kBegin + Heartbeats::kMostInterval));
}

}  // namespace
}  // namespace shoal
