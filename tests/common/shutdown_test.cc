#include "common/shutdown.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "absl/synchronization/notification.h"

namespace shoal {
namespace {

// Only a broken program waits this long.
constexpr absl::Duration kLong = absl::Seconds(60);

TEST(ShutdownSignal, WaitsUntilASignalComes) {
  ShutdownSignal shutdown;
  EXPECT_FALSE(shutdown.WaitFor(absl::ZeroDuration()));
  EXPECT_EQ(shutdown.count(), 0);
  EXPECT_EQ(shutdown.last_signal(), 0);
  kill(getpid(), SIGTERM);
  EXPECT_TRUE(shutdown.WaitFor(kLong));
  EXPECT_EQ(shutdown.count(), 1);
  EXPECT_EQ(shutdown.last_signal(), SIGTERM);
}

TEST(ShutdownSignal, RunsACallbackForTheFirstAndOneForTheSecondSignal) {
  absl::Notification first, second;
  ShutdownSignal shutdown({[&] { first.Notify(); }, [&] { second.Notify(); }});
  kill(getpid(), SIGINT);
  EXPECT_TRUE(first.WaitForNotificationWithTimeout(kLong));
  EXPECT_FALSE(second.HasBeenNotified());
  kill(getpid(), SIGTERM);
  EXPECT_TRUE(second.WaitForNotificationWithTimeout(kLong));
  EXPECT_EQ(shutdown.count(), 2);
  EXPECT_EQ(shutdown.last_signal(), SIGTERM);
}

TEST(ShutdownSignal, RestoresTheMask) {
  sigset_t before, during, after;
  pthread_sigmask(SIG_BLOCK, nullptr, &before);
  {
    ShutdownSignal shutdown;
    pthread_sigmask(SIG_BLOCK, nullptr, &during);
  }
  pthread_sigmask(SIG_BLOCK, nullptr, &after);
  EXPECT_TRUE(sigismember(&during, SIGTERM) && sigismember(&during, SIGINT));
  EXPECT_EQ(sigismember(&before, SIGTERM), sigismember(&after, SIGTERM));
}

TEST(ShutdownSignalDeathTest, WithoutACallbackTheSecondSignalEndsTheProgram) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        ShutdownSignal shutdown;
        kill(getpid(), SIGTERM);
        shutdown.WaitFor(kLong);
        kill(getpid(), SIGINT);
        while (true) pause();
      },
      testing::ExitedWithCode(128 + SIGINT), "asked to stop");
}

TEST(DieWithParentDeathTest, EndsAtOnceIfTheParentIsGone) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  // This process is not its own parent, so the parent that it names is not there.
  EXPECT_EXIT(
      {
        DieWithParent(getpid());
        while (true) pause();
      },
      testing::KilledBySignal(SIGTERM), "");
}

TEST(DieWithParentDeathTest, GoesOnWhileTheParentLives) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        DieWithParent();
        _exit(3);
      },
      testing::ExitedWithCode(3), "");
}

}  // namespace
}  // namespace shoal
