// One iteration's rollouts: which shards have a record, and whether the learner has their rows.
//
// Records outlive the learner that got their rows: after a learner restart the shards are computed
// once more, and the records that come back must equal the ones that are here.
// Pure; not thread safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "shoal/v1/items.pb.h"
#include "shoal/v1/learner.pb.h"

namespace shoal {

// Serialized ShardStates in shard order: what one iteration's shards come to, the next one's begin from.
using ShardStateList = std::shared_ptr<const std::vector<std::string>>;

struct ShardEntry {
  // XXH3-128 (hex) of the serialized RolloutRecord; empty: none yet.
  std::string record_xxh3;
  // The record without its next_state, serialized.
  std::string record;
  // Name, build and CPU of the worker whose record this is.
  std::string worker;
  // Session of the learner that has the rows.
  std::string learner_session;
};

class RolloutBoard {
 public:
  enum class Verdict { kFirst, kRepeated, kMismatch };

  // shard_states: one for each shard, or null where there are none yet.
  RolloutBoard(v1::IterationPlan plan, std::vector<v1::EnvironmentPlan> environments,
               ShardStateList shard_states, std::string policy_sha256, int envs_per_shard);

  const v1::IterationPlan& plan() const { return plan_; }
  int shards() const { return static_cast<int>(results_.size()); }

  // The item of one shard.
  v1::RolloutItem Item(int shard) const;

  // Takes a record in; `bytes`: as it came. kMismatch: one with other bytes is there; that one stays.
  Verdict Accept(int shard, const std::string& bytes, v1::RolloutRecord record,
                 const std::string& worker, const std::string& learner_session);

  const ShardEntry& result(int shard) const { return results_[shard]; }
  int done() const { return done_; }
  // Every shard has a record.
  bool complete() const { return done_ == shards(); }
  // Shards whose rows this learner session does not have (or that have no record).
  std::vector<int> MissingRows(const std::string& learner_session) const;
  // The rows of another record stand for this shard's; the record stays otherwise.
  void AdoptRows(int shard, const v1::RolloutRecord& record, const std::string& learner_session);
  // Forgets where the rows of a shard are.
  void ForgetRows(int shard) { results_[shard].learner_session.clear(); }

  // All records in shard order, without next_state; an empty one where there is none yet.
  const std::vector<v1::RolloutRecord>& records() const { return records_; }
  // Takes the shards' next states out, in order.
  ShardStateList TakeNextStates();
  v1::BeginUpdate UpdateOrder() const;

 private:
  v1::IterationPlan plan_;
  std::vector<v1::EnvironmentPlan> environments_;
  ShardStateList shard_states_;
  std::string policy_sha256_;
  int envs_per_shard_;
  std::vector<ShardEntry> results_;
  std::vector<v1::RolloutRecord> records_;
  std::vector<std::string> next_states_;
  int done_ = 0;
};

}  // namespace shoal
