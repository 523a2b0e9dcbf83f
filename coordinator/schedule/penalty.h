// The density penalty of an iteration.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/schedule/curriculum.h"
#include "shoal/v1/config.pb.h"

namespace shoal {

// Immutable; safe to use from several threads.
class PenaltySchedule {
 public:
  // From density_penalty_* and the curriculum. InvalidArgument where a list cannot be read, an
  // explicit one does not fit the phases, or a ramp names a phase that does not exist.
  static absl::StatusOr<PenaltySchedule> Create(const v1::RunOptions& options);

  // The penalty of `iteration` (from 1) where the gate allows phases up to `allowed_phase` (from
  // 1; PenaltyGate::allowed_phase()).
  //
  // In a ramp phase of n iterations with plateau p it is the previous phase's target (before phase
  // 1 density_penalty_coef) in the first p, then goes linearly from that, at the first iteration
  // after the plateau, to the phase's own, at the last; where those two are one iteration it is
  // the phase's own. Where the gate allows less than the current phase, the allowed phase's target
  // holds. Up to density_penalty_lock_until it is at most density_penalty_lock_value.
  double Value(int64_t iteration, int64_t allowed_phase) const;

  // The lists as fitted to the phases.
  const std::vector<double>& targets() const { return targets_; }
  const std::vector<int64_t>& plateaus() const { return plateaus_; }
  std::vector<int64_t> ramp_phases() const { return {ramps_.begin(), ramps_.end()}; }

 private:
  explicit PenaltySchedule(Curriculum curriculum) : curriculum_(std::move(curriculum)) {}
  double Ramp(const Phase& phase, int64_t iteration) const;

  Curriculum curriculum_;
  double before_first_ = 0;
  std::vector<double> targets_;
  std::vector<int64_t> plateaus_;
  std::set<int64_t> ramps_;
  double lock_value_ = 0;
  int64_t lock_until_ = 0;
};

}  // namespace shoal
