// The learner's conversation with a coordinator. What learns is a stand-in;
// learner_update_test.cc has the real one.
#include "learner/learner_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "actor/policy/weights.h"
#include "actor/policy_cache.h"
#include "learner/checkpoint/checkpoint.h"
#include "tests/ingest/learner_loop_fixture.h"

namespace shoal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(LearnerLoopTest, MakesVersionZeroAndLearnsFromIt) {
  Start();
  v1::LearnRequest answer = AwaitAnswer();
  EXPECT_EQ(hello_.protocol(), v1::PROTOCOL_CURRENT);
  EXPECT_EQ(hello_.address(), learner_->address());
  EXPECT_EQ(hello_.device(), "a test");
  EXPECT_FALSE(hello_.session().empty());
  ASSERT_TRUE(answer.has_ready()) << answer.ShortDebugString();
  EXPECT_EQ(answer.ready().iteration(), 0);
  EXPECT_TRUE(ReadCheckpoint(checkpoints(), 0, answer.ready().policy_sha256()).ok());

  peer().Send(PushAll(1));
  answer = peer().Next();
  ASSERT_TRUE(answer.has_update_done()) << answer.ShortDebugString();
  EXPECT_EQ(answer.update_done().iteration(), 1);
  EXPECT_EQ(answer.update_done().stats().rows(), (8 + 8 + 4) * 8);
  EXPECT_EQ(answer.update_done().stats().learning_rate(), 1e-3);
  const std::string policy = answer.update_done().policy_sha256();
  const auto checkpoint = ReadCheckpoint(checkpoints(), 1, policy);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  // The last row of the batch is the last of shard 2, which came first.
  EXPECT_EQ(ParsePolicy(checkpoint->policy)->policy[0].bias[0],
            ShardRows(1, 2).advantages.back() + 1.0f);

  const auto stub = v1::PolicyService::NewStub(*ConnectChannel(learner_->address()));
  EXPECT_EQ(*FetchPolicy(*stub, policy, kTestDeadline), checkpoint->policy);
}

TEST_F(LearnerLoopTest, AsksForMissingShardsAndGoesOn) {
  Start();
  AwaitAnswer();
  peer().Send(Begin(1));
  const v1::LearnRequest answer = peer().Next();
  ASSERT_TRUE(answer.has_update_failed());
  EXPECT_FALSE(answer.update_failed().fatal());
  EXPECT_THAT(answer.update_failed().missing_shards(), ElementsAre(0, 1, 2));
  EXPECT_NE(Learn(1), "");
}

TEST_F(LearnerLoopTest, AFailedUpdateIsFatal) {
  Start();
  AwaitAnswer();
  control_.update_status = absl::AbortedError("3 minibatches were not finite");
  peer().Send(PushAll(1));
  const v1::LearnRequest answer = peer().Next();
  ASSERT_TRUE(answer.has_update_failed());
  EXPECT_TRUE(answer.update_failed().fatal());
  EXPECT_THAT(answer.update_failed().message(), HasSubstr("3 minibatches"));
  EXPECT_THAT(*ListCheckpoints(checkpoints()), ElementsAre(0));
}

TEST_F(LearnerLoopTest, RefusesIterationsOutOfTurn) {
  Start();
  AwaitAnswer();
  peer().Send(Begin(2));
  const v1::LearnRequest answer = peer().Next();
  EXPECT_TRUE(answer.update_failed().fatal());
  EXPECT_THAT(answer.update_failed().message(), HasSubstr("can only learn iteration 1"));
}

TEST_F(LearnerLoopTest, RowsAndHeartbeatsGoOnDuringAnUpdate) {
  Start();
  AwaitAnswer();
  control_.Hold(true);
  peer().Send(PushAll(1));
  control_.AwaitHeld();
  peer().AwaitHeartbeats(peer().heartbeats() + 3);
  const v1::LearnResponse next = PushAll(2);
  control_.Hold(false);
  EXPECT_EQ(peer().Next().update_done().iteration(), 1);
  peer().Send(next);
  EXPECT_EQ(peer().Next().update_done().iteration(), 2);
}

TEST_F(LearnerLoopTest, AnUpdateOfALostStreamLeavesNothing) {
  Start();
  const std::string first = AwaitAnswer().ready().policy_sha256();
  control_.Hold(true);
  peer().Send(PushAll(1));
  control_.AwaitHeld();
  Greet(0, first);
  peer().Break();
  // The next stream is there before the update has ended.
  ASSERT_TRUE(peer().Next().has_hello());
  control_.Hold(false);
  const v1::LearnRequest answer = peer().Next();
  ASSERT_TRUE(answer.has_ready()) << answer.ShortDebugString();
  EXPECT_THAT(*ListCheckpoints(checkpoints()), ElementsAre(0));
}

TEST_F(LearnerLoopTest, EndsWhenTheRunIsOver) {
  Start();
  AwaitAnswer();
  v1::LearnResponse over;
  over.mutable_dismissal()->set_reason(v1::Dismissal::REASON_RUN_OVER);
  peer().Send(over);
  EXPECT_TRUE(AwaitEnd().ok());
  EXPECT_TRUE(learner_->Drain(kTestDeadline));
}

TEST_F(LearnerLoopTest, FindsEachRunsFolderByItsName) {
  runs_ = run_dir_;
  v1::LearnResponse welcome;
  FillWelcome(kTestRun, TestRun(), welcome.mutable_welcome());
  welcome.mutable_welcome()->mutable_options()->set_run_name("first");
  peer().Greet(welcome);
  Start();
  EXPECT_TRUE(AwaitAnswer().has_ready());
  EXPECT_TRUE(hello_.any_run());
  EXPECT_THAT(*ListCheckpoints(runs_ + "/first/checkpoints"), ElementsAre(0));

  welcome.mutable_welcome()->mutable_options()->set_run_name("second");
  peer().Greet(welcome);
  v1::LearnResponse over;
  over.mutable_dismissal()->set_reason(v1::Dismissal::REASON_RUN_OVER);
  over.mutable_dismissal()->mutable_come_again()->set_nanos(1);
  peer().Send(over);
  EXPECT_TRUE(AwaitAnswer().has_ready());
  EXPECT_THAT(*ListCheckpoints(runs_ + "/second/checkpoints"), ElementsAre(0));
}

TEST_F(LearnerLoopTest, GoesToNoFolderOutsideThatOfTheRuns) {
  runs_ = run_dir_ + "/runs";
  v1::LearnResponse welcome;
  FillWelcome(kTestRun, TestRun(), welcome.mutable_welcome());
  welcome.mutable_welcome()->mutable_options()->set_run_name("../outside");
  peer().Greet(welcome);
  Start();
  const v1::LearnRequest answer = AwaitAnswer();
  EXPECT_TRUE(answer.update_failed().fatal());
  EXPECT_THAT(answer.update_failed().message(), HasSubstr("../outside"));
  EXPECT_FALSE(std::filesystem::exists(run_dir_ + "/outside"));
}

TEST_F(LearnerLoopTest, EndsWithTheReasonWhenItDoesNotFit) {
  v1::LearnResponse unfit;
  unfit.mutable_dismissal()->set_reason(v1::Dismissal::REASON_UNFIT);
  unfit.mutable_dismissal()->set_message("protocol 2 is needed");
  peer().Greet(unfit);
  Start();
  const absl::Status status = AwaitEnd();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(), "protocol 2 is needed");
}

TEST_F(LearnerLoopTest, DrainDoesNotWaitForeverForAnUpdate) {
  Start();
  AwaitAnswer();
  control_.Hold(true);
  peer().Send(PushAll(1));
  control_.AwaitHeld();
  learner_->Stop();
  EXPECT_TRUE(AwaitEnd().ok());
  EXPECT_FALSE(learner_->Drain(absl::Milliseconds(1)));
  control_.Hold(false);
  EXPECT_TRUE(learner_->Drain(kTestDeadline));
}

TEST(MakeTrainerOptionsTest, FollowsTheRunsOptions) {
  v1::RunOptions options;
  options.set_policy_hidden_sizes("64, 32");
  options.set_activation("relu");
  options.set_include_neighbor_features(false);
  options.set_seed(7);
  options.set_batch_size(100);
  auto trainer = MakeTrainerOptions(options, 3);
  ASSERT_TRUE(trainer.ok());
  EXPECT_THAT(trainer->hidden_sizes, ElementsAre(64, 32));
  EXPECT_EQ(trainer->activation, Activation::kRelu);
  EXPECT_EQ(trainer->obs_dim, 11);
  EXPECT_EQ(trainer->seed, 7u);
  EXPECT_EQ(trainer->batch_size, 100);
  EXPECT_EQ(trainer->n_epochs, 10);
  EXPECT_EQ(trainer->threads, 3);
  options.set_policy_hidden_sizes("64,wide");
  EXPECT_THAT(MakeTrainerOptions(options, 3).status().message(), HasSubstr("\"wide\""));
  options.set_policy_hidden_sizes("64");
  options.set_activation("gelu");
  EXPECT_THAT(MakeTrainerOptions(options, 3).status().message(), HasSubstr("gelu"));
}

}  // namespace
}  // namespace shoal
