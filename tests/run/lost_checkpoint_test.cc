// A committed checkpoint that the disk has lost: the run goes back to the last one that is whole.
#include <gmock/gmock.h>

#include <algorithm>

#include "tests/run/run_loop_fixture.h"

namespace shoal {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class LostCheckpointTest : public RunLoopTest {
 protected:
  // A run that was killed after iteration 3 and the evaluation of iteration 2.
  void RunThree() {
    Open();
    FakeLearner learner;
    Arrive(learner, "one");
    FakeWorker worker;
    const WorkerId id = Arrive(worker);
    for (int i = 0; i < 3; ++i) {
      Work(id, worker, "one");
      Learn(learner);
    }
    ASSERT_EQ(Committed(), 3);
    ASSERT_EQ(loop_->Status(now_).evaluations_done(), 1);
    views_ = Views();
    Open();
  }
  std::string Views() const {
    std::string all;
    for (const char* name : {"penalty_stage_debug.jsonl", "step_one_clusters.jsonl"}) {
      all += ReadFile(folder_ + "/" + name).value_or("missing");
    }
    return all;
  }
  // A learner that finds the committed checkpoint damaged and these whole.
  void ArriveWithout(FakeLearner& learner, const std::vector<int64_t>& intact) {
    v1::LearnerHello hello;
    hello.set_protocol(v1::PROTOCOL_CURRENT);
    hello.set_session("two");
    ASSERT_TRUE(loop_->LearnerArrived(hello, &learner, now_).ok());
    v1::LearnRequest damaged;
    damaged.mutable_checkpoint_damaged()->set_iteration(learner.welcome.committed_iteration());
    damaged.mutable_checkpoint_damaged()->set_message("iter_3/policy.safetensors: SHA-256 is x");
    for (const int64_t iteration : intact) {
      v1::CheckpointName* name = damaged.mutable_checkpoint_damaged()->add_intact();
      name->set_iteration(iteration);
      name->set_policy_sha256(FakePolicy(iteration));
    }
    loop_->OnLearnerMessage(&learner, damaged, now_);
  }
  void Ready(FakeLearner& learner) {
    v1::LearnRequest ready;
    ready.mutable_ready()->set_iteration(learner.welcome.committed_iteration());
    ready.mutable_ready()->set_policy_sha256(FakePolicy(learner.welcome.committed_iteration()));
    loop_->OnLearnerMessage(&learner, ready, now_);
  }
  std::string views_;
};

TEST_F(LostCheckpointTest, GoesBackToTheLastWholeOneAndComputesTheSameAgain) {
  RunThree();
  FakeLearner learner;
  ArriveWithout(learner, {0, 1, 2});
  ASSERT_FALSE(loop_->over()) << loop_->Status(now_).message();
  EXPECT_EQ(learner.welcome.committed_iteration(), 2);
  EXPECT_EQ(learner.welcome.policy_sha256(), FakePolicy(2));
  EXPECT_EQ(loop_->Status(now_).alarms(), 1);
  EXPECT_THAT(loop_->Status(now_).alarm(), AllOf(HasSubstr("iteration 2"), HasSubstr("SHA-256")));
  EXPECT_EQ(loop_->Status(now_).evaluations_done(), 1) << "that of iteration 2 still counts";
  Ready(learner);
  FakeWorker worker;
  const WorkerId id = Arrive(worker);
  Work(id, worker, "two");
  Learn(learner);
  EXPECT_EQ(Committed(), 3);
  EXPECT_EQ(Views(), views_);
  Work(id, worker, "two");
  Learn(learner);
  Work(id, worker, "two");
  Retain(learner);
  EXPECT_EQ(loop_->Status(now_).state(), v1::RunStatus::STATE_DONE);
}

TEST_F(LostCheckpointTest, GoesBackAllTheWay) {
  RunThree();
  FakeLearner learner;
  ArriveWithout(learner, {0});
  ASSERT_FALSE(loop_->over()) << loop_->Status(now_).message();
  EXPECT_EQ(learner.welcome.committed_iteration(), 0);
  Ready(learner);
  EXPECT_EQ(loop_->Status(now_).evaluations_done(), 0);
  FakeWorker worker;
  const WorkerId id = Arrive(worker);
  for (int i = 0; i < 3; ++i) {
    Work(id, worker, "two");
    Learn(learner);
  }
  EXPECT_EQ(Committed(), 3);
  EXPECT_EQ(Views(), views_);
}

TEST_F(LostCheckpointTest, WithoutAnotherTheRunEndsAndSaysWhy) {
  RunThree();
  FakeLearner learner;
  ArriveWithout(learner, {});
  EXPECT_TRUE(loop_->failed());
  EXPECT_THAT(loop_->Status(now_).message(),
              AllOf(HasSubstr("SHA-256"), HasSubstr("no earlier checkpoint")));
}

TEST_F(LostCheckpointTest, ACheckpointOfAnotherPolicyIsNone) {
  RunThree();
  FakeLearner learner;
  v1::LearnerHello hello;
  hello.set_protocol(v1::PROTOCOL_CURRENT);
  ASSERT_TRUE(loop_->LearnerArrived(hello, &learner, now_).ok());
  v1::LearnRequest damaged;
  damaged.mutable_checkpoint_damaged()->set_iteration(3);
  v1::CheckpointName* name = damaged.mutable_checkpoint_damaged()->add_intact();
  name->set_iteration(2);
  name->set_policy_sha256(FakePolicy(77));
  loop_->OnLearnerMessage(&learner, damaged, now_);
  EXPECT_TRUE(loop_->failed());
}

TEST_F(LostCheckpointTest, TheLearnerIsToldWhatElseIsNeeded) {
  Configure("policy_lag: 1 gate_delay: 2 multi_eval_interval: 1");
  Open();
  FakeLearner learner;
  Arrive(learner, "one");
  EXPECT_EQ(learner.welcome.needed_size(), 0);
  FakeWorker worker;
  const WorkerId id = Arrive(worker);
  for (int i = 0; i < 3; ++i) {
    // Scenes stay unanswered, so that all evaluations need their policies.
    while (learner.updates.empty()) {
      const auto lease = std::find_if(worker.leases.begin(), worker.leases.end(),
                                      [](const v1::Lease& each) { return each.has_rollout(); });
      ASSERT_NE(lease, worker.leases.end());
      const v1::WorkRequest answer = Answer(*lease, "one");
      worker.leases.erase(lease);
      loop_->OnWorkerMessage(id, answer, now_);
    }
    Learn(learner);
  }
  ASSERT_EQ(Committed(), 3);
  Open();
  FakeLearner next;
  Arrive(next, "two");
  EXPECT_EQ(next.welcome.committed_iteration(), 3);
  // Version 2 acts in iteration 4, and is evaluated; version 1 is evaluated.
  ASSERT_EQ(next.welcome.needed_size(), 2);
  for (int i : {0, 1}) {
    EXPECT_EQ(next.welcome.needed(i).iteration(), i + 1);
    EXPECT_EQ(next.welcome.needed(i).policy_sha256(), FakePolicy(i + 1));
  }
}

TEST_F(LostCheckpointTest, TheRunIsNotDoneWithoutItsBest) {
  Open();
  FakeLearner learner;
  Arrive(learner, "one");
  FakeWorker worker;
  const WorkerId id = Arrive(worker);
  for (int i = 0; i < 4; ++i) {
    Work(id, worker, "one");
    Learn(learner);
  }
  Work(id, worker, "one");
  ASSERT_GT(learner.retain.best_iteration(), 0);
  v1::LearnRequest full;
  full.mutable_retained()->set_message("checkpoints/best: No space left on device");
  while (learner.retains-- > 0) loop_->OnLearnerMessage(&learner, full, now_);
  EXPECT_TRUE(loop_->failed());
  EXPECT_THAT(loop_->Status(now_).message(), AllOf(HasSubstr("No space left"), HasSubstr("--resume")));
  Open();
  FakeLearner again;
  Arrive(again, "two");
  Retain(again);
  EXPECT_EQ(loop_->Status(now_).state(), v1::RunStatus::STATE_DONE);
}

TEST_F(LostCheckpointTest, AnotherPolicyThanBeforeIsNoticed) {
  RunThree();
  FakeLearner learner;
  ArriveWithout(learner, {2});
  Ready(learner);
  FakeWorker worker;
  const WorkerId id = Arrive(worker);
  Work(id, worker, "two");
  v1::LearnRequest done;
  done.mutable_update_done()->set_iteration(3);
  done.mutable_update_done()->set_policy_sha256(FakePolicy(99));
  loop_->OnLearnerMessage(&learner, done, now_);
  EXPECT_TRUE(loop_->failed());
  EXPECT_THAT(loop_->Status(now_).message(), HasSubstr(FakePolicy(99)));
}

}  // namespace
}  // namespace shoal
