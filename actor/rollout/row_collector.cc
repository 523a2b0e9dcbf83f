#include "actor/rollout/row_collector.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/str_format.h"

namespace shoal {
namespace {

// Observations valued in one call.
constexpr int64_t kValueBatch = 1024;
// Rows for which room is made at once; more than these let the columns grow.
constexpr int64_t kMostReservedRows = int64_t{1} << 22;

std::vector<float> ComputeValues(PolicyBackend& backend, const std::vector<float>& observations,
                                 int obs_dim) {
  const int64_t count = static_cast<int64_t>(observations.size()) / obs_dim;
  std::vector<float> values(count);
  for (int64_t first = 0; first < count; first += kValueBatch) {
    const int64_t rows = std::min(kValueBatch, count - first);
    backend.Values(observations.data() + first * obs_dim, rows, values.data() + first);
  }
  return values;
}

bool AllFinite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

}  // namespace

RowCollector::RowCollector(int environments, int num_fish, int obs_dim, int64_t expected_rows)
    : environments_(environments), num_fish_(num_fish), obs_dim_(obs_dim) {
  const int64_t rows = std::min(expected_rows, kMostReservedRows);
  environment_.reserve(rows);
  fish_.reserve(rows);
  step_.reserve(rows);
  observations_.reserve(rows * obs_dim);
  actions_.reserve(rows);
  log_probs_.reserve(rows);
  rewards_.reserve(rows);
  ends_.reserve(rows);
}

int32_t RowCollector::Append(int environment, int fish, int step, const float* observation,
                             uint8_t action, float log_prob) {
  environment_.push_back(environment);
  fish_.push_back(fish);
  step_.push_back(step);
  observations_.insert(observations_.end(), observation, observation + obs_dim_);
  actions_.push_back(action);
  log_probs_.push_back(log_prob);
  rewards_.push_back(0);
  ends_.push_back(kTerminated);
  return size() - 1;
}

void RowCollector::SetOutcome(int32_t row, float reward, RowEnd end) {
  rewards_[row] = reward;
  ends_[row] = end;
}

float* RowCollector::AddBootstraps(int count) {
  bootstraps_ += count;
  bootstrap_observations_.resize(static_cast<size_t>(bootstraps_) * obs_dim_);
  return bootstrap_observations_.data() + static_cast<size_t>(bootstraps_ - count) * obs_dim_;
}

// Rows were appended with ascending steps, so a stable counting sort by (environment, fish) puts
// them in the order of keys.
std::vector<int32_t> RowCollector::Order() const {
  std::vector<int32_t> next(static_cast<size_t>(environments_) * num_fish_ + 1, 0);
  const auto bin = [this](int32_t row) {
    return static_cast<size_t>(environment_[row]) * num_fish_ + fish_[row];
  };
  for (int32_t row = 0; row < size(); ++row) ++next[bin(row) + 1];
  std::partial_sum(next.begin(), next.end(), next.begin());
  std::vector<int32_t> order(size());
  for (int32_t row = 0; row < size(); ++row) order[next[bin(row)]++] = row;
  return order;
}

absl::Status RowCollector::CheckFinite(const std::vector<float>& values,
                                       const std::vector<float>& bootstrap_values) const {
  if (AllFinite(values) && AllFinite(log_probs_) && AllFinite(bootstrap_values)) {
    return absl::OkStatus();
  }
  for (int32_t row = 0; row < size(); ++row) {
    if (std::isfinite(values[row]) && std::isfinite(log_probs_[row])) continue;
    return absl::InternalError(absl::StrFormat(
        "the policy gives value %f and log-probability %f (environment %d of the shard, fish %d, "
        "step %d of the rollout); its weights have diverged",
        values[row], log_probs_[row], environment_[row], fish_[row], step_[row]));
  }
  return absl::InternalError(
      "the policy's value of an observation that a trajectory is cut with is not finite; its "
      "weights have diverged");
}

absl::StatusOr<CollectedRows> RowCollector::Finish(PolicyBackend& backend, const GaeOptions& gae,
                                                   const RowFilter& filter,
                                                   uint32_t first_environment) const {
  const std::vector<float> values = ComputeValues(backend, observations_, obs_dim_);
  const std::vector<float> bootstrap_values =
      ComputeValues(backend, bootstrap_observations_, obs_dim_);
  if (absl::Status status = CheckFinite(values, bootstrap_values); !status.ok()) return status;

  const std::vector<int32_t> order = Order();
  std::vector<float> advantages(order.size());
  std::vector<float> returns(order.size());
  ComputeGae(gae, order, rewards_, values, ends_, bootstrap_values, advantages, returns);

  CollectedRows result;
  result.unfiltered_rows = size();
  std::vector<int32_t> kept;  // Positions in `order`.
  kept.reserve(order.size());
  for (int32_t i = 0; i < size(); ++i) {
    const double advantage = advantages[i];
    result.advantage_sum += advantage;
    result.advantage_square_sum += advantage * advantage;
    const int32_t row = order[i];
    if (filter.Keep(Observation(row), advantages[i], first_environment + environment_[row],
                    fish_[row], step_[row])) {
      kept.push_back(i);
    }
  }

  Rows& rows = result.rows;
  rows.obs_dim = obs_dim_;
  rows.keys.reserve(kept.size());
  rows.observations.reserve(kept.size() * obs_dim_);
  rows.actions.reserve(kept.size());
  rows.log_probs.reserve(kept.size());
  rows.advantages.reserve(kept.size());
  rows.returns.reserve(kept.size());
  for (int32_t i : kept) {
    const int32_t row = order[i];
    const float* observation = Observation(row);
    rows.keys.push_back(RowKey(first_environment + environment_[row], fish_[row], step_[row]));
    rows.observations.insert(rows.observations.end(), observation, observation + obs_dim_);
    rows.actions.push_back(actions_[row]);
    rows.log_probs.push_back(log_probs_[row]);
    rows.advantages.push_back(advantages[i]);
    rows.returns.push_back(returns[i]);
  }
  return result;
}

}  // namespace shoal
