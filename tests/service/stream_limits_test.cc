#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <vector>

#include "coordinator/service/peer_limits.h"
#include "coordinator/service/stream_guard.h"
#include "tests/service/run_server.h"

namespace shoal {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1000);

TEST(HeartbeatBudget, LeavesHeartbeatsAlone) {
  HeartbeatBudget budget({}, absl::Seconds(1));
  for (int second = 0; second < 3600; ++second) {
    ASSERT_TRUE(budget.Take(kStart + absl::Seconds(second)));
  }
  // A network that held them back for as long as a lease, and gives them all at once.
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(budget.Take(kStart + absl::Hours(1)));
}

TEST(HeartbeatBudget, EndsAFlood) {
  const PeerLimits limits;
  HeartbeatBudget budget(limits, absl::Seconds(1));
  int taken = 0;
  while (budget.Take(kStart)) ++taken;
  EXPECT_EQ(taken, static_cast<int>(limits.burst));
  EXPECT_FALSE(budget.Take(kStart + absl::Milliseconds(199)));
  EXPECT_TRUE(budget.Take(kStart + absl::Milliseconds(201)));
}

TEST(HeartbeatBudget, TakesAnyIntervalThatAWelcomeMaySay) {
  HeartbeatBudget budget({}, absl::ZeroDuration());
  for (int i = 0; i < 60; ++i) EXPECT_TRUE(budget.Take(kStart));
  EXPECT_FALSE(budget.Take(kStart));
  EXPECT_TRUE(budget.Take(kStart + absl::Milliseconds(1)));
}

struct LateStream : GuardedStream {
  void OnDeadline() override {
    ++late;
    SetDeadline(absl::InfiniteFuture());
  }
  std::atomic<int> late = 0;
};

TEST(StreamGuard, CallsThoseThatAreLateAndOnlyThose) {
  StreamGuard guard(3, 3, absl::Milliseconds(1), {});
  LateStream late, early, gone, refused;
  late.SetDeadline(absl::Now());
  early.SetDeadline(absl::Now() + absl::Hours(1));
  gone.SetDeadline(absl::Now() + absl::Hours(1));
  EXPECT_TRUE(guard.Add(&gone, "ipv4:10.0.0.1:1"));
  guard.Remove(&gone);
  gone.SetDeadline(absl::Now());
  EXPECT_TRUE(guard.Add(&late, "ipv4:10.0.0.1:1"));
  EXPECT_TRUE(guard.Add(&early, "ipv4:10.0.0.1:1"));
  EXPECT_TRUE(Eventually([&] { return late.late > 0; }));
  late.SetDeadline(absl::Now());
  EXPECT_TRUE(Eventually([&] { return late.late > 1; }));
  EXPECT_EQ(early.late, 0);
  EXPECT_EQ(gone.late, 0);
  EXPECT_EQ(guard.streams(), 2u);
  LateStream third;
  EXPECT_TRUE(guard.Add(&third, "ipv4:10.0.0.1:1"));
  EXPECT_FALSE(guard.Add(&refused, "ipv4:10.0.0.1:1"));
  guard.Remove(&refused);
  for (GuardedStream* stream : std::vector<GuardedStream*>{&late, &early, &third}) {
    guard.Remove(stream);
  }
  EXPECT_EQ(guard.streams(), 0u);
}

TEST(StreamGuard, LeavesRoomForOtherHosts) {
  StreamGuard guard(4, 2, absl::Milliseconds(1), {});
  LateStream streams[5];
  EXPECT_TRUE(guard.Add(&streams[0], "ipv4:10.0.0.1:1"));
  EXPECT_TRUE(guard.Add(&streams[1], "ipv4:10.0.0.1:2"));
  EXPECT_FALSE(guard.Add(&streams[2], "ipv4:10.0.0.1:3"));
  EXPECT_TRUE(guard.Add(&streams[3], "ipv4:10.0.0.2:1"));
  guard.Remove(&streams[2]);  // was not added
  EXPECT_FALSE(guard.Add(&streams[2], "ipv4:10.0.0.1:3"));
  guard.Remove(&streams[0]);
  EXPECT_TRUE(guard.Add(&streams[2], "ipv4:10.0.0.1:3"));
  for (LateStream& stream : streams) guard.Remove(&stream);
}

}  // namespace
}  // namespace shoal
