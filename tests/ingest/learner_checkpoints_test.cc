// What the learner's loop begins from, keeps and gives out of its checkpoints.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "common/files.h"
#include "common/hash.h"
#include "learner/checkpoint/checkpoint.h"
#include "learner/learner_loop.h"
#include "tests/common/temporary_directory.h"
#include "tests/ingest/learner_loop_fixture.h"

namespace shoal {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(LearnerLoopTest, ComesBackFromItsCheckpointWithoutOldRows) {
  Start();
  AwaitAnswer();
  const std::string policy = Learn(1);
  PushAll(2);
  const std::string session = hello_.session();

  Greet(1, policy);
  peer().Break();
  v1::LearnRequest answer = AwaitAnswer();
  EXPECT_NE(hello_.session(), session);
  EXPECT_EQ(hello_.device(), "a stand-in");
  ASSERT_TRUE(answer.has_ready()) << answer.ShortDebugString();
  EXPECT_EQ(answer.ready().iteration(), 1);
  EXPECT_EQ(answer.ready().policy_sha256(), policy);
  peer().Send(Begin(2));
  answer = peer().Next();
  ASSERT_TRUE(answer.has_update_failed());
  EXPECT_THAT(answer.update_failed().missing_shards(), ElementsAre(0, 1, 2));
  const std::string second = Learn(2);

  // Another process goes on from the first version, and gets to the same second one.
  StopLearner();
  Start();
  answer = AwaitAnswer();
  ASSERT_TRUE(answer.has_ready()) << answer.ShortDebugString();
  EXPECT_EQ(Learn(2), second);
}

TEST_F(LearnerLoopTest, GoesBackToTheCommittedIteration) {
  Start();
  const std::string first = AwaitAnswer().ready().policy_sha256();
  const std::string second = Learn(1);
  // Iteration 1 was learned, but the coordinator died before it committed it.
  Greet(0, first);
  peer().Break();
  const v1::LearnRequest answer = AwaitAnswer();
  ASSERT_TRUE(answer.has_ready()) << answer.ShortDebugString();
  EXPECT_EQ(answer.ready().iteration(), 0);
  EXPECT_EQ(Learn(1), second);
}

TEST_F(LearnerLoopTest, RefusesACheckpointOfAnotherHash) {
  Start();
  const std::string found = AwaitAnswer().ready().policy_sha256();
  const std::string expected(64, 'a');
  Greet(0, expected);
  peer().Break();
  v1::LearnRequest answer = AwaitAnswer();
  ASSERT_TRUE(answer.has_checkpoint_damaged()) << answer.ShortDebugString();
  EXPECT_THAT(answer.checkpoint_damaged().message(), AllOf(HasSubstr(expected), HasSubstr(found)));
  // Nothing can be learned from nothing.
  peer().Send(Begin(1));
  EXPECT_TRUE(peer().Next().update_failed().fatal());
  // A coordinator that knows better finds it as it was.
  Greet(0, found);
  peer().Break();
  EXPECT_TRUE(AwaitAnswer().has_ready());
}

TEST_F(LearnerLoopTest, NamesTheCheckpointsThatAreWholeAndBeginsFromTheOneItIsGiven) {
  Start();
  const std::string zero = AwaitAnswer().ready().policy_sha256();
  const std::string one = Learn(1), two = Learn(2);
  // A bit of the committed one flips.
  const std::string path = checkpoints() + "/iter_2/optimizer.safetensors";
  std::string bytes = *ReadFile(path);
  bytes[bytes.size() / 2] ^= 4;
  ASSERT_TRUE(WriteFileAtomically(path, bytes).ok());
  Greet(2, two);
  peer().Break();
  const v1::LearnRequest answer = AwaitAnswer();
  ASSERT_TRUE(answer.has_checkpoint_damaged()) << answer.ShortDebugString();
  EXPECT_EQ(answer.checkpoint_damaged().iteration(), 2);
  EXPECT_THAT(answer.checkpoint_damaged().message(), HasSubstr(path));
  ASSERT_EQ(answer.checkpoint_damaged().intact_size(), 2);
  EXPECT_EQ(answer.checkpoint_damaged().intact(0).policy_sha256(), zero);
  EXPECT_EQ(answer.checkpoint_damaged().intact(1).policy_sha256(), one);
  // On the same stream.
  v1::LearnResponse welcome;
  FillWelcome(kTestRun, TestRun(), welcome.mutable_welcome());
  welcome.mutable_welcome()->set_committed_iteration(1);
  welcome.mutable_welcome()->set_policy_sha256(one);
  peer().Send(welcome);
  const v1::LearnRequest again = peer().Next();
  ASSERT_TRUE(again.has_ready()) << again.ShortDebugString();
  EXPECT_EQ(again.ready().iteration(), 1);
  EXPECT_EQ(Learn(2), two) << "over the damaged one";
}

TEST_F(LearnerLoopTest, WhatIsNeededBesideMustBeWholeToo) {
  Start();
  ASSERT_TRUE(AwaitAnswer().has_ready());
  const std::string one = Learn(1), two = Learn(2);
  v1::LearnResponse retain;
  retain.mutable_retain()->set_committed_iteration(2);
  retain.mutable_retain()->add_iterations(1);
  retain.mutable_retain()->set_best_iteration(1);
  peer().Send(retain);
  EXPECT_EQ(peer().Next().retained().best_iteration(), 1);
  const std::string path = checkpoints() + "/iter_1/policy.safetensors";
  std::string bytes = *ReadFile(path);
  bytes[bytes.size() / 2] ^= 4;
  ASSERT_TRUE(WriteFileAtomically(path, bytes).ok());
  v1::LearnResponse welcome;
  FillWelcome(kTestRun, TestRun(), welcome.mutable_welcome());
  welcome.mutable_welcome()->set_committed_iteration(2);
  welcome.mutable_welcome()->set_policy_sha256(two);
  v1::CheckpointName* needed = welcome.mutable_welcome()->add_needed();
  needed->set_iteration(1);
  needed->set_policy_sha256(one);
  // The best one is a copy of it, and stays that although it cannot be made again.
  peer().Send(welcome);
  ASSERT_TRUE(peer().Next().has_ready());
  peer().Send(retain);
  const v1::LearnRequest kept = peer().Next();
  EXPECT_EQ(kept.retained().best_iteration(), 1) << kept.ShortDebugString();
  // Without that copy it is lost.
  std::filesystem::remove_all(checkpoints() + "/best");
  peer().Send(welcome);
  const v1::LearnRequest answer = peer().Next();
  ASSERT_TRUE(answer.has_checkpoint_damaged()) << answer.ShortDebugString();
  EXPECT_EQ(answer.checkpoint_damaged().iteration(), 2);
  EXPECT_THAT(answer.checkpoint_damaged().message(), AllOf(HasSubstr("iter_1"), HasSubstr(one)));
  // A best that cannot be had is said to be none.
  peer().Send(retain);
  const v1::LearnRequest lost = peer().Next();
  EXPECT_EQ(lost.retained().best_iteration(), 0);
  EXPECT_THAT(lost.retained().message(), HasSubstr("iter_1"));
}

TEST_F(LearnerLoopTest, KeepsWhatItIsToldTo) {
  Start();
  const std::string zero = AwaitAnswer().ready().policy_sha256();
  const std::string one = Learn(1);
  Learn(2);
  const std::string three = Learn(3);
  v1::LearnResponse retain;
  retain.mutable_retain()->set_committed_iteration(2);
  retain.mutable_retain()->add_iterations(2);
  retain.mutable_retain()->set_best_iteration(1);
  peer().Send(retain);
  const v1::LearnRequest answer = peer().Next();
  ASSERT_TRUE(answer.has_retained()) << answer.ShortDebugString();
  EXPECT_EQ(answer.retained().message(), "");
  // Iteration 3 is newer than what is committed.
  EXPECT_THAT(*ListCheckpoints(checkpoints()), ElementsAre(2, 3));
  const auto best = ReadBestCheckpoint(checkpoints());
  ASSERT_TRUE(best.ok()) << best.status();
  EXPECT_EQ(best->iteration, 1);
  EXPECT_EQ(Sha256Hex(best->policy), one);

  EXPECT_EQ(*FindPolicyOnDisk(run_dir_, one), best->policy);
  EXPECT_EQ(Sha256Hex(*FindPolicyOnDisk(run_dir_, three)), three);
  EXPECT_EQ(FindPolicyOnDisk(run_dir_, zero).status().code(), absl::StatusCode::kNotFound);
}

TEST(FindPolicyOnDiskTest, LeadsOutOfNoRun) {
  const TemporaryDirectory place;
  const std::string secret = "secret";
  std::filesystem::create_directories(place / "elsewhere");
  std::filesystem::create_directories(place / "run/checkpoints");
  Spill(place / "elsewhere/policy.safetensors", secret);
  std::filesystem::create_directory_symlink(place / "elsewhere", place / "run/checkpoints/iter_1");
  std::filesystem::create_directory_symlink(place / "elsewhere", place / "run/checkpoints/best");
  // Also to one who knows what it leads to.
  for (const std::string& name :
       {Sha256Hex(secret), std::string(".."), place / "elsewhere/policy.safetensors",
        std::string("../../elsewhere/policy.safetensors"), std::string("iter_1"), std::string(64, '\0')}) {
    EXPECT_EQ(FindPolicyOnDisk(place / "run", name).status().code(), absl::StatusCode::kNotFound);
  }
}

TEST_F(LearnerLoopTest, PutsCheckpointsInOrderAfterTheEnd) {
  Start();
  AwaitAnswer();
  Learn(1);
  control_.Hold(true);
  peer().Send(PushAll(2));
  control_.AwaitHeld();
  v1::LearnResponse message;
  message.mutable_retain()->set_committed_iteration(1);
  message.mutable_retain()->set_best_iteration(1);
  peer().Send(message);
  message.mutable_dismissal()->set_reason(v1::Dismissal::REASON_RUN_OVER);
  peer().Send(message);
  EXPECT_TRUE(AwaitEnd().ok());
  control_.Hold(false);
  EXPECT_TRUE(learner_->Drain(kTestDeadline));
  EXPECT_THAT(*ListCheckpoints(checkpoints()), ElementsAre(1));
  EXPECT_TRUE(ReadBestCheckpoint(checkpoints()).ok());
}

}  // namespace
}  // namespace shoal
