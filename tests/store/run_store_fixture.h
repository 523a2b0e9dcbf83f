// A run.db in a temporary folder, and what a test writes into it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/hash.h"
#include "coordinator/store/run_store.h"
#include "tests/store/temporary_folder.h"

namespace shoal {

inline const std::string kPolicy0(64, '0');

inline std::string PolicyOf(int64_t version) { return Sha256Hex(std::to_string(version)); }
inline absl::Time At(int64_t micros) { return absl::FromUnixMicros(1767225600000000 + micros); }

inline v1::IterationPlan PlanOf(int64_t iteration) {
  v1::IterationPlan plan;
  plan.set_iteration(iteration);
  plan.set_num_fish(15);
  plan.set_policy_version(iteration - 1);
  plan.set_density_penalty_coef(0.1 * static_cast<double>(iteration));
  return plan;
}

inline v1::RolloutRecord RecordOf(int64_t iteration, int32_t shard) {
  v1::RolloutRecord record;
  record.set_iteration(iteration);
  record.set_shard(shard);
  record.set_policy_sha256(PolicyOf(iteration - 1));
  record.set_next_state("state " + std::to_string(iteration) + "/" + std::to_string(shard));
  record.add_episodes()->set_length(17);
  return record;
}

inline ShardResult ShardOf(int64_t iteration, int32_t shard) {
  v1::RolloutRecord record = RecordOf(iteration, shard);
  const std::string xxh3 = Xxh3_128Hex(record.SerializeAsString());
  record.clear_next_state();
  return {shard, record.SerializeAsString(), xxh3, "actor-1"};
}

using States = std::vector<std::string>;

inline LeaseRow LeaseOf(uint64_t fencing, std::string outcome) {
  return {fencing, "rollout", 1, 0, "actor-1", At(1), At(2), std::move(outcome)};
}

inline IterationCommit CommitOf(int64_t iteration) {
  IterationCommit commit;
  commit.iteration = iteration;
  commit.policy_sha256 = PolicyOf(iteration);
  commit.measurements = "{\"iteration\": " + std::to_string(iteration) + "}";
  commit.planner_state = "planner " + std::to_string(iteration);
  commit.shards = {ShardOf(iteration, 0), ShardOf(iteration, 1)};
  commit.states = std::make_shared<const States>(
      States{RecordOf(iteration, 0).next_state(), RecordOf(iteration, 1).next_state()});
  commit.tail_used = {iteration, 2 * iteration};
  commit.leases = {LeaseOf(static_cast<uint64_t>(iteration), "done")};
  commit.committed_at = At(1000 * iteration);
  return commit;
}

inline RunInfo InfoOf(const std::string& name) {
  RunInfo info;
  info.id = "id-1";
  info.name = name;
  info.options = "seed: 3\n";
  info.build = "0.1.0";
  info.created_at = At(0);
  return info;
}

class RunStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    auto store = RunStore::Create(path(), InfoOf("run"));
    ASSERT_TRUE(store.ok()) << store.status();
    store_.emplace(*std::move(store));
  }
  std::string path() const { return folder_.Path("run.db"); }
  void Reopen() {
    store_.reset();
    auto store = RunStore::Open(path());
    ASSERT_TRUE(store.ok()) << store.status();
    store_.emplace(*std::move(store));
  }
  void Commit(int64_t iteration) {
    ASSERT_TRUE(store_->SavePlan(PlanOf(iteration), "tail").ok());
    const absl::Status status = store_->CommitIteration(CommitOf(iteration));
    ASSERT_TRUE(status.ok()) << status;
  }
  int64_t Query(const std::string& sql) {
    auto database = Database::Open(path(), Database::Mode::kReadOnly);
    return *database->QueryInt(sql);
  }

  TemporaryFolder folder_;
  std::optional<RunStore> store_;
};

}  // namespace shoal
