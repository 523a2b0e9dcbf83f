// A learner with its real trainer: rows in over gRPC, a checkpoint out, and the same after a
// restart.
#include <gtest/gtest.h>

#include <string>

#include "actor/policy/weights.h"
#include "learner/checkpoint/checkpoint.h"
#include "tests/ingest/learner_fixture.h"

namespace shoal {
namespace {

using LearnerUpdateTest = LearnerFixture;

TEST_F(LearnerUpdateTest, LearnsAndRepeatsItselfToTheBit) {
  StartLearner(PpoTrainer::Create);
  v1::LearnRequest answer = AwaitAnswer();
  ASSERT_TRUE(answer.has_ready()) << answer.ShortDebugString();
  const std::string zero = answer.ready().policy_sha256();

  peer().Send(PushAll(1));
  answer = peer().Next();
  ASSERT_TRUE(answer.has_update_done()) << answer.ShortDebugString();
  const v1::UpdateDone first = answer.update_done();
  EXPECT_EQ(first.stats().rows(), 160);
  EXPECT_EQ(first.stats().minibatches(), 2 * 5);
  EXPECT_EQ(first.stats().skipped_minibatches(), 0);
  EXPECT_GT(first.stats().entropy(), 1.0);
  EXPECT_NE(first.policy_sha256(), zero);
  const auto checkpoint = ReadCheckpoint(checkpoints(), 1, first.policy_sha256());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  const auto weights = ParsePolicy(checkpoint->policy);
  ASSERT_TRUE(weights.ok()) << weights.status();
  EXPECT_EQ(weights->obs_dim, 11);
  EXPECT_EQ(weights->policy.size(), 2u);

  peer().Send(PushAll(2));
  const std::string second = peer().Next().update_done().policy_sha256();
  ASSERT_FALSE(second.empty());

  StopLearner();
  Greet(1, first.policy_sha256());
  StartLearner(PpoTrainer::Create);
  ASSERT_TRUE(AwaitAnswer().has_ready());
  peer().Send(PushAll(2));
  EXPECT_EQ(peer().Next().update_done().policy_sha256(), second);
}

}  // namespace
}  // namespace shoal
