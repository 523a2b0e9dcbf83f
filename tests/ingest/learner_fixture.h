// A learner in a thread, with a coordinator that is a stand-in and a run folder of its own.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/cancellation.h"
#include "actor/row_sender.h"
#include "common/rpc.h"
#include "learner/learner_loop.h"
#include "tests/ingest/fake_coordinator.h"
#include "tests/ingest/test_rows.h"

namespace shoal {

// The run of TestRows: 20 environments in shards of 8.
inline v1::RunOptions TestRun() {
  v1::RunOptions options;
  options.set_seed(5);
  options.set_num_envs(20);
  options.set_envs_per_shard(8);
  options.set_n_steps(64);
  options.set_curriculum("3:4");
  options.set_total_iterations(4);
  options.set_include_neighbor_features(false);
  options.set_policy_hidden_sizes("4");
  options.set_batch_size(32);
  options.set_n_epochs(2);
  options.set_policy_lag(1);
  return options;
}

class LearnerFixture : public ::testing::Test {
 protected:
  LearnerFixture() {
    run_dir_ = absl::StrCat(::testing::TempDir(), "/learner_", getpid(), "_",
                            ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(run_dir_);
    coordinator_server_ = *StartServer({}, {&coordinator_});
    Greet(0, "");
  }
  ~LearnerFixture() override {
    StopLearner();
    std::filesystem::remove_all(run_dir_);
  }

  void Greet(int64_t committed, const std::string& policy) {
    v1::LearnResponse welcome;
    FillWelcome(kTestRun, TestRun(), welcome.mutable_welcome());
    welcome.mutable_welcome()->set_committed_iteration(committed);
    welcome.mutable_welcome()->set_policy_sha256(policy);
    peer().Greet(welcome);
  }

  void StartLearner(TrainerFactory factory) {
    LearnerOptions options;
    options.coordinator = coordinator_server_->address();
    options.run_dir = runs_.empty() ? run_dir_ : "";
    options.runs = runs_;
    options.device = "a test";
    options.link.backoff_min = absl::Milliseconds(1);
    auto learner = LearnerLoop::Create(options, std::move(factory));
    ASSERT_TRUE(learner.ok()) << learner.status();
    learner_ = *std::move(learner);
    thread_ = std::thread([this] { ended_ = learner_->Run(); });
  }
  void StopLearner() {
    if (learner_ != nullptr) learner_->Stop();
    if (thread_.joinable()) thread_.join();
    learner_ = nullptr;
  }
  absl::Status AwaitEnd() {
    thread_.join();
    return ended_;
  }

  // Takes hello and the answer to the welcome.
  v1::LearnRequest AwaitAnswer() {
    v1::LearnRequest hello = peer().Next();
    EXPECT_TRUE(hello.has_hello()) << hello.ShortDebugString();
    hello_ = hello.hello();
    return peer().Next();
  }

  // Pushes all three shards of an iteration and makes the message that begins its update.
  v1::LearnResponse PushAll(int64_t iteration) {
    v1::LearnResponse begin = Begin(iteration);
    const auto stub = v1::RowService::NewStub(*ConnectChannel(learner_->address()));
    const Cancellation never;
    for (const int shard : {2, 0, 1}) {
      const Rows rows = ShardRows(iteration, shard);
      const auto session = PushRows(*stub, TestHeader(iteration, shard, rows), rows, never);
      EXPECT_TRUE(session.ok()) << session.status();
      EXPECT_EQ(session.value_or(""), hello_.session());
    }
    return begin;
  }
  static v1::LearnResponse Begin(int64_t iteration) {
    v1::LearnResponse response;
    v1::BeginUpdate* begin = response.mutable_begin_update();
    begin->mutable_plan()->set_iteration(iteration);
    begin->mutable_plan()->set_learning_rate(1e-3);
    begin->mutable_plan()->set_entropy_coef(0.01);
    for (const int shard : {0, 1, 2}) {
      *begin->add_shards() = Expected(TestHeader(iteration, shard, ShardRows(iteration, shard)));
    }
    return response;
  }
  static Rows ShardRows(int64_t iteration, int shard) {
    Rows rows = TestRows(shard, shard == 2 ? 4 : 8, 8, static_cast<float>(iteration));
    // Numbers of the size that training has.
    for (float& value : rows.observations) value = value * 1e-6f;
    for (float& value : rows.advantages) value = value * 1e-5f - 1;
    for (float& value : rows.returns) value = value * 1e-5f - 1;
    return rows;
  }

  FakeLearnerPeer& peer() { return coordinator_.peer; }
  std::string checkpoints() const { return run_dir_ + "/checkpoints"; }

  std::string run_dir_;
  // Not empty: the folder of all runs, instead.
  std::string runs_;
  FakeLearnerService coordinator_;
  std::unique_ptr<RpcServer> coordinator_server_;
  std::unique_ptr<LearnerLoop> learner_;
  std::thread thread_;
  absl::Status ended_;
  v1::LearnerHello hello_;
};

}  // namespace shoal
