// The coordinator's loop with peers that only exist in the test: no threads, no clock.
#include "coordinator/run/run_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/run/run_loop_fixture.h"

namespace shoal {
namespace {

using testing::HasSubstr;

TEST_F(RunLoopTest, GoesThroughARun) {
  Open();
  EXPECT_EQ(loop_->Status(now_).state(), v1::RunStatus::STATE_WAITING_FOR_LEARNER);
  FakeLearner learner;
  Arrive(learner, "one");
  EXPECT_EQ(loop_->Status(now_).state(), v1::RunStatus::STATE_WAITING_FOR_ACTORS);
  FakeWorker worker;
  const WorkerId id = Arrive(worker);
  EXPECT_EQ(worker.leases.size(), 1u) << "one lease at a time";
  for (int64_t i = 1; i <= 4; ++i) {
    Work(id, worker, "one");
    ASSERT_EQ(learner.updates.size(), 1u) << i;
    EXPECT_EQ(learner.updates[0].plan().iteration(), i);
    EXPECT_EQ(learner.updates[0].shards_size(), 3);
    Learn(learner);
    EXPECT_EQ(Committed(), i);
  }
  EXPECT_FALSE(loop_->over()) << "the last evaluation is left";
  Work(id, worker, "one");
  EXPECT_FALSE(loop_->over()) << "the best checkpoint is not in its place yet";
  Retain(learner);
  EXPECT_EQ(loop_->Status(now_).state(), v1::RunStatus::STATE_DONE);
  EXPECT_EQ(loop_->Status(now_).evaluations_done(), 2);
  EXPECT_TRUE(worker.dismissed && learner.dismissed);
  EXPECT_EQ(learner.retain.committed_iteration(), 4);
  EXPECT_EQ(std::vector<int64_t>(learner.retain.iterations().begin(), learner.retain.iterations().end()),
            (std::vector<int64_t>{0, 2, 3, 4}));
}

TEST_F(RunLoopTest, GivesASecondLeaseWhileThereIsOneForEverybody) {
  Open();
  FakeLearner learner;
  Arrive(learner, "one");
  FakeWorker ann, bob;
  // More than it gets: of three shards, one each leaves one.
  const WorkerId first = Arrive(ann, "kernel", "ann", 100);
  EXPECT_EQ(ann.leases.size(), 2u) << "and one for whoever comes next";
  const WorkerId second = Arrive(bob, "kernel", "bob", 2);
  ASSERT_EQ(bob.leases.size(), 1u);
  EXPECT_EQ(bob.leases[0].rollout().shard(), 2);
  loop_->OnWorkerMessage(first, Answer(ann.leases[1], "one"), now_);
  EXPECT_EQ(ann.leases.size(), 2u) << "none is left";
  ann.leases.pop_back();
  Work(first, ann, "one");
  Work(second, bob, "one");
  ASSERT_EQ(learner.updates.size(), 1u);
  Learn(learner);
  EXPECT_EQ(Committed(), 1);
  // Lost leases are had by others, all of them.
  ASSERT_EQ(ann.leases.size(), 1u);
  ASSERT_EQ(bob.leases.size(), 1u);
  loop_->WorkerGone(first, now_);
  Work(second, bob, "one");
  EXPECT_EQ(learner.updates.size(), 1u);
}

TEST_F(RunLoopTest, GivesTheLastItemAheadWhereNobodyElseIs) {
  Open();
  FakeLearner learner;
  Arrive(learner, "one");
  FakeWorker worker;
  const WorkerId id = Arrive(worker, "kernel", "ann", 2);
  ASSERT_EQ(worker.leases.size(), 2u);
  loop_->OnWorkerMessage(id, Answer(worker.leases[0], "one"), now_);
  ASSERT_EQ(worker.leases.size(), 3u);
  EXPECT_EQ(worker.leases[2].rollout().shard(), 2);
}

TEST_F(RunLoopTest, APlanWaitsForTheEvaluationItNeeds) {
  Open();
  FakeLearner learner;
  Arrive(learner, "one");
  FakeWorker worker;
  const WorkerId id = Arrive(worker);
  Work(id, worker, "one");
  Learn(learner);
  Work(id, worker, "one");
  Learn(learner);
  // With gate_delay 0 plan 3 needs the answer to iteration 2.
  ASSERT_EQ(worker.leases.size(), 1u);
  EXPECT_TRUE(worker.leases[0].has_evaluation());
  EXPECT_EQ(loop_->Status(now_).state(), v1::RunStatus::STATE_EVALUATION);
  Work(id, worker, "one");
  EXPECT_EQ(learner.updates.size(), 1u) << "and goes on after it";
}

TEST_F(RunLoopTest, RowsLostWithALearnerAreComputedAgain) {
  Open();
  FakeLearner learner;
  Arrive(learner, "one");
  FakeWorker worker;
  const WorkerId id = Arrive(worker);
  loop_->OnWorkerMessage(id, Answer(worker.leases[0], "one"), now_);
  loop_->LearnerGone(&learner, now_);
  worker.leases.erase(worker.leases.begin());
  Work(id, worker, "one");  // what was leased goes to nobody
  FakeLearner next;
  Arrive(next, "two");
  Work(id, worker, "two");
  ASSERT_EQ(next.updates.size(), 1u);
  Learn(next);
  EXPECT_EQ(Committed(), 1);
}

TEST_F(RunLoopTest, ALearnerThatLacksRowsGetsThemAgain) {
  Open();
  FakeLearner learner;
  Arrive(learner, "one");
  FakeWorker worker;
  const WorkerId id = Arrive(worker);
  Work(id, worker, "one");
  learner.updates.clear();
  v1::LearnRequest message;
  message.mutable_update_failed()->set_iteration(1);
  message.mutable_update_failed()->add_missing_shards(2);
  loop_->OnLearnerMessage(&learner, message, now_);
  ASSERT_EQ(worker.leases.size(), 1u);
  EXPECT_EQ(worker.leases[0].rollout().shard(), 2);
  Work(id, worker, "one");
  Learn(learner);
  EXPECT_EQ(Committed(), 1);
}

TEST_F(RunLoopTest, ResultsThatDifferStopTheRun) {
  Open();
  FakeLearner learner;
  Arrive(learner, "one");
  FakeWorker ann, bob;
  const WorkerId a = Arrive(ann);
  const v1::Lease lease = ann.leases[0];
  now_ += absl::Seconds(11);
  loop_->Tick(now_);
  EXPECT_TRUE(ann.aborted) << "silent for longer than a lease";
  const WorkerId b = Arrive(bob);
  ASSERT_EQ(bob.leases[0].rollout().shard(), lease.rollout().shard()) << "offered again";
  EXPECT_GT(bob.leases[0].fencing(), lease.fencing());
  loop_->OnWorkerMessage(a, Answer(lease, "one"), now_);
  v1::WorkRequest other = Answer(bob.leases[0], "one");
  v1::RolloutRecord record = FakeRecord(bob.leases[0].rollout());
  record.set_rows(9);
  other.mutable_result()->set_rollout(record.SerializeAsString());
  loop_->OnWorkerMessage(b, other, now_);
  EXPECT_TRUE(loop_->failed());
  EXPECT_THAT(loop_->Status(now_).message(), HasSubstr("differ"));
  EXPECT_TRUE(bob.dismissed);
}

TEST_F(RunLoopTest, ResultsThatDifferAreOnlyReportedWhereAsked) {
  Configure("on_mismatch: 'warn'");
  Open();
  FakeLearner learner;
  Arrive(learner, "one");
  FakeWorker worker;
  const WorkerId id = Arrive(worker);
  const v1::Lease lease = worker.leases[0];
  Work(id, worker, "one");
  v1::WorkRequest other = Answer(lease, "one");
  v1::RolloutRecord record = FakeRecord(lease.rollout());
  record.set_rows(9);
  other.mutable_result()->set_rollout(record.SerializeAsString());
  loop_->OnWorkerMessage(id, other, now_);
  EXPECT_FALSE(loop_->failed());
  Learn(learner);
  EXPECT_EQ(Committed(), 1);
}

TEST_F(RunLoopTest, RowsThatTheLearnerHasOtherwiseAreAMismatchToo) {
  Open();
  FakeLearner learner;
  Arrive(learner, "one");
  FakeWorker worker;
  const WorkerId id = Arrive(worker);
  v1::WorkRequest message;
  message.mutable_failure()->set_fencing(worker.leases[0].fencing());
  message.mutable_failure()->set_code(static_cast<int>(absl::StatusCode::kAlreadyExists));
  loop_->OnWorkerMessage(id, message, now_);
  EXPECT_TRUE(loop_->failed());
  EXPECT_THAT(loop_->Status(now_).message(), HasSubstr("differ"));
}

TEST_F(RunLoopTest, AMismatchThatIsLetPassAfterALearnersLossDoesNotStall) {
  Configure("on_mismatch: 'warn'");
  Open();
  FakeLearner learner;
  Arrive(learner, "one");
  FakeWorker worker;
  const WorkerId id = Arrive(worker);
  Work(id, worker, "one");
  loop_->LearnerGone(&learner, now_);
  FakeLearner next;
  Arrive(next, "two");
  ASSERT_EQ(worker.leases.size(), 1u);
  v1::WorkRequest other = Answer(worker.leases[0], "two");
  v1::RolloutRecord record = FakeRecord(worker.leases[0].rollout());
  record.set_rows(9);
  worker.leases.clear();
  other.mutable_result()->set_rollout(record.SerializeAsString());
  loop_->OnWorkerMessage(id, other, now_);
  Work(id, worker, "two");
  ASSERT_EQ(next.updates.size(), 1u);
  EXPECT_EQ(next.updates[0].shards(0).rows(), 9) << "what the learner has now";
}

TEST_F(RunLoopTest, StoppingDoesNotWaitForALearnerThatIsGone) {
  Open();
  FakeLearner learner;
  Arrive(learner, "one");
  FakeWorker worker;
  Arrive(worker);
  loop_->Stop(now_);
  loop_->LearnerGone(&learner, now_);
  loop_->Tick(now_);
  now_ += absl::Seconds(2);
  loop_->Tick(now_);
  EXPECT_FALSE(loop_->over()) << "it may come back";
  now_ += absl::Seconds(2);
  loop_->Tick(now_);
  EXPECT_EQ(loop_->Status(now_).state(), v1::RunStatus::STATE_STOPPED);
}

TEST_F(RunLoopTest, RefusesAnotherKernelOrProtocol) {
  Open();
  FakeWorker first, second;
  Arrive(first, "kernel-a");
  v1::WorkerHello hello;
  hello.set_protocol(v1::PROTOCOL_CURRENT);
  hello.set_kernel_id("kernel-b");
  EXPECT_TRUE(absl::IsFailedPrecondition(loop_->WorkerArrived(hello, &second, now_).status()));
  hello.set_kernel_id("kernel-a");
  hello.set_protocol(v1::PROTOCOL_UNSPECIFIED);
  EXPECT_TRUE(absl::IsFailedPrecondition(loop_->WorkerArrived(hello, &second, now_).status()));
}

TEST_F(RunLoopTest, FailuresThatPassAreRetriedAndOthersEndTheRun) {
  Open();
  FakeLearner learner;
  Arrive(learner, "one");
  FakeWorker worker;
  const WorkerId id = Arrive(worker);
  auto fail = [&](absl::StatusCode code) {
    v1::WorkRequest message;
    message.mutable_failure()->set_fencing(worker.leases[0].fencing());
    message.mutable_failure()->set_code(static_cast<int>(code));
    message.mutable_failure()->set_message("because");
    worker.leases.clear();
    loop_->OnWorkerMessage(id, message, now_);
    now_ += absl::Seconds(1);
    loop_->Tick(now_);
  };
  // The worker goes on to other shards in between, so shard 0 comes first again only after a while.
  for (int i = 0; i < 20; ++i) fail(absl::StatusCode::kUnavailable);
  EXPECT_FALSE(loop_->over());
  for (int i = 0; i < 9 && !loop_->over(); ++i) fail(absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(loop_->failed());
  EXPECT_THAT(loop_->Status(now_).message(), HasSubstr("because"));
}

TEST_F(RunLoopTest, StatusNamesThoseWhoAreSilentOrGone) {
  Open();
  EXPECT_EQ(loop_->Status(now_).learner_silent_seconds(), -1) << "none was there yet";
  FakeLearner learner;
  Arrive(learner, "one");
  FakeWorker ann, bob;
  const WorkerId a = Arrive(ann, "kernel", "ann");
  const WorkerId b = Arrive(bob, "kernel", "bob");
  EXPECT_EQ(loop_->Status(now_).missing_size(), 0);
  v1::WorkRequest beat;
  beat.mutable_heartbeat()->set_sequence(1);
  v1::LearnRequest learner_beat;
  learner_beat.mutable_heartbeat()->set_sequence(1);
  now_ += absl::Seconds(1);
  EXPECT_EQ(loop_->Status(now_).missing_size(), 0) << "one heartbeat may be late";
  now_ += absl::Seconds(1);
  loop_->OnWorkerMessage(b, beat, now_);
  loop_->OnLearnerMessage(&learner, learner_beat, now_);
  v1::RunStatus status = loop_->Status(now_);
  ASSERT_EQ(status.missing_size(), 1);
  EXPECT_EQ(status.missing(0).name(), "ann");
  EXPECT_EQ(status.missing(0).silent_seconds(), 2);
  EXPECT_TRUE(status.missing(0).connected());

  // Its stream ends; it stays missing.
  loop_->WorkerGone(a, now_);
  status = loop_->Status(now_ + absl::Seconds(1));
  ASSERT_EQ(status.missing_size(), 1);
  EXPECT_EQ(status.missing(0).silent_seconds(), 3);
  EXPECT_FALSE(status.missing(0).connected());
  ASSERT_EQ(status.workers_size(), 2);
  EXPECT_EQ(status.workers(0).name(), "bob");
  EXPECT_TRUE(status.workers(0).connected());
  EXPECT_EQ(status.workers(1).name(), "ann");
  EXPECT_FALSE(status.workers(1).connected());

  // The rest goes too, and the messages say who is waited for.
  loop_->WorkerGone(b, now_);
  status = loop_->Status(now_);
  EXPECT_EQ(status.state(), v1::RunStatus::STATE_WAITING_FOR_ACTORS);
  EXPECT_THAT(status.message(), HasSubstr("gone: ann, bob"));
  loop_->LearnerGone(&learner, now_);
  now_ += absl::Seconds(2);
  status = loop_->Status(now_);
  EXPECT_EQ(status.state(), v1::RunStatus::STATE_WAITING_FOR_LEARNER);
  EXPECT_THAT(status.message(), HasSubstr("the last one is gone"));
  EXPECT_EQ(status.learner_silent_seconds(), 2);
  ASSERT_EQ(status.missing_size(), 3);
  EXPECT_EQ(status.missing(0).name(), "learner");

  // They come back, one of them before its old stream has ended.
  FakeLearner next;
  Arrive(next, "two");
  FakeWorker ann_again, bob_again, bob_later;
  Arrive(ann_again, "kernel", "ann");
  const WorkerId cut_off = Arrive(bob_again, "kernel", "bob");
  Arrive(bob_later, "kernel", "bob");
  loop_->WorkerGone(cut_off, now_);
  status = loop_->Status(now_);
  EXPECT_EQ(status.missing_size(), 0) << status.DebugString();
  EXPECT_EQ(status.workers_size(), 2) << status.DebugString();
}

TEST_F(RunLoopTest, NobodyIsMissingFromARunThatIsOver) {
  Open();
  FakeLearner learner;
  Arrive(learner, "one");
  FakeWorker ann, bob;
  const WorkerId a = Arrive(ann, "kernel", "ann");
  Arrive(bob, "kernel", "bob");
  now_ += absl::Seconds(3);
  EXPECT_EQ(loop_->Status(now_).missing_size(), 3);
  loop_->WorkerGone(a, now_);
  loop_->LearnerGone(&learner, now_);
  loop_->Stop(now_);
  now_ += absl::Seconds(4);
  loop_->Tick(now_);
  loop_->Tick(now_ + absl::Seconds(4));
  EXPECT_TRUE(loop_->over());
  EXPECT_EQ(loop_->Status(now_).missing_size(), 0);
}

TEST_F(RunLoopTest, AReopenedRunGoesOnAfterTheLastCommit) {
  Open();
  {
    FakeLearner learner;
    Arrive(learner, "one");
    FakeWorker worker;
    const WorkerId id = Arrive(worker);
    Work(id, worker, "one");
    Learn(learner);
    Work(id, worker, "one");  // iteration 2 is rolled out, but not committed
    loop_->Stop(now_);
    EXPECT_FALSE(loop_->over());
    Learn(learner);
    EXPECT_EQ(loop_->Status(now_).state(), v1::RunStatus::STATE_STOPPED);
  }
  Open();
  EXPECT_EQ(Committed(), 2);
  FakeLearner learner;
  Arrive(learner, "two");
  EXPECT_EQ(learner.welcome.committed_iteration(), 2);
  EXPECT_EQ(learner.welcome.policy_sha256(), FakePolicy(2));
  FakeWorker worker;
  const WorkerId id = Arrive(worker);
  Work(id, worker, "two");  // the evaluation of iteration 2, then iteration 3
  ASSERT_EQ(learner.updates.size(), 1u);
  EXPECT_EQ(learner.updates[0].plan().iteration(), 3);
}

TEST_F(RunLoopTest, ALearnerWithAnotherPolicyIsNoticed) {
  Open();
  FakeLearner learner;
  Arrive(learner, "one");
  loop_->LearnerGone(&learner, now_);
  FakeLearner other;
  v1::LearnerHello hello;
  hello.set_protocol(v1::PROTOCOL_CURRENT);
  ASSERT_TRUE(loop_->LearnerArrived(hello, &other, now_).ok());
  v1::LearnRequest ready;
  ready.mutable_ready()->set_policy_sha256(FakePolicy(99));
  loop_->OnLearnerMessage(&other, ready, now_);
  EXPECT_TRUE(loop_->failed());
}

TEST_F(RunLoopTest, AChangedConfigurationIsRefused) {
  Open();
  loop_.reset();
  Configure("seed: 5");
  RunLoopOptions options;
  options.run_dir = folder_;
  EXPECT_TRUE(absl::IsFailedPrecondition(RunLoop::Open(options, now_).status()));
}

TEST_F(RunLoopTest, ADeathInTheFirstCommitIsNoObstacle) {
  // What it leaves: a database without tables.
  ASSERT_TRUE(WriteFileAtomically(folder_ + "/run.db", "").ok());
  Open();
  EXPECT_EQ(Committed(), 0);
}

TEST_F(RunLoopTest, OneCoordinatorAtATime) {
  Open();
  RunLoopOptions options;
  options.run_dir = folder_;
  EXPECT_TRUE(absl::IsFailedPrecondition(RunLoop::Open(options, now_).status()));
}

}  // namespace
}  // namespace shoal
