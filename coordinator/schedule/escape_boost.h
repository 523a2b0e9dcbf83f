// How fast fish start an episode outwards, as a share of their maximum speed.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "coordinator/schedule/curriculum.h"
#include "shoal/v1/config.pb.h"
#include "shoal/v1/decisions.pb.h"

namespace shoal {

// One thread at a time. Observe() takes the measurements of finished iterations in order, Value()
// is asked for each iteration in order (asking again for the same one changes nothing).
class EscapeBoost {
 public:
  // From escape_boost_*, adaptive_boost_*, disable_adaptive_boost and the curriculum.
  // InvalidArgument where a table cannot be read or does not fit the phases or the gate's stages,
  // or the lower threshold lies above the upper one.
  static absl::StatusOr<EscapeBoost> Create(const v1::RunOptions& options);

  // An iteration is complete. first_death_p10 in steps; an iteration without one adds nothing.
  void Observe(std::optional<double> first_death_p10);

  // The boost of `iteration` (from 1) with the penalty that the iteration has and the gate's stage
  // (from 0). In this order:
  // 1. the phase's value: its speed, raised to the phase's floor;
  // 2. the adaptive controller: from adaptive_boost_min_iteration, once its window is full, the
  //    window's median (or mean) below the lower threshold sets the target to the low speed, above
  //    the upper one to the high speed, else the target stays. With a target the boost is
  //    min(phase's value, target), at least the phase's floor and the stage's floor. The first
  //    iteration of each phase has no target: it starts from the phase's own value;
  // 3. the caps: at most the cap of each threshold that the penalty has reached.
  double Value(int64_t iteration, double penalty, int64_t gate_stage);

  v1::EscapeBoostState State() const;
  // Goes on from a state. InvalidArgument, and nothing changed, where it cannot be one of these
  // options.
  absl::Status Restore(const v1::EscapeBoostState& state);

  // The tables as fitted to the phases.
  const std::map<int64_t, double>& phase_speeds() const { return speeds_; }
  const std::map<int64_t, double>& phase_floors() const { return floors_; }

 private:
  explicit EscapeBoost(Curriculum curriculum) : curriculum_(std::move(curriculum)) {}
  absl::Status ReadTables(const v1::RunOptions& options);
  void Adapt(const Phase& phase, int64_t iteration);
  double WindowValue() const;

  Curriculum curriculum_;
  double default_speed_ = 0;
  double default_floor_ = 0;
  std::map<int64_t, double> speeds_;
  std::map<int64_t, double> floors_;
  std::map<int64_t, double> stage_floors_;
  std::vector<std::pair<double, double>> caps_;
  bool adaptive_ = true;
  size_t window_size_ = 1;
  int64_t min_iteration_ = 1;
  bool use_mean_ = false;
  double lower_ = 0;
  double upper_ = 0;
  double low_speed_ = 0;
  double high_speed_ = 0;

  std::deque<double> window_;
  std::optional<double> target_;
  int64_t phase_ = 0;
};

}  // namespace shoal
