#include "coordinator/leases/lease_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace shoal {
namespace {

constexpr WorkerId kAnn = 1;
constexpr WorkerId kBob = 2;

ItemKey Shard(int64_t iteration, int32_t shard) {
  return ItemKey{ItemKind::kRollout, iteration, shard};
}
ItemKey Scene(int64_t evaluation, int32_t index) {
  return ItemKey{ItemKind::kEvaluation, evaluation, index};
}

class LeaseTableTest : public testing::Test {
 protected:
  static LeaseOptions Options() {
    LeaseOptions options;
    options.lease_time = absl::Seconds(10);
    options.retry_delay = absl::Seconds(1);
    options.backup_factor = 3;
    options.backup_minimum = absl::Seconds(2);
    return options;
  }
  absl::Time At(double seconds) { return absl::UnixEpoch() + absl::Seconds(seconds); }
  LeaseTable table_{Options(), 100};
};

TEST_F(LeaseTableTest, OffersRolloutsFirstAndInOrderWithGrowingFencingNumbers) {
  table_.Add(Scene(1, 0));
  table_.Add(Shard(2, 1));
  table_.Add(Shard(2, 0));
  auto a = table_.Offer(kAnn, At(0));
  auto b = table_.Offer(kBob, At(0));
  auto c = table_.Offer(kAnn, At(0));
  ASSERT_TRUE(a && b && c);
  EXPECT_EQ(a->item, Shard(2, 0));
  EXPECT_EQ(b->item, Shard(2, 1));
  EXPECT_EQ(c->item, Scene(1, 0));
  EXPECT_EQ(a->fencing, 100u);
  EXPECT_EQ(c->fencing, 102u);
  EXPECT_FALSE(table_.Offer(kAnn, At(0)));
  EXPECT_EQ(table_.active(), 3);
}

TEST_F(LeaseTableTest, OffersRolloutsAheadWhileMoreAreLeftThanAreKept) {
  table_.Add(Scene(1, 0));
  table_.Add(Scene(1, 1));
  table_.Add(Scene(1, 2));
  for (int shard = 0; shard < 4; ++shard) table_.Add(Shard(2, shard));
  ASSERT_TRUE(table_.Offer(kAnn, At(0)));
  const auto ahead = table_.OfferAhead(kAnn, 2, At(0));
  ASSERT_TRUE(ahead);
  EXPECT_EQ(ahead->item, Shard(2, 1));
  // Two rollouts are left, and scenes are not given ahead.
  EXPECT_FALSE(table_.OfferAhead(kAnn, 2, At(0)));
  EXPECT_TRUE(table_.Offer(kBob, At(0)));
  EXPECT_TRUE(table_.Offer(kBob, At(0)));
  EXPECT_FALSE(table_.OfferAhead(kAnn, 0, At(0)));
  EXPECT_EQ(table_.available(), 3);
  // Both are lost with their worker, and offered again.
  EXPECT_EQ(table_.WorkerGone(kAnn, At(1)), 2);
  EXPECT_EQ(table_.available(), 5);
}

// Shards of 4 s each, of which one always waits for the other: 12 s and not 24 make a lease slow.
TEST_F(LeaseTableTest, ALeaseThatWaitedDidNotRunMeanwhile) {
  for (int shard = 0; shard < 8; ++shard) table_.Add(Shard(1, shard));
  double now = 0;
  auto current = table_.Offer(kAnn, At(now));
  for (int i = 0; i < 6; ++i) {
    const auto ahead = table_.OfferAhead(kAnn, 0, At(now));
    ASSERT_TRUE(ahead);
    now += 4;
    EXPECT_TRUE(table_.Complete(current->fencing, At(now)));
    current = ahead;
  }
  ASSERT_TRUE(table_.Offer(kBob, At(now)));
  // Ann's was offered 4 s before she could begin with it.
  EXPECT_FALSE(table_.Offer(kBob, At(now + 11.9)));
  const auto backup = table_.Offer(kBob, At(now + 12.1));
  ASSERT_TRUE(backup);
  EXPECT_EQ(backup->item, Shard(1, 6));
}

TEST_F(LeaseTableTest, ExpiredLeaseIsOfferedAgainAndItsLateResultStillCounts) {
  table_.Add(Shard(1, 0));
  auto late = table_.Offer(kAnn, At(0));
  EXPECT_EQ(table_.Expire(At(9)), 0);
  EXPECT_EQ(table_.Expire(At(10)), 1);
  auto again = table_.Offer(kBob, At(10));
  ASSERT_TRUE(again);
  EXPECT_GT(again->fencing, late->fencing);
  EXPECT_TRUE(table_.Complete(late->fencing, At(11)));
  EXPECT_FALSE(table_.Complete(again->fencing, At(12)));
  auto ended = table_.TakeEnded();
  ASSERT_EQ(ended.size(), 2u);
  EXPECT_EQ(ended[0].outcome, LeaseOutcome::kExpired);
  EXPECT_EQ(ended[1].outcome, LeaseOutcome::kDuplicate);
  EXPECT_FALSE(table_.Offer(kAnn, At(100)));
}

TEST_F(LeaseTableTest, HeartbeatsKeepALease) {
  table_.Add(Shard(1, 0));
  table_.Offer(kAnn, At(0));
  table_.Touch(kAnn, At(8));
  EXPECT_EQ(table_.Expire(At(17)), 0);
  EXPECT_EQ(table_.Expire(At(18)), 1);
}

TEST_F(LeaseTableTest, FailedItemWaitsBeforeItIsOfferedAgain) {
  table_.Add(Shard(1, 0));
  auto first = table_.Offer(kAnn, At(0));
  EXPECT_EQ(table_.Fail(first->fencing, false, At(1)), 1);
  EXPECT_FALSE(table_.Offer(kAnn, At(1.5)));
  auto second = table_.Offer(kAnn, At(2));
  ASSERT_TRUE(second);
  EXPECT_EQ(table_.Fail(second->fencing, true, At(2)), 1) << "a reason that passes does not count";
  auto third = table_.Offer(kAnn, At(3));
  EXPECT_EQ(table_.Fail(third->fencing, false, At(3)), 2);
}

TEST_F(LeaseTableTest, AVanishedWorkerGivesEverythingBack) {
  table_.Add(Shard(1, 0));
  table_.Add(Shard(1, 1));
  table_.Offer(kAnn, At(0));
  table_.Offer(kAnn, At(0));
  EXPECT_EQ(table_.WorkerGone(kAnn, At(1)), 2);
  EXPECT_EQ(table_.available(), 2);
  EXPECT_EQ(table_.active(), 0);
}

TEST_F(LeaseTableTest, BackupGoesToAnotherWorkerOnceALeaseHasRunLong) {
  table_.Add(Shard(1, 0));
  table_.Add(Shard(1, 1));
  auto a = table_.Offer(kAnn, At(0));
  auto b = table_.Offer(kBob, At(0));
  table_.Complete(b->fencing, At(1));
  EXPECT_FALSE(table_.Offer(kBob, At(2.5)));  // 3 x the median of 1 s has not passed
  EXPECT_FALSE(table_.Offer(kAnn, At(4)));    // its own
  auto backup = table_.Offer(kBob, At(4));
  ASSERT_TRUE(backup);
  EXPECT_EQ(backup->item, Shard(1, 0));
  EXPECT_FALSE(table_.Offer(3, At(9)));  // one backup is enough
  EXPECT_TRUE(table_.Complete(backup->fencing, At(5)));
  EXPECT_FALSE(table_.Complete(a->fencing, At(6)));
}

TEST_F(LeaseTableTest, TheOldestLeaseThatHasRunTooLongIsDoubledFirst) {
  for (int shard = 0; shard < 3; ++shard) table_.Add(Shard(1, shard));
  const auto a = table_.Offer(kAnn, At(1));
  const auto b = table_.Offer(kBob, At(0));  // time may go back
  table_.Offer(3, At(2));
  EXPECT_EQ(table_.Offer(4, At(4))->item, b->item);
  EXPECT_EQ(table_.Offer(5, At(4))->item, a->item);
  EXPECT_EQ(table_.Offer(6, At(4))->item, Shard(1, 2));
  EXPECT_FALSE(table_.Offer(7, At(9))) << "all are doubled";
}

TEST_F(LeaseTableTest, KnowsWhenThereIsNothingForAnybody) {
  EXPECT_FALSE(table_.MayOffer(At(0)));
  table_.Add(Shard(1, 0));
  EXPECT_TRUE(table_.MayOffer(At(0)));
  const auto lease = table_.Offer(kAnn, At(0));
  EXPECT_FALSE(table_.MayOffer(At(1.9)));
  EXPECT_TRUE(table_.MayOffer(At(2))) << "it may be doubled";
  table_.Complete(lease->fencing, At(3));
  EXPECT_FALSE(table_.MayOffer(At(100)));
}

TEST_F(LeaseTableTest, ALeaseMayBeDoubledWhileItIsTheOnlyOneOfAnItemThatIsNotDone) {
  table_.Add(Shard(1, 0));
  table_.Offer(kAnn, At(0));
  EXPECT_TRUE(table_.MayOffer(At(2)));
  const auto backup = table_.Offer(kBob, At(2));
  EXPECT_FALSE(table_.MayOffer(At(9))) << "doubled";
  table_.WorkerGone(kAnn, At(9));
  EXPECT_TRUE(table_.MayOffer(At(9))) << "the backup has run long enough, too";
  const auto third = table_.Offer(kAnn, At(9));
  ASSERT_TRUE(third);
  table_.Complete(backup->fencing, At(10));
  EXPECT_FALSE(table_.MayOffer(At(100))) << "done, though a lease is still active";
  EXPECT_EQ(table_.active(), 1);
  table_.Reopen(Shard(1, 0));
  EXPECT_TRUE(table_.MayOffer(At(100))) << "not done any more";
  EXPECT_EQ(table_.Offer(kBob, At(100))->item, Shard(1, 0));
  table_.RemoveGroup(ItemKind::kRollout, 1);
  EXPECT_FALSE(table_.MayOffer(At(200)));
  EXPECT_EQ(table_.active(), 0);
}

// Against all leases looked at one by one, as a table of few would do.
TEST_F(LeaseTableTest, DeadlinesAndLossesAreThoseOfEachWorkersOwnLeases) {
  constexpr int kLeases = 300;
  for (int shard = 0; shard < kLeases; ++shard) table_.Add(Shard(1, shard));
  struct Known {
    WorkerId worker;
    double deadline;
    bool active = true;
  };
  std::map<uint64_t, Known> known;
  uint32_t random = 1;
  const auto draw = [&random](uint32_t below) {
    random = random * 1664525 + 1013904223;
    return (random >> 8) % below;
  };
  for (int step = 0; step < 3000; ++step) {
    const double now = 0.05 * step;
    const WorkerId worker = 1 + draw(20);
    int expected = 0, found = 0;
    switch (draw(4)) {
      case 0:
        if (table_.available() == 0) break;
        if (const auto grant = table_.Offer(worker, At(now))) {
          known[grant->fencing] = {worker, now + 10};
        }
        break;
      case 1:
        table_.Touch(worker, At(now));
        for (auto& [fencing, lease] : known) {
          if (lease.active && lease.worker == worker) lease.deadline = now + 10;
        }
        break;
      case 2:
        for (auto& [fencing, lease] : known) {
          // Far from the deadline, so that no rounding matters.
          if (!lease.active || lease.deadline > now - 1e-3) continue;
          lease.active = false;
          ++expected;
        }
        found = table_.Expire(At(now - 1e-3));
        break;
      default:
        if (draw(8) != 0) break;
        for (auto& [fencing, lease] : known) {
          if (!lease.active || lease.worker != worker) continue;
          lease.active = false;
          ++expected;
        }
        found = table_.WorkerGone(worker, At(now));
    }
    ASSERT_EQ(found, expected) << "step " << step;
    ASSERT_EQ(table_.active(), std::count_if(known.begin(), known.end(), [](const auto& entry) {
      return entry.second.active;
    }));
  }
}

TEST_F(LeaseTableTest, RemovedGroupsAreForgotten) {
  table_.Add(Shard(1, 0));
  table_.Add(Shard(1, 1));
  table_.Add(Shard(2, 0));
  auto lease = table_.Offer(kAnn, At(0));
  table_.RemoveGroup(ItemKind::kRollout, 1);
  EXPECT_FALSE(table_.Find(lease->fencing));
  EXPECT_FALSE(table_.Complete(lease->fencing, At(1)));
  EXPECT_EQ(table_.active(), 0);
  EXPECT_EQ(table_.Offer(kAnn, At(1))->item, Shard(2, 0));
}

TEST_F(LeaseTableTest, ReopenedItemIsOfferedAgain) {
  table_.Add(Shard(1, 0));
  auto lease = table_.Offer(kAnn, At(0));
  table_.Complete(lease->fencing, At(1));
  table_.Reopen(Shard(1, 0));
  auto again = table_.Offer(kAnn, At(2));
  ASSERT_TRUE(again);
  EXPECT_TRUE(table_.Complete(again->fencing, At(3)));
}

}  // namespace
}  // namespace shoal
