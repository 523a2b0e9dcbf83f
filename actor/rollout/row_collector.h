// The rows of one rollout while it runs: collected as time goes by, put in order, valued, filtered.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "actor/policy/backend.h"
#include "actor/rollout/gae.h"
#include "actor/rollout/row_filter.h"
#include "actor/rollout/rows.h"

namespace shoal {

// The rows for the learner, and the sums over all rows that there were before the filter.
struct CollectedRows {
  Rows rows;
  int64_t unfiltered_rows = 0;
  // Over the advantages as stored (float32), in row order, in double.
  double advantage_sum = 0;
  double advantage_square_sum = 0;
};

// Append every row of a step, then give each its outcome; rows of later steps come later. Row
// numbers count appended rows. Environments are numbered from 0 within the shard; `fish` is the
// fish of the row's key. Not thread safe.
class RowCollector {
 public:
  RowCollector(int environments, int num_fish, int obs_dim, int64_t expected_rows);

  // observation: [obs_dim], copied. Returns the row's number.
  int32_t Append(int environment, int fish, int step, const float* observation, uint8_t action,
                 float log_prob);

  // What came of the row. A row that continues has its trajectory's next row, same environment and
  // fish, in the step after.
  void SetOutcome(int32_t row, float reward, RowEnd end);

  int32_t size() const { return static_cast<int32_t>(actions_.size()); }
  int fish(int32_t row) const { return fish_[row]; }

  // Makes room for `count` observations whose values trajectories are cut with, [count, obs_dim],
  // to be written before the next call. The first one's RowEnd is the number of them so far.
  RowEnd bootstraps() const { return bootstraps_; }
  float* AddBootstraps(int count);

  // Values with `backend`, advantages, order, filter. Environment 0 has the key first_environment.
  // Internal, naming a row, if the policy gave a number that is not finite.
  absl::StatusOr<CollectedRows> Finish(PolicyBackend& backend, const GaeOptions& gae,
                                       const RowFilter& filter, uint32_t first_environment) const;

 private:
  std::vector<int32_t> Order() const;
  const float* Observation(int32_t row) const {
    return observations_.data() + static_cast<size_t>(row) * obs_dim_;
  }
  absl::Status CheckFinite(const std::vector<float>& values,
                           const std::vector<float>& bootstrap_values) const;

  const int environments_;
  const int num_fish_;
  const int obs_dim_;

  // Columns by row number.
  std::vector<int32_t> environment_;
  std::vector<int32_t> fish_;
  std::vector<int32_t> step_;
  std::vector<float> observations_;
  std::vector<uint8_t> actions_;
  std::vector<float> log_probs_;
  std::vector<float> rewards_;
  std::vector<RowEnd> ends_;

  std::vector<float> bootstrap_observations_;
  RowEnd bootstraps_ = 0;
};

}  // namespace shoal
