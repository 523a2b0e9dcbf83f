// The learner's conversation with a coordinator. What learns is a stand-in, so that tests can hold
// an update up or let it fail; learner_update_test.cc has the real one.
#include "learner/learner_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "actor/policy/weights.h"
#include "actor/policy_cache.h"
#include "common/files.h"
#include "common/hash.h"
#include "learner/checkpoint/checkpoint.h"
#include "tests/common/temporary_directory.h"
#include "tests/ingest/learner_fixture.h"

namespace shoal {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What the test decides about updates.
struct Control {
  void Hold(bool hold) {
    absl::MutexLock lock(&mutex);
    held = hold;
  }
  void AwaitHeld() {
    absl::MutexLock lock(&mutex);
    EXPECT_TRUE(mutex.AwaitWithTimeout(absl::Condition(&waiting), kTestDeadline));
  }
  void WaitWhileHeld() {
    absl::MutexLock lock(&mutex);
    waiting = held;
    EXPECT_TRUE(mutex.AwaitWithTimeout(absl::Condition(
                                           +[](bool* flag) { return !*flag; }, &held),
                                       kTestDeadline));
    waiting = false;
  }

  absl::Mutex mutex;
  bool held = false;
  bool waiting = false;
  absl::Status update_status;
};

// Adds an advantage to a bias with each update: enough to tell versions and orders of rows apart.
class FakeTrainer final : public PpoTrainer {
 public:
  FakeTrainer(const TrainerOptions& options, Control* control) : control_(control) {
    const auto layer = [](int in, int out) {
      return DenseLayer{in, out, std::vector<float>(in * out, 0.25f), std::vector<float>(out)};
    };
    weights_.obs_dim = options.obs_dim;
    weights_.include_neighbor_features = options.include_neighbor_features;
    weights_.policy = {layer(options.obs_dim, kPolicyActions)};
    weights_.value = {layer(options.obs_dim, 1)};
  }

  absl::StatusOr<UpdateStats> Update(const RowBatch& batch, const UpdateOptions& options) override {
    control_->WaitWhileHeld();
    if (!control_->update_status.ok()) return control_->update_status;
    weights_.policy[0].bias[0] += batch.advantages.back() + static_cast<float>(options.iteration);
    ++steps_;
    UpdateStats stats;
    stats.rows = batch.rows;
    stats.learning_rate = options.learning_rate;
    return stats;
  }
  PolicyWeights Weights() const override { return weights_; }
  std::string OptimizerState() const override { return absl::StrCat(steps_); }
  absl::Status Restore(const PolicyWeights& weights, std::string_view optimizer) override {
    weights_ = weights;
    if (absl::SimpleAtoi(absl::string_view(optimizer.data(), optimizer.size()), &steps_)) {
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError("no optimizer state");
  }
  std::string device_description() const override { return "a stand-in"; }

 private:
  Control* const control_;
  PolicyWeights weights_;
  int steps_ = 0;
};

class LearnerLoopTest : public LearnerFixture {
 protected:
  ~LearnerLoopTest() override { StopLearner(); }

  void Start() {
    StartLearner([this](const TrainerOptions& options) {
      return absl::StatusOr<std::unique_ptr<PpoTrainer>>(
          std::make_unique<FakeTrainer>(options, &control_));
    });
  }
  // An update without trouble; returns its policy.
  std::string Learn(int64_t iteration) {
    peer().Send(PushAll(iteration));
    const v1::LearnRequest answer = peer().Next();
    EXPECT_TRUE(answer.has_update_done()) << answer.ShortDebugString();
    return answer.update_done().policy_sha256();
  }

  Control control_;
};

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
