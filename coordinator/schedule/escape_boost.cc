#include "coordinator/schedule/escape_boost.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/options.h"
#include "coordinator/schedule/lists.h"
#include "coordinator/schedule/numbers.h"

namespace shoal {
namespace {

// A boost is a share of the maximum speed.
constexpr NumberRange kShare = {0, 1};
constexpr IntegerRange kPhases = {1, 1000000};

double ValueOr(const std::map<int64_t, double>& table, int64_t key, double fallback) {
  const auto found = table.find(key);
  return found == table.end() ? fallback : found->second;
}

absl::StatusOr<std::map<int64_t, double>> PhaseTable(absl::string_view name,
                                                     const std::string& value, bool is_explicit,
                                                     int64_t phases) {
  auto table = ParseTable(name, value, kPhases, kShare);
  if (!table.ok()) return table;
  return FitTableToPhases(name, value, *std::move(table), is_explicit, phases);
}

}  // namespace

absl::Status EscapeBoost::ReadTables(const v1::RunOptions& options) {
  const int64_t phases = curriculum_.num_phases();
  auto speeds = PhaseTable("escape_boost_phase_speeds", options.escape_boost_phase_speeds(),
                           options.has_escape_boost_phase_speeds(), phases);
  if (!speeds.ok()) return speeds.status();
  speeds_ = *std::move(speeds);

  auto floors = PhaseTable("escape_boost_phase_floors", options.escape_boost_phase_floors(),
                           options.has_escape_boost_phase_floors(), phases);
  if (!floors.ok()) return floors.status();
  floors_ = *std::move(floors);

  auto caps = ParseNumberPairs("escape_boost_penalty_caps", options.escape_boost_penalty_caps(),
                               {0, 100}, kShare);
  if (!caps.ok()) return caps.status();
  caps_ = *std::move(caps);

  auto allowance = ParsePhaseAllowance(options.penalty_gate_phase_allowance());
  if (!allowance.ok()) return allowance.status();
  const int64_t last_stage = static_cast<int64_t>(allowance->size()) - 1;
  auto stage_floors = ParseTable("adaptive_boost_stage_floor", options.adaptive_boost_stage_floor(),
                                 {0, last_stage}, kShare);
  if (!stage_floors.ok()) return stage_floors.status();
  stage_floors_ = *std::move(stage_floors);
  return absl::OkStatus();
}

absl::StatusOr<EscapeBoost> EscapeBoost::Create(const v1::RunOptions& options) {
  absl::StatusOr<Curriculum> curriculum = Curriculum::Create(options);
  if (!curriculum.ok()) return curriculum.status();
  EscapeBoost boost(*std::move(curriculum));
  if (absl::Status status = boost.ReadTables(options); !status.ok()) return status;
  boost.default_speed_ = options.escape_boost_speed();
  boost.default_floor_ = options.escape_boost_floor_default();
  boost.adaptive_ = !options.disable_adaptive_boost();
  if (options.adaptive_boost_window() < 1) {
    return OptionError("adaptive_boost_window", absl::StrCat(options.adaptive_boost_window()),
                       "must be at least 1");
  }
  boost.window_size_ = static_cast<size_t>(options.adaptive_boost_window());
  boost.min_iteration_ = options.adaptive_boost_min_iteration();
  boost.use_mean_ = options.adaptive_boost_use_mean();
  boost.lower_ = options.adaptive_boost_lower_p10();
  boost.upper_ = options.adaptive_boost_upper_p10();
  boost.low_speed_ = options.adaptive_boost_low_speed();
  boost.high_speed_ = options.adaptive_boost_high_speed();
  if (boost.lower_ > boost.upper_) {
    return OptionError("adaptive_boost_lower_p10", ShortestDouble(boost.lower_),
                       absl::StrCat("must not be above adaptive_boost_upper_p10, which is ",
                                    ShortestDouble(boost.upper_)));
  }
  return boost;
}

void EscapeBoost::Observe(std::optional<double> first_death_p10) {
  if (!first_death_p10.has_value()) return;
  window_.push_back(*first_death_p10);
  if (window_.size() > window_size_) window_.pop_front();
}

double EscapeBoost::WindowValue() const {
  if (!use_mean_) return Median({window_.begin(), window_.end()});
  double sum = 0;
  for (const double value : window_) sum += value;
  return sum / static_cast<double>(window_.size());
}

void EscapeBoost::Adapt(const Phase& phase, int64_t iteration) {
  if (phase.begins_here || phase.phase != phase_) target_.reset();
  phase_ = phase.phase;
  if (phase.begins_here || iteration < min_iteration_ || window_.size() < window_size_) return;
  const double value = WindowValue();
  if (Below(value, lower_)) {
    target_ = low_speed_;
  } else if (Above(value, upper_)) {
    target_ = high_speed_;
  }
}

double EscapeBoost::Value(int64_t iteration, double penalty, int64_t gate_stage) {
  const Phase phase = curriculum_.PhaseOf(iteration);
  const double floor = ValueOr(floors_, phase.phase, default_floor_);
  const double own = std::max(ValueOr(speeds_, phase.phase, default_speed_), floor);
  double boost = own;
  if (adaptive_) {
    Adapt(phase, iteration);
    if (target_.has_value()) {
      boost = std::max({std::min(own, *target_), floor, ValueOr(stage_floors_, gate_stage, 0)});
    }
  }
  for (const auto& [threshold, cap] : caps_) {
    if (AtLeast(penalty, threshold)) boost = std::min(boost, cap);
  }
  return boost;
}

v1::EscapeBoostState EscapeBoost::State() const {
  v1::EscapeBoostState state;
  for (const double value : window_) state.add_window(value);
  if (target_.has_value()) state.set_target(*target_);
  state.set_phase(phase_);
  return state;
}

absl::Status EscapeBoost::Restore(const v1::EscapeBoostState& state) {
  if (static_cast<size_t>(state.window_size()) > window_size_) {
    return absl::InvalidArgumentError(absl::StrCat("escape boost state: ", state.window_size(),
                                                   " values, adaptive_boost_window is ",
                                                   window_size_));
  }
  for (const double value : state.window()) {
    if (!std::isfinite(value)) {
      return absl::InvalidArgumentError("escape boost state: a value that is not finite");
    }
  }
  if (state.phase() < 0 || state.phase() > curriculum_.num_phases()) {
    return absl::InvalidArgumentError(absl::StrCat("escape boost state: phase ", state.phase(),
                                                   ", the curriculum has ",
                                                   curriculum_.num_phases()));
  }
  if (state.has_target() && !(state.target() >= kShare.min && state.target() <= kShare.max)) {
    return absl::InvalidArgumentError(absl::StrCat("escape boost state: target ", state.target(),
                                                   ", it must be within 0 to 1"));
  }
  window_.assign(state.window().begin(), state.window().end());
  target_ = state.has_target() ? std::optional(state.target()) : std::nullopt;
  phase_ = state.phase();
  return absl::OkStatus();
}

}  // namespace shoal
