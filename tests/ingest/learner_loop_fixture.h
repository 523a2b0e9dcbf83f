// A learner's loop whose trainer is a stand-in, so that tests can hold an update up or let it fail.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "actor/policy/weights.h"
#include "tests/ingest/learner_fixture.h"

namespace shoal {

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

}  // namespace shoal
