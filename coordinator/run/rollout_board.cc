#include "coordinator/run/rollout_board.h"

#include <algorithm>
#include <utility>

#include "common/hash.h"

namespace shoal {

RolloutBoard::RolloutBoard(v1::IterationPlan plan, std::vector<v1::EnvironmentPlan> environments,
                           ShardStateList shard_states, std::string policy_sha256,
                           int envs_per_shard)
    : plan_(std::move(plan)),
      environments_(std::move(environments)),
      shard_states_(std::move(shard_states)),
      policy_sha256_(std::move(policy_sha256)),
      envs_per_shard_(envs_per_shard) {
  results_.resize((environments_.size() + envs_per_shard_ - 1) / envs_per_shard_);
  records_.resize(results_.size());
  next_states_.resize(results_.size());
}

v1::RolloutItem RolloutBoard::Item(int shard) const {
  v1::RolloutItem item;
  *item.mutable_plan() = plan_;
  item.set_shard(shard);
  const size_t first = static_cast<size_t>(shard) * envs_per_shard_;
  const size_t end = std::min(first + envs_per_shard_, environments_.size());
  item.set_first_environment(static_cast<int32_t>(first));
  item.set_policy_sha256(policy_sha256_);
  if (shard_states_ != nullptr) item.set_state((*shard_states_)[shard]);
  for (size_t e = first; e < end; ++e) *item.add_environments() = environments_[e];
  return item;
}

RolloutBoard::Verdict RolloutBoard::Accept(int shard, const std::string& bytes,
                                           v1::RolloutRecord record, const std::string& worker,
                                           const std::string& learner_session) {
  ShardEntry& result = results_[shard];
  std::string record_xxh3 = Xxh3_128Hex(bytes);
  const bool known = !result.record_xxh3.empty();
  if (known && result.record_xxh3 != record_xxh3) return Verdict::kMismatch;
  result.learner_session = learner_session;
  if (known) return Verdict::kRepeated;
  result.record_xxh3 = std::move(record_xxh3);
  next_states_[shard] = std::move(*record.mutable_next_state());
  record.clear_next_state();
  result.record = record.SerializeAsString();
  records_[shard] = std::move(record);
  result.worker = worker;
  ++done_;
  return Verdict::kFirst;
}

void RolloutBoard::AdoptRows(int shard, const v1::RolloutRecord& record,
                             const std::string& learner_session) {
  records_[shard].set_rows(record.rows());
  records_[shard].set_rows_checksum(record.rows_checksum());
  results_[shard].learner_session = learner_session;
}

std::vector<int> RolloutBoard::MissingRows(const std::string& learner_session) const {
  std::vector<int> missing;
  for (int shard = 0; shard < shards(); ++shard) {
    if (results_[shard].record_xxh3.empty() || results_[shard].learner_session != learner_session) {
      missing.push_back(shard);
    }
  }
  return missing;
}

ShardStateList RolloutBoard::TakeNextStates() {
  return std::make_shared<const std::vector<std::string>>(std::move(next_states_));
}

v1::BeginUpdate RolloutBoard::UpdateOrder() const {
  v1::BeginUpdate order;
  *order.mutable_plan() = plan_;
  for (int shard = 0; shard < shards(); ++shard) {
    v1::ShardRows* rows = order.add_shards();
    rows->set_shard(shard);
    rows->set_rows(records_[shard].rows());
    rows->set_rows_checksum(records_[shard].rows_checksum());
  }
  return order;
}

}  // namespace shoal
