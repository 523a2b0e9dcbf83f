#include "coordinator/run/training.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/logging.h"
#include "nlohmann/json.hpp"

namespace shoal {
namespace {

// The measurements with the orders that acted on the iteration, where there were any.
std::string MeasurementsText(const IterationMeasurements& measurements,
                             const std::vector<v1::Order>& acting) {
  nlohmann::ordered_json json = ToJson(measurements);
  for (const v1::Order& order : acting) json["orders"].push_back(OrderText(order));
  return json.dump();
}

}  // namespace

Training::Training(const v1::RunOptions& options, Planner* planner, SharedStore store,
                   LeaseTable* leases, OrderBook* orders)
    : options_(options),
      planner_(planner),
      store_(std::move(store)),
      leases_(leases),
      orders_(orders) {}

std::optional<std::string> Training::PolicyHash(int64_t version) const {
  auto found = policy_sha256_.find(version);
  if (found == policy_sha256_.end()) return std::nullopt;
  return found->second;
}

absl::Status Training::Restore() {
  auto last = store_->LastCommitted();
  if (!last.ok()) return last.status();
  if (last->policy_sha256.empty()) return absl::OkStatus();
  committed_ = planned_ = last->iteration;
  for (int64_t v = std::max<int64_t>(0, committed_ - options_.policy_lag()); v <= committed_; ++v) {
    auto hash = store_->PolicySha256(v);
    if (!hash.ok()) return hash.status();
    policy_sha256_[v] = *std::move(hash);
  }
  auto last_plan = store_->LastPlan();
  if (!last_plan.ok()) return last_plan.status();
  for (int64_t i = committed_ + 1; i <= *last_plan; ++i) {
    auto policy = store_->RewoundPolicy(i);
    if (!policy.ok()) return policy.status();
    if (!policy->empty()) rewound_[i] = *std::move(policy);
  }
  if (committed_ == 0) return absl::OkStatus();
  auto state = store_->LoadPlannerState(committed_);
  if (!state.ok()) return state.status();
  if (absl::Status status = planner_->RestoreState(*state); !status.ok()) return status;
  auto shards = store_->LoadShardStates(committed_);
  if (!shards.ok()) return shards.status();
  if (static_cast<int>(shards->size()) != planner_->num_shards()) {
    return absl::DataLossError(absl::StrCat(
        store_->path(), ": has states of ", shards->size(), " shards after iteration ", committed_,
        ", and the run has ", planner_->num_shards(),
        ": the file is damaged. Put a copy of it back, or start a new run"));
  }
  shard_states_ = std::make_shared<const std::vector<std::string>>(*std::move(shards));
  auto tail_used = store_->LoadTailUsed();
  if (!tail_used.ok()) return tail_used.status();
  if (*tail_used != planner_->TailUsed()) {
    return absl::DataLossError(absl::StrCat(
        store_->path(), ": the tail pointers are not those of the planner's state after iteration ",
        committed_, ": the file is damaged. Put a copy of it back, or start a new run"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<int64_t>> Training::RestorePoint(
    const std::vector<std::pair<int64_t, std::string>>& versions) const {
  std::set<int64_t> there;
  for (const auto& [version, policy_sha256] : versions) {
    if (version > committed_) continue;
    auto committed = store_->PolicySha256(version);
    if (absl::IsNotFound(committed.status())) continue;
    if (!committed.ok()) return committed.status();
    if (*committed == policy_sha256) there.insert(version);
  }
  for (auto version = there.rbegin(); version != there.rend(); ++version) {
    // The version that acts next.
    if (!there.contains(std::max<int64_t>(0, *version - options_.policy_lag()))) continue;
    if (*version == 0 || (store_->LoadPlannerState(*version).ok() &&
                          store_->LoadShardStates(*version).ok())) {
      return *version;
    }
  }
  return std::nullopt;
}

std::vector<int64_t> Training::StatesToDrop(int64_t committed) const {
  const int64_t old = committed - kKeptStates;
  // What a policy did whose checkpoint stays can be computed again, given the states before.
  const bool needed = orders_->KeepsCheckpoint(old - options_.policy_lag());
  if (old < 1 || needed) return {};
  return {old};
}

absl::Status Training::CompareWithRewound(const v1::UpdateDone& done) const {
  const auto before = rewound_.find(done.iteration());
  if (before == rewound_.end() || before->second == done.policy_sha256()) return absl::OkStatus();
  const std::string message = absl::StrCat(
      "iteration ", done.iteration(), " was computed again and came to policy ",
      done.policy_sha256(), "; before it was ", before->second,
      ". The learner's build, LibTorch, OpenBLAS or CPU is another one, or memory is unsound");
  if (options_.on_mismatch() != "warn") {
    return absl::DataLossError(absl::StrCat(message, "; --on_mismatch warn goes on regardless"));
  }
  LogError(message);
  return absl::OkStatus();
}

absl::Status Training::LearnerReady(const v1::LearnerReady& ready, const std::string& session) {
  if (committed_ < 0 && ready.iteration() == 0) {
    if (absl::Status status = store_->SetInitialPolicy(ready.policy_sha256()); !status.ok()) {
      return status;
    }
    committed_ = 0;
    policy_sha256_[0] = ready.policy_sha256();
  }
  const std::string& expected = policy_sha256_[committed_];
  if (ready.iteration() != committed_ || ready.policy_sha256() != expected) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the learner has version ", ready.iteration(), " with policy_sha256 ",
        ready.policy_sha256(), "; committed is version ", committed_, " with ", expected));
  }
  session_ = session;
  updating_ = 0;
  for (auto& [iteration, flight] : flights_) OfferShards(flight);
  return absl::OkStatus();
}

void Training::LearnerGone() {
  session_.clear();
  updating_ = 0;
}

bool Training::WaitsForEvaluation(int64_t judged) const {
  return planned_ < total() && planner_->JudgedUpToNeeded(planned_ + 1) > judged;
}

absl::StatusOr<bool> Training::PlanNext(int64_t judged, absl::Time now) {
  const int64_t next = planned_ + 1;
  if (session_.empty() || next > total() || WaitsForEvaluation(judged)) return false;
  if (!flights_.empty() && !flights_.rbegin()->second.folded) return false;
  const int64_t version = std::max<int64_t>(0, next - 1 - options_.policy_lag());
  const auto hash = PolicyHash(version);
  if (!hash || next > committed_ + 1 + options_.policy_lag()) return false;

  if (absl::Status status = ApplyOrders(*orders_, next, *planner_); !status.ok()) return status;
  const std::vector<v1::Order> acting = orders_->ActingAt(next);
  PlannedIteration planned = planner_->Plan(next);
  if (absl::Status status =
          store_->SavePlan(planned.plan, EnvironmentsHash(planned.environments), acting);
      !status.ok()) {
    return status;
  }
  orders_->Took(next, acting);
  RolloutBoard board(planned.plan, std::move(planned.environments), shard_states_, *hash,
                     static_cast<int>(options_.envs_per_shard()));
  Flight& flight = flights_.emplace(next, Flight(std::move(board), now)).first->second;
  planned_ = next;
  OfferShards(flight);
  return true;
}

void Training::OfferShards(Flight& flight) {
  for (int shard : flight.board.MissingRows(session_)) {
    leases_->Reopen(ItemKey{ItemKind::kRollout, flight.board.plan().iteration(), shard});
  }
}

v1::RolloutItem Training::Item(const ItemKey& key) const {
  return flights_.at(key.group).board.Item(key.index);
}

const ShardEntry& Training::Result(const ItemKey& key) const {
  return flights_.at(key.group).board.result(key.index);
}

absl::StatusOr<RolloutBoard::Verdict> Training::Accept(const ItemKey& key,
                                                       const v1::WorkResult& result,
                                                       v1::RolloutRecord* record,
                                                       const std::string& worker,
                                                       absl::Time now) {
  auto found = flights_.find(key.group);
  if (found == flights_.end()) return RolloutBoard::Verdict::kRepeated;
  Flight& flight = found->second;
  if (record == nullptr || record->iteration() != key.group || record->shard() != key.index) {
    return absl::InvalidArgumentError(
        absl::StrCat("the record from ", worker, " is not one of iteration ", key.group, ", shard ",
                     key.index));
  }
  const auto verdict = flight.board.Accept(key.index, result.rollout(), std::move(*record), worker,
                                           result.learner_session());
  if (verdict == RolloutBoard::Verdict::kMismatch) return verdict;
  if (!session_.empty() && result.learner_session() != session_) {
    // Its rows went to a learner that is gone.
    leases_->Reopen(key);
  }
  if (absl::Status status = FoldIfComplete(flight, now); !status.ok()) return status;
  return verdict;
}

void Training::AdoptRows(const ItemKey& key, const v1::WorkResult& result) {
  auto found = flights_.find(key.group);
  v1::RolloutRecord record;
  if (found == flights_.end() || !record.ParseFromString(result.rollout())) return;
  found->second.board.AdoptRows(key.index, record, result.learner_session());
}

absl::Status Training::FoldIfComplete(Flight& flight, absl::Time now) {
  if (flight.folded || !flight.board.complete()) return absl::OkStatus();
  auto measurements = planner_->Fold(flight.board.plan(), flight.board.records());
  if (!measurements.ok()) return measurements.status();
  flight.measurements = *std::move(measurements);
  flight.planner_state = planner_->SaveState();
  flight.tail_used = planner_->TailUsed();
  shard_states_ = flight.next_states = flight.board.TakeNextStates();
  flight.folded = true;
  flight.folded_at = now;
  return absl::OkStatus();
}

std::optional<v1::BeginUpdate> Training::NextUpdate() {
  if (session_.empty() || updating_ != 0 || flights_.empty()) return std::nullopt;
  Flight& flight = flights_.begin()->second;
  if (!flight.folded || !flight.board.MissingRows(session_).empty()) return std::nullopt;
  updating_ = flight.board.plan().iteration();
  return flight.board.UpdateOrder();
}

void Training::UpdateFailed(const v1::UpdateFailed& failed) {
  auto found = flights_.find(failed.iteration());
  if (found == flights_.end() || updating_ != failed.iteration() || committing_) return;
  updating_ = 0;
  for (int shard : failed.missing_shards()) {
    if (shard < 0 || shard >= found->second.board.shards()) continue;
    found->second.board.ForgetRows(shard);
  }
  OfferShards(found->second);
}

absl::StatusOr<std::optional<IterationCommit>> Training::BeginCommit(const v1::UpdateDone& done,
                                                                     absl::Time now) {
  if (updating_ == 0 || done.iteration() != updating_ || committing_) return std::nullopt;
  if (absl::Status status = CompareWithRewound(done); !status.ok()) return status;
  Flight& flight = flights_.at(updating_);
  flight.measurements.update = done.stats();
  NoteTimes(flight, done, now);

  IterationCommit commit;
  commit.iteration = updating_;
  commit.policy_sha256 = done.policy_sha256();
  commit.measurements = MeasurementsText(flight.measurements, orders_->ActingAt(updating_));
  commit.planner_state = flight.planner_state;
  commit.tail_used = flight.tail_used;
  commit.states = flight.next_states;
  commit.states_to_drop = StatesToDrop(updating_);
  commit.committed_at = now;
  for (int shard = 0; shard < flight.board.shards(); ++shard) {
    const ShardEntry& entry = flight.board.result(shard);
    commit.shards.push_back(ShardResult{shard, entry.record, entry.record_xxh3, entry.worker});
  }
  committing_ = true;
  return commit;
}

IterationMeasurements Training::Committed(const std::string& policy_sha256,
                                          std::shared_ptr<void>* remains) {
  committed_ = updating_;
  updating_ = 0;
  committing_ = false;
  policy_sha256_[committed_] = policy_sha256;
  auto flight = std::make_shared<Flight>(std::move(flights_.extract(committed_).mapped()));
  last_ = flight->measurements;
  survival_rate_ = last_->survival_rate.value_or(survival_rate_);
  *remains = std::move(flight);
  leases_->RemoveGroup(ItemKind::kRollout, committed_);
  return *last_;
}

void Training::NoteTimes(Flight& flight, const v1::UpdateDone& done, absl::Time now) {
  IterationMeasurements& m = flight.measurements;
  const absl::Time begin = std::max(last_commit_, flight.planned_at);
  iteration_time_ = now - (last_commit_ == absl::InfinitePast() ? flight.planned_at : last_commit_);
  const double wall = absl::ToDoubleSeconds(iteration_time_);
  m.rollout_seconds = absl::ToDoubleSeconds(flight.folded_at - flight.planned_at);
  m.update_seconds = done.update_seconds();
  m.evaluation_seconds = evaluation_seconds_;
  m.waiting_seconds = std::max(
      0.0, wall - absl::ToDoubleSeconds(flight.folded_at - std::min(begin, flight.folded_at)) -
               done.update_seconds());
  m.rows_per_second = wall > 0 ? static_cast<double>(m.rows) / wall : 0;
  evaluation_seconds_ = 0;
  last_commit_ = now;
}

int64_t Training::current_iteration() const {
  return flights_.empty() ? std::max<int64_t>(committed_, 0) : flights_.rbegin()->first;
}

int Training::shards_done() const {
  return flights_.empty() ? 0 : flights_.rbegin()->second.board.done();
}

}  // namespace shoal
