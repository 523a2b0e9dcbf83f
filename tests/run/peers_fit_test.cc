// Which programs may take part in a run, and what they are told when it is over.
#include <gmock/gmock.h>

#include "common/version.h"
#include "tests/run/run_loop_fixture.h"

namespace shoal {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class PeersFit : public RunLoopTest {
 protected:
  absl::Status Actor(const std::string& build, int protocol = v1::PROTOCOL_CURRENT) {
    v1::WorkerHello hello;
    hello.set_name("actor");
    hello.set_build(build);
    hello.set_kernel_id("kernel");
    hello.set_protocol(static_cast<v1::Protocol>(protocol));
    return loop_->WorkerArrived(hello, &worker_, now_).status();
  }
  absl::Status Learner(const std::string& build, bool any_run) {
    v1::LearnerHello hello;
    hello.set_build(build);
    hello.set_protocol(v1::PROTOCOL_CURRENT);
    hello.set_address("place");
    hello.set_any_run(any_run);
    return loop_->LearnerArrived(hello, &learner_, now_);
  }

  const std::string own_ = GetBuildInfo().Build();
  FakeWorker worker_;
  FakeLearner learner_;
};

TEST_F(PeersFit, OtherBuildsAreRefusedWithBothNamed) {
  more_.any_build = false;
  Open();
  for (const absl::Status& status : {Actor("0.0.1 (old)"), Learner("0.0.1 (old)", false)}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr("0.0.1 (old)"), HasSubstr(own_), HasSubstr("--any_build")));
  }
  EXPECT_TRUE(Actor(own_).ok());
  EXPECT_TRUE(Learner(own_, false).ok());
}

TEST_F(PeersFit, OtherBuildsMayBeLetInButNoOtherProtocol) {
  more_.any_build = true;
  Open();
  EXPECT_TRUE(Actor("0.0.1 (old)").ok());
  const absl::Status status = Actor(own_, v1::PROTOCOL_CURRENT + 1);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("protocol 2"));
}

TEST_F(PeersFit, AWelcomeSaysWhoGivesIt) {
  more_.any_build = false;
  Open();
  ASSERT_TRUE(Actor(own_).ok());
  ASSERT_TRUE(Learner(own_, false).ok());
  for (const v1::Coordinator& coordinator :
       {worker_.welcome.coordinator(), learner_.welcome.coordinator()}) {
    EXPECT_EQ(coordinator.build(), own_);
    EXPECT_EQ(coordinator.protocol(), v1::PROTOCOL_CURRENT);
    EXPECT_FALSE(coordinator.any_build());
  }
}

TEST_F(PeersFit, AStandingCoordinatorTakesALearnerOfAnyRunOnly) {
  more_.come_again = absl::Milliseconds(1500);
  Open();
  const absl::Status status = Learner(own_, false);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("--runs"));
  EXPECT_TRUE(Learner(own_, true).ok());
}

TEST_F(PeersFit, AStandingCoordinatorTellsItsPeersToComeAgain) {
  more_.come_again = absl::Milliseconds(1500);
  Open();
  ASSERT_TRUE(Actor(own_).ok());
  ASSERT_TRUE(Learner(own_, true).ok());
  loop_->Stop(now_);
  v1::LearnRequest failed;
  failed.mutable_update_failed()->set_fatal(true);
  loop_->OnLearnerMessage(&learner_, failed, now_);
  ASSERT_TRUE(loop_->over());
  // Whoever comes after the end is told the same, and gets no welcome.
  FakeWorker late;
  Arrive(late);
  EXPECT_TRUE(late.welcome.run_id().empty());
  for (const v1::Dismissal& dismissal : {worker_.dismissal, learner_.dismissal, late.dismissal}) {
    EXPECT_EQ(dismissal.reason(), v1::Dismissal::REASON_RUN_OVER);
    EXPECT_EQ(dismissal.come_again().seconds(), 1);
    EXPECT_EQ(dismissal.come_again().nanos(), 500'000'000);
  }
}

TEST_F(PeersFit, TheCoordinatorOfOneRunLetsItsPeersGo) {
  Open();
  ASSERT_TRUE(Actor(own_).ok());
  v1::LearnRequest failed;
  failed.mutable_update_failed()->set_fatal(true);
  ASSERT_TRUE(Learner(own_, false).ok());
  loop_->OnLearnerMessage(&learner_, failed, now_);
  ASSERT_TRUE(loop_->over());
  EXPECT_TRUE(worker_.dismissed);
  EXPECT_FALSE(worker_.dismissal.has_come_again());
}

}  // namespace
}  // namespace shoal
