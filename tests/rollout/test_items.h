// Small rollout items, and policies that are easy to predict.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "actor/policy/backend.h"
#include "actor/rollout/rollout.h"
#include "gtest/gtest.h"
#include "shoal/v1/config.pb.h"
#include "shoal/v1/items.pb.h"
#include "tests/policy/random_policy.h"

namespace shoal {

inline v1::RunOptions TestOptions() {
  v1::RunOptions options;
  options.set_seed(7);
  options.set_n_steps(48);
  options.set_episode_limit(40);
  options.set_train_fish_per_env(0);
  options.set_reward("survival");
  options.set_include_neighbor_features(false);
  return options;
}

inline v1::RolloutItem TestItem(int64_t iteration, int first_environment, int environments,
                                int num_fish) {
  v1::RolloutItem item;
  item.mutable_plan()->set_iteration(iteration);
  item.mutable_plan()->set_phase(1);
  item.mutable_plan()->set_num_fish(num_fish);
  item.mutable_plan()->set_escape_boost_speed(0.75);
  item.mutable_plan()->set_fresh_episodes(iteration == 1);
  item.set_shard(first_environment);
  item.set_first_environment(first_environment);
  item.set_policy_sha256("a policy");
  for (int i = 0; i < environments; ++i) item.add_environments();
  return item;
}

inline std::unique_ptr<PolicyBackend> TestBackend(bool neighbors = false) {
  absl::StatusOr<std::unique_ptr<PolicyBackend>> backend =
      CreateFusedBackend(RandomPolicy({16}, neighbors, Activation::kTanh, 3));
  EXPECT_TRUE(backend.ok()) << backend.status();
  return *std::move(backend);
}

inline RolloutResult Compute(const v1::RunOptions& options, const v1::RolloutItem& item,
                             PolicyBackend& backend) {
  absl::StatusOr<RolloutResult> result = ComputeRollout(options, item, backend);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *std::move(result) : RolloutResult{};
}

inline v1::ShardState StateOf(const v1::RolloutRecord& record) {
  v1::ShardState state;
  EXPECT_TRUE(state.ParseFromString(record.next_state()));
  return state;
}

// A policy that always takes one action (with probability 1 - 4e-9) and values every observation as
// `value` says.
class ConstantBackend : public PolicyBackend {
 public:
  using Value = std::function<float(const float*)>;
  ConstantBackend(int obs_dim, int action, Value value)
      : obs_dim_(obs_dim), action_(action), value_(std::move(value)) {}

  void Logits(const float*, int64_t rows, float* logits) override {
    ++logits_calls;
    for (int64_t i = 0; i < rows * 5; ++i) logits[i] = i % 5 == action_ ? 20.0f : 0.0f;
  }
  void Values(const float* observations, int64_t rows, float* values) override {
    for (int64_t i = 0; i < rows; ++i) values[i] = value_(observations + i * obs_dim_);
  }
  std::string kernel_id() const override { return "constant"; }

  int logits_calls = 0;

 private:
  const int obs_dim_;
  const int action_;
  const Value value_;
};

}  // namespace shoal
