// The loop while a commit is being written: leases go on, and nothing else is ahead of run.db.
#include "coordinator/run/background.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <utility>

#include "tests/run/run_loop_fixture.h"

namespace shoal {
namespace {

// Does nothing until the test says so, or the loop waits.
class HeldBackground final : public Background {
 public:
  void Post(Work work, Done done, absl::Time) override {
    posted_.push_back({std::move(work), std::move(done)});
  }
  void AwaitWork() override {
    for (; !posted_.empty(); posted_.pop_front()) {
      const absl::Status status = fail_.ok() ? posted_.front().work() : std::exchange(fail_, absl::OkStatus());
      ends_.push_back([done = posted_.front().done, status](absl::Time now) { done(status, now); });
    }
  }
  void Settle(absl::Time now) override {
    for (AwaitWork(); !ends_.empty(); AwaitWork()) End(now);
  }
  // Calls the next end.
  void End(absl::Time now) {
    const auto end = std::move(ends_.front());
    ends_.pop_front();
    end(now);
  }
  // The next work does not succeed.
  void Fail(absl::Status status) { fail_ = std::move(status); }
  size_t posted() const { return posted_.size(); }
  size_t ends() const { return ends_.size(); }

 private:
  struct Job {
    Work work;
    Done done;
  };
  std::deque<Job> posted_;
  std::deque<std::function<void(absl::Time)>> ends_;
  absl::Status fail_;
};

class BackgroundTest : public RunLoopTest {
 protected:
  // A run whose first iteration is learned, and its commit not yet written.
  void OpenAndLearn(const std::string& options = "policy_lag: 1 multi_eval_interval: 0") {
    Configure(options);
    Open();
    loop_->SetBackground(&background_);
    Arrive(learner_, "one");
    id_ = Arrive(worker_);
    for (int shard = 0; shard < 3; ++shard) Answer();
    Learn(learner_);
    ASSERT_EQ(background_.posted(), 1u);
  }
  // Its commit is written, and what follows is left to the background.
  void OpenAndCommit(const std::string& options) {
    OpenAndLearn(options);
    background_.AwaitWork();
    background_.End(now_);
    EXPECT_EQ(Committed(), 1);
    ASSERT_EQ(background_.posted(), 1u) << "the text files";
  }
  void Answer() {
    ASSERT_FALSE(worker_.leases.empty());
    const v1::Lease lease = worker_.leases.front();
    worker_.leases.clear();
    loop_->OnWorkerMessage(id_, RunLoopTest::Answer(lease, "one"), now_);
  }

  HeldBackground background_;
  FakeLearner learner_;
  FakeWorker worker_;
  WorkerId id_ = 0;
};

TEST_F(BackgroundTest, LeasesGoOnWhileACommitIsWritten) {
  OpenAndLearn();
  for (int shard = 0; shard < 3; ++shard) {
    ASSERT_EQ(worker_.leases.size(), 1u);
    EXPECT_EQ(worker_.leases[0].rollout().plan().iteration(), 2);
    EXPECT_EQ(worker_.leases[0].rollout().shard(), shard);
    Answer();
  }
  EXPECT_EQ(background_.posted(), 1u) << "nobody had to wait for it";
  EXPECT_EQ(Committed(), 0);
  EXPECT_TRUE(learner_.updates.empty()) << "the next update waits for the commit";
  EXPECT_EQ(learner_.retain.committed_iteration(), 0);
  EXPECT_TRUE(worker_.leases.empty()) << "and so does the plan after the next";
  background_.Settle(now_);
  EXPECT_EQ(Committed(), 1);
  EXPECT_EQ(learner_.retain.committed_iteration(), 1);
  ASSERT_EQ(learner_.updates.size(), 1u);
  EXPECT_EQ(learner_.updates[0].plan().iteration(), 2);
  ASSERT_EQ(worker_.leases.size(), 1u);
  EXPECT_EQ(worker_.leases[0].rollout().plan().iteration(), 3);
}

TEST_F(BackgroundTest, AnUpdateThatIsToldTwiceIsCommittedOnce) {
  OpenAndLearn();
  v1::LearnRequest again;
  again.mutable_update_done()->set_iteration(1);
  again.mutable_update_done()->set_policy_sha256(FakePolicy(1));
  loop_->OnLearnerMessage(&learner_, again, now_);
  v1::LearnRequest failed;
  failed.mutable_update_failed()->set_iteration(1);
  loop_->OnLearnerMessage(&learner_, failed, now_);
  EXPECT_EQ(background_.posted(), 1u);
  EXPECT_TRUE(learner_.updates.empty());
  background_.Settle(now_);
  EXPECT_EQ(Committed(), 1);
}

TEST_F(BackgroundTest, ALearnerThatLeavesIsMissedAfterItsCommit) {
  OpenAndLearn();
  loop_->LearnerGone(&learner_, now_);
  EXPECT_EQ(Committed(), 1);
  FakeLearner next;
  Arrive(next, "two");
  EXPECT_EQ(next.welcome.committed_iteration(), 1);
  EXPECT_EQ(next.welcome.policy_sha256(), FakePolicy(1));
  EXPECT_FALSE(loop_->over());
}

TEST_F(BackgroundTest, ReportsWaitForTheStore) {
  OpenAndLearn();
  EXPECT_EQ(loop_->store().LastCommitted()->iteration, 1);
  EXPECT_EQ(background_.posted(), 0u);
  EXPECT_EQ(background_.ends(), 1u);
  EXPECT_EQ(Committed(), 0) << "the event is still to come";
  background_.Settle(now_);
  EXPECT_EQ(Committed(), 1);
}

TEST_F(BackgroundTest, AStoppedRunStopsAfterTheCommit) {
  OpenAndLearn();
  loop_->Stop(now_);
  EXPECT_FALSE(loop_->over());
  Answer();
  Answer();
  Answer();
  background_.Settle(now_);
  Learn(learner_);
  background_.Settle(now_);
  EXPECT_EQ(loop_->Status(now_).state(), v1::RunStatus::STATE_STOPPED);
  EXPECT_EQ(Committed(), 2);
}

TEST_F(BackgroundTest, ACommitThatFailsEndsTheRun) {
  OpenAndLearn();
  background_.Fail(absl::ResourceExhaustedError("run.db: the disk is full"));
  background_.Settle(now_);
  EXPECT_TRUE(loop_->failed());
  EXPECT_EQ(loop_->Status(now_).message(), "run.db: the disk is full");
  EXPECT_EQ(Committed(), 0);
  EXPECT_TRUE(worker_.dismissed && learner_.dismissed);
  EXPECT_EQ(loop_->store().LastCommitted()->iteration, 0);
}

TEST_F(BackgroundTest, TheNextPlanDoesNotWaitForTheTextFiles) {
  OpenAndCommit("multi_eval_interval: 0");
  ASSERT_EQ(worker_.leases.size(), 1u);
  EXPECT_EQ(worker_.leases[0].rollout().plan().iteration(), 2);
}

TEST_F(BackgroundTest, TextFilesThatCannotBeWrittenEndTheRunEvenAtItsEnd) {
  OpenAndCommit("curriculum: '9:1' multi_eval_interval: 0");
  background_.Fail(absl::ResourceExhaustedError("metrics.csv: the disk is full"));
  Retain(learner_);
  EXPECT_TRUE(loop_->failed());
}

}  // namespace
}  // namespace shoal
