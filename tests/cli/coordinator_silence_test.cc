#include "coordinator/cli/coordinator_silence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/cli/progress.h"

namespace shoal {
namespace {

using testing::HasSubstr;
using testing::Not;

class CoordinatorSilenceTest : public testing::Test {
 protected:
  // Looks every 100 ms for so long.
  void Pass(absl::Duration duration, bool speaks = false) {
    for (const absl::Time end = now_ + duration; now_ < end;) {
      now_ += absl::Milliseconds(100);
      answers_ += speaks;
      silence_.Look(answers_, now_);
    }
  }
  std::string Line() const {
    v1::RunStatus status;
    status.set_iteration(3);
    status.set_total_iterations(60);
    status.set_state(v1::RunStatus::STATE_ROLLOUT);
    status.add_missing()->set_name("actor-1");
    silence_.AddTo(status);
    return ProgressText(status);
  }

  absl::Time now_ = absl::UnixEpoch() + absl::Hours(1);
  int64_t answers_ = 0;
  CoordinatorSilence silence_{now_};
};

TEST_F(CoordinatorSilenceTest, TheProgressLineNamesItWithinALeaseTime) {
  Pass(absl::Minutes(1), /*speaks=*/true);
  EXPECT_THAT(Line(), Not(HasSubstr("coordinator")));
  Pass(absl::Seconds(4));
  EXPECT_THAT(Line(), Not(HasSubstr("coordinator")));
  Pass(absl::Seconds(3));
  EXPECT_THAT(Line(), HasSubstr("missing: coordinator (7 s), actor-1"));
  Pass(absl::Milliseconds(100), /*speaks=*/true);
  EXPECT_THAT(Line(), HasSubstr("missing: actor-1"));
}

TEST_F(CoordinatorSilenceTest, AStopWaitsForALeaseTime) {
  Pass(absl::Minutes(5));
  EXPECT_TRUE(silence_.Verdict().ok());
  silence_.StopOrdered();
  Pass(absl::Seconds(9));
  EXPECT_TRUE(silence_.Verdict().ok());
  Pass(absl::Seconds(2));
  EXPECT_TRUE(absl::IsCancelled(silence_.Verdict()));
  EXPECT_THAT(silence_.Verdict().message(), HasSubstr("has not answered for 311 s"));
}

TEST_F(CoordinatorSilenceTest, AStopWaitsForACoordinatorThatSpeaks) {
  silence_.StopOrdered();
  Pass(absl::Hours(1), /*speaks=*/true);
  EXPECT_TRUE(silence_.Verdict().ok());
  Pass(absl::Seconds(11));
  EXPECT_TRUE(absl::IsCancelled(silence_.Verdict()));
}

TEST_F(CoordinatorSilenceTest, NobodyWaitsForEver) {
  Pass(absl::Minutes(9));
  EXPECT_TRUE(silence_.Verdict().ok());
  Pass(absl::Minutes(2));
  EXPECT_TRUE(absl::IsUnavailable(silence_.Verdict()));
}

// Ctrl-Z and fg, or a machine that slept: it was not the coordinator that said nothing.
TEST_F(CoordinatorSilenceTest, TimeInWhichNobodyLookedHardlyCounts) {
  now_ += absl::Hours(8);
  silence_.Look(answers_, now_);
  EXPECT_TRUE(silence_.Verdict().ok());
  EXPECT_LE(silence_.silence(), CoordinatorSilence::kLongestLook);
}

}  // namespace
}  // namespace shoal
