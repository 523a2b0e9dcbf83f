// Results that differ where they must be equal.
#include <gmock/gmock.h>

#include "tests/run/run_loop_fixture.h"

namespace shoal {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class DisagreementTest : public RunLoopTest {
 protected:
  WorkerId ArriveAs(FakeWorker& worker, const std::string& name) {
    v1::WorkerHello hello;
    hello.set_name(name);
    hello.set_build("build of " + name);
    hello.set_cpu("cpu of " + name);
    hello.set_kernel_id("kernel");
    hello.set_protocol(v1::PROTOCOL_CURRENT);
    auto id = loop_->WorkerArrived(hello, &worker, now_);
    EXPECT_TRUE(id.ok()) << id.status();
    return id.value_or(0);
  }
  // The answer to a lease with another number in it.
  static v1::WorkRequest Differing(const v1::Lease& lease, const std::string& session) {
    v1::WorkRequest message = Answer(lease, session);
    if (lease.has_rollout()) {
      v1::RolloutRecord record = FakeRecord(lease.rollout());
      record.set_advantage_sum(1.5);
      message.mutable_result()->set_rollout(record.SerializeAsString());
    } else {
      v1::EvaluationEpisode episode = FakeEpisode(lease.evaluation());
      episode.set_length(499);
      message.mutable_result()->set_evaluation(episode.SerializeAsString());
    }
    return message;
  }
  // `slow` holds the first lease until `quick` gets it as a backup task.
  void TwoLeasesOfOneItem() {
    slow_id_ = ArriveAs(slow_, "slow");
    ASSERT_EQ(slow_.leases.size(), 1u);
    now_ += absl::Seconds(5);
    quick_id_ = ArriveAs(quick_, "quick");
    while (!quick_.leases.empty() && !Equal(quick_.leases[0], slow_.leases[0])) {
      const v1::Lease lease = quick_.leases[0];
      quick_.leases.clear();
      loop_->OnWorkerMessage(quick_id_, Answer(lease, "one"), now_);
    }
    ASSERT_EQ(quick_.leases.size(), 1u) << "no backup task";
  }
  static bool Equal(const v1::Lease& a, const v1::Lease& b) {
    return a.rollout().SerializeAsString() == b.rollout().SerializeAsString() &&
           a.evaluation().SerializeAsString() == b.evaluation().SerializeAsString();
  }
  void TwoScenes(bool late);
  void ExpectBothNamed(const std::string& text) {
    EXPECT_THAT(text, AllOf(HasSubstr("slow (build of slow, cpu of slow)"),
                            HasSubstr("quick (build of quick, cpu of quick)"),
                            HasSubstr("differ")));
  }

  FakeWorker slow_, quick_;
  WorkerId slow_id_ = 0, quick_id_ = 0;
};

TEST_F(DisagreementTest, TwoRolloutsStopTheRunAndNameBothWorkers) {
  Open();
  FakeLearner learner;
  Arrive(learner, "one");
  TwoLeasesOfOneItem();
  loop_->OnWorkerMessage(quick_id_, Answer(quick_.leases[0], "one"), now_);
  ASSERT_FALSE(loop_->over());
  loop_->OnWorkerMessage(slow_id_, Differing(slow_.leases[0], "one"), now_);
  EXPECT_TRUE(loop_->failed());
  ExpectBothNamed(loop_->Status(now_).message());
  EXPECT_THAT(loop_->Status(now_).message(), HasSubstr("iteration 1, shard 0"));
}

TEST_F(DisagreementTest, SoDoRowsOfARecordThatIsStillOnItsWay) {
  Open();
  FakeLearner learner;
  Arrive(learner, "one");
  TwoLeasesOfOneItem();
  v1::WorkRequest refused;
  refused.mutable_failure()->set_fencing(quick_.leases[0].fencing());
  refused.mutable_failure()->set_code(static_cast<int>(absl::StatusCode::kAlreadyExists));
  loop_->OnWorkerMessage(quick_id_, refused, now_);
  EXPECT_TRUE(loop_->failed());
  ExpectBothNamed(loop_->Status(now_).message());
}

// `late`: the second result comes after the evaluation was judged.
void DisagreementTest::TwoScenes(bool late) {
  Open();
  FakeLearner learner;
  Arrive(learner, "one");
  FakeWorker worker;
  const WorkerId id = Arrive(worker);
  for (int i = 0; i < 2; ++i) {
    for (int shard = 0; shard < 3; ++shard) {
      const v1::Lease lease = worker.leases.at(0);
      worker.leases.clear();
      loop_->OnWorkerMessage(id, Answer(lease, "one"), now_);
    }
    Learn(learner);
  }
  ASSERT_EQ(worker.leases.size(), 1u);
  ASSERT_TRUE(worker.leases[0].has_evaluation());
  loop_->WorkerGone(id, now_);
  slow_id_ = ArriveAs(slow_, "slow");
  FakeWorker third;
  const WorkerId third_id = ArriveAs(third, "third");
  now_ += absl::Seconds(5);
  quick_id_ = ArriveAs(quick_, "quick");  // a backup task for the oldest lease
  ASSERT_TRUE(Equal(quick_.leases.at(0), slow_.leases.at(0)));
  loop_->OnWorkerMessage(quick_id_, Answer(quick_.leases[0], "one"), now_);
  if (late) loop_->OnWorkerMessage(third_id, Answer(third.leases.at(0), "one"), now_);
  ASSERT_EQ(loop_->Status(now_).evaluations_done(), late ? 1 : 0);
  loop_->OnWorkerMessage(slow_id_, Differing(slow_.leases[0], "one"), now_);
  EXPECT_TRUE(loop_->failed());
  EXPECT_THAT(loop_->Status(now_).message(), HasSubstr("evaluation 0, scene 0"));
  ExpectBothNamed(loop_->Status(now_).message());
}

TEST_F(DisagreementTest, SoDoTwoScenes) { TwoScenes(/*late=*/false); }
TEST_F(DisagreementTest, SoDoTwoScenesAfterTheEvaluationIsJudged) { TwoScenes(/*late=*/true); }

TEST_F(DisagreementTest, ALateResultIsComparedWithWhatIsCommitted) {
  Open();
  FakeLearner learner;
  Arrive(learner, "one");
  TwoLeasesOfOneItem();
  const v1::Lease late = slow_.leases[0];
  loop_->OnWorkerMessage(quick_id_, Answer(quick_.leases[0], "one"), now_);
  Learn(learner);
  ASSERT_EQ(Committed(), 1);
  // An equal one is nothing.
  loop_->OnWorkerMessage(slow_id_, Answer(late, "one"), now_);
  ASSERT_FALSE(loop_->over());
  loop_->OnWorkerMessage(slow_id_, Differing(late, "one"), now_);
  EXPECT_TRUE(loop_->failed());
  ExpectBothNamed(loop_->Status(now_).message());
}

TEST_F(DisagreementTest, WarnLetsItPassAndRaisesAnAlarm) {
  Configure("on_mismatch: 'warn'");
  Open();
  FakeLearner learner;
  Arrive(learner, "one");
  TwoLeasesOfOneItem();
  loop_->OnWorkerMessage(quick_id_, Answer(quick_.leases[0], "one"), now_);
  loop_->OnWorkerMessage(slow_id_, Differing(slow_.leases[0], "one"), now_);
  EXPECT_FALSE(loop_->over());
  EXPECT_EQ(loop_->Status(now_).alarms(), 1);
  ExpectBothNamed(loop_->Status(now_).alarm());
}

}  // namespace
}  // namespace shoal
