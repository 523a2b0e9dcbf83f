#include "coordinator/schedule/penalty.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "coordinator/schedule/lists.h"

namespace shoal {

absl::StatusOr<PenaltySchedule> PenaltySchedule::Create(const v1::RunOptions& options) {
  absl::StatusOr<Curriculum> curriculum = Curriculum::Create(options);
  if (!curriculum.ok()) return curriculum.status();
  const int64_t phases = curriculum->num_phases();
  PenaltySchedule schedule(*std::move(curriculum));

  constexpr absl::string_view kTargets = "density_penalty_phase_targets";
  const std::string& targets_text = options.density_penalty_phase_targets();
  auto targets = ParseNumberList(kTargets, targets_text, {0, 100});
  if (!targets.ok()) return targets.status();
  targets = FitToPhases(kTargets, targets_text, *std::move(targets),
                        options.has_density_penalty_phase_targets(), phases);
  if (!targets.ok()) return targets.status();
  schedule.targets_ = *std::move(targets);

  constexpr absl::string_view kPlateaus = "density_penalty_phase_plateaus";
  const std::string& plateaus_text = options.density_penalty_phase_plateaus();
  auto plateaus = ParseIntegerList(kPlateaus, plateaus_text, {0, 1000000});
  if (!plateaus.ok()) return plateaus.status();
  plateaus = FitToPhases(kPlateaus, plateaus_text, *std::move(plateaus),
                         options.has_density_penalty_phase_plateaus(), phases);
  if (!plateaus.ok()) return plateaus.status();
  schedule.plateaus_ = *std::move(plateaus);

  constexpr absl::string_view kRamps = "density_penalty_ramp_phases";
  const std::string& ramps_text = options.density_penalty_ramp_phases();
  auto ramps = ParseIntegerList(kRamps, ramps_text, {1, 1000000});
  if (!ramps.ok()) return ramps.status();
  for (const int64_t phase : *ramps) {
    if (phase <= phases) {
      schedule.ramps_.insert(phase);
    } else if (options.has_density_penalty_ramp_phases()) {
      return OptionError(kRamps, ramps_text,
                         absl::StrCat("names phase ", phase, ", the curriculum has ", phases));
    }
  }

  schedule.before_first_ = options.density_penalty_coef();
  schedule.lock_value_ = options.density_penalty_lock_value();
  schedule.lock_until_ = options.density_penalty_lock_until();
  return schedule;
}

double PenaltySchedule::Ramp(const Phase& phase, int64_t iteration) const {
  const double from = phase.phase == 1 ? before_first_ : targets_[phase.phase - 2];
  const double to = targets_[phase.phase - 1];
  const int64_t start = phase.first_iteration + plateaus_[phase.phase - 1];
  if (iteration < start) return from;
  if (iteration >= phase.last_iteration) return to;
  const double share =
      static_cast<double>(iteration - start) / static_cast<double>(phase.last_iteration - start);
  return from + (to - from) * share;
}

double PenaltySchedule::Value(int64_t iteration, int64_t allowed_phase) const {
  const Phase phase = curriculum_.PhaseOf(iteration);
  double value;
  if (allowed_phase < phase.phase) {
    value = targets_[std::max<int64_t>(allowed_phase, 1) - 1];
  } else if (ramps_.count(phase.phase) > 0) {
    value = Ramp(phase, iteration);
  } else {
    value = targets_[phase.phase - 1];
  }
  return iteration <= lock_until_ ? std::min(value, lock_value_) : value;
}

}  // namespace shoal
