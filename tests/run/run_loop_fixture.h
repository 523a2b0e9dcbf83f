// A run in a temporary folder, its loop, and what peers do in a test: no threads, no clock.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/files.h"
#include "common/options.h"
#include "coordinator/run/run_loop.h"
#include "coordinator/schedule/options.h"
#include "tests/run/fakes.h"

namespace shoal {

class RunLoopTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/run-loop-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    Configure("");
  }
  void TearDown() override {
    loop_.reset();
    std::filesystem::remove_all(folder_);
  }

  // Options of text format, which win over the test's own.
  void Configure(const std::string& more) {
    auto options = ParseOptions(
        "run_name: 'test' curriculum: '9:4' num_envs: 6 envs_per_shard: 2 n_steps: 5 "
        "multi_eval_interval: 2 multi_eval_probe_episodes: 2 eval_multi_fish: 3 gate_delay: 0 "
        "skip_final_eval: true checkpoint_interval: 3", "test");
    ASSERT_TRUE(options.ok()) << options.status();
    const auto others = ParseOptions(more, "test");
    ASSERT_TRUE(others.ok()) << others.status();
    options->MergeFrom(*others);
    ASSERT_TRUE(ResolveOptions(*options).ok());
    ASSERT_TRUE(WriteFileAtomically(folder_ + "/config.textproto", WriteOptions(*options, "")).ok());
  }
  void Open() {
    loop_.reset();
    RunLoopOptions options = more_;
    options.run_dir = folder_;
    options.lease_time = absl::Seconds(10);
    auto loop = RunLoop::Open(options, now_);
    ASSERT_TRUE(loop.ok()) << loop.status();
    loop_ = *std::move(loop);
  }
  WorkerId Arrive(FakeWorker& worker, const std::string& kernel = "kernel",
                  const std::string& name = "worker", int32_t leases = 0) {
    v1::WorkerHello hello;
    hello.set_name(name);
    hello.set_kernel_id(kernel);
    hello.set_leases(leases);
    hello.set_protocol(v1::PROTOCOL_CURRENT);
    auto id = loop_->WorkerArrived(hello, &worker, now_);
    EXPECT_TRUE(id.ok()) << id.status();
    return id.ok() ? *id : 0;
  }
  void Arrive(FakeLearner& learner, const std::string& session) {
    v1::LearnerHello hello;
    hello.set_protocol(v1::PROTOCOL_CURRENT);
    hello.set_session(session);
    hello.set_address("learner");
    ASSERT_TRUE(loop_->LearnerArrived(hello, &learner, now_).ok());
    v1::LearnRequest ready;
    const int64_t committed = learner.welcome.committed_iteration();
    ready.mutable_ready()->set_iteration(committed);
    ready.mutable_ready()->set_policy_sha256(FakePolicy(committed));
    loop_->OnLearnerMessage(&learner, ready, now_);
  }
  // The worker answers all of its leases, and those that follow.
  void Work(WorkerId id, FakeWorker& worker, const std::string& session) {
    while (!worker.leases.empty()) {
      const v1::Lease lease = worker.leases.front();
      worker.leases.erase(worker.leases.begin());
      loop_->OnWorkerMessage(id, Answer(lease, session), now_);
    }
  }
  static v1::WorkRequest Answer(const v1::Lease& lease, const std::string& session) {
    v1::WorkRequest message;
    v1::WorkResult* result = message.mutable_result();
    result->set_fencing(lease.fencing());
    if (lease.has_rollout()) {
      result->set_rollout(FakeRecord(lease.rollout()).SerializeAsString());
      result->set_learner_session(session);
    } else {
      result->set_evaluation(FakeEpisode(lease.evaluation()).SerializeAsString());
    }
    return message;
  }
  void Learn(FakeLearner& learner) {
    ASSERT_FALSE(learner.updates.empty());
    const int64_t iteration = learner.updates.back().plan().iteration();
    learner.updates.clear();
    v1::LearnRequest message;
    message.mutable_update_done()->set_iteration(iteration);
    message.mutable_update_done()->set_policy_sha256(FakePolicy(iteration));
    loop_->OnLearnerMessage(&learner, message, now_);
  }
  // The learner answers what it was told to keep.
  void Retain(FakeLearner& learner) {
    for (; learner.retains > 0; --learner.retains) {
      v1::LearnRequest message;
      message.mutable_retained()->set_best_iteration(learner.retain.best_iteration());
      loop_->OnLearnerMessage(&learner, message, now_);
    }
  }
  int64_t Committed() { return loop_->Status(now_).committed_iteration(); }

  std::string folder_;
  absl::Time now_ = absl::UnixEpoch() + absl::Hours(1);
  // For Open.
  RunLoopOptions more_;
  std::unique_ptr<RunLoop> loop_;
};

}  // namespace shoal
