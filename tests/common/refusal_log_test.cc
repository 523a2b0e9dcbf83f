#include "common/refusal_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/logging.h"
#include "tests/common/temporary_directory.h"

namespace shoal {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1000);

int Taken(TokenBucket& bucket, absl::Time now) {
  int taken = 0;
  while (bucket.Take(now)) ++taken;
  return taken;
}

TEST(TokenBucket, GivesABurstAndThenARate) {
  TokenBucket bucket(5, 2);
  EXPECT_EQ(Taken(bucket, kStart), 5);
  EXPECT_EQ(Taken(bucket, kStart + absl::Milliseconds(499)), 0);
  EXPECT_EQ(Taken(bucket, kStart + absl::Milliseconds(501)), 1);
  EXPECT_EQ(Taken(bucket, kStart + absl::Hours(1)), 5) << "no more than a burst is saved";
}

TEST(TokenBucket, GivesNothingForAClockThatGoesBack) {
  TokenBucket bucket(5, 2);
  EXPECT_EQ(Taken(bucket, kStart), 5);
  EXPECT_EQ(Taken(bucket, kStart - absl::Hours(1)), 0);
  EXPECT_EQ(Taken(bucket, kStart), 0);
  EXPECT_EQ(Taken(bucket, kStart + absl::Seconds(1)), 2);
}

TEST(RefusalCounter, CountsWhatHasNoLine) {
  RefusalCounter counter({.burst = 3, .per_second = 0, .summary = absl::Seconds(10)});
  int lines = 0;
  for (int i = 0; i < 10; ++i) lines += counter.Admit(i % 2 == 0 ? "even" : "odd", kStart);
  EXPECT_EQ(lines, 3);
  EXPECT_FALSE(counter.Due(kStart + absl::Seconds(9)));
  const auto summary = counter.Due(kStart + absl::Seconds(10));
  ASSERT_TRUE(summary);
  EXPECT_EQ(summary->count, 7);
  EXPECT_EQ(summary->reasons, "even:3,odd:4");
  EXPECT_FALSE(counter.Due(kStart + absl::Hours(1))) << "once";
}

TEST(RefusalCounter, AFloodIsALineASecondAndOneToCount) {
  RefusalCounter counter({.burst = 10, .per_second = 1, .summary = absl::Seconds(10)});
  int64_t lines = 0, counted = 0, summaries = 0;
  constexpr int kSeconds = 100, kPerSecond = 1000;
  for (int i = 0; i < kSeconds * kPerSecond; ++i) {
    const absl::Time now = kStart + i * absl::Seconds(1) / kPerSecond;
    lines += counter.Admit("flood", now);
    if (const auto summary = counter.Due(now)) {
      ++summaries;
      counted += summary->count;
    }
  }
  EXPECT_LE(lines, 10 + kSeconds);
  EXPECT_LE(summaries, kSeconds / 10);
  counted += counter.Due(absl::InfiniteFuture())->count;
  EXPECT_EQ(lines + counted, kSeconds * kPerSecond) << "none is forgotten";
}

TEST(RefusalLog, WritesLinesThatNobodyCanForge) {
  const TemporaryDirectory folder;
  ASSERT_TRUE(SetUpLogging({.component = "test", .file = folder / "log"}).ok());
  {
    RefusalLog log({.burst = 1, .per_second = 0});
    log.Refused("Work", "unix:", "no_hello", "a\n2024 error forged\x1b[2J");
    log.Refused("Work", "unix:", "too_fast", "b");
    log.Refused("Work", "unix:", "too_fast", "c");
    log.Flush(absl::Now());
  }
  EXPECT_TRUE(SetUpLogging({}).ok());
  EXPECT_THAT(
      Slurp(folder / "log"),
      testing::MatchesRegex(".* warning test - stream refused service=Work peer=unix: "
                            "reason=no_hello says=\"a\\\\n2024 error forged\\\\033\\[2J\"\n"
                            ".* warning test - more streams refused count=2 reasons=too_fast:2\n"));
}

}  // namespace
}  // namespace shoal
