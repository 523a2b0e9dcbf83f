#include "coordinator/gate/penalty_gate.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "coordinator/schedule/lists.h"
#include "coordinator/schedule/numbers.h"

namespace shoal {
namespace {

// More than any run has of iterations or evaluations; leaves room to count on.
constexpr int64_t kMaxCount = 1'000'000'000;

void Push(std::deque<double>& history, double value, size_t window) {
  history.push_back(value);
  if (history.size() > window) history.pop_front();
}

// The median over the window, once it is full.
std::optional<double> RollingMedian(const std::deque<double>& history, size_t window) {
  if (history.size() < window) return std::nullopt;
  return Median({history.begin(), history.end()});
}

absl::Status CheckCount(absl::string_view name, int64_t value, int64_t min) {
  if (value >= min && value <= kMaxCount) return absl::OkStatus();
  return OptionError(absl::StrCat("penalty_gate_", name), absl::StrCat(value),
                     absl::StrCat("must be within ", min, " to ", kMaxCount));
}

absl::Status CheckCounts(const v1::RunOptions& options) {
  const struct {
    absl::string_view name;
    int64_t value;
    int64_t min;
  } counts[] = {
      {"required_successes", options.penalty_gate_required_successes(), 1},
      {"freeze_iterations", options.penalty_gate_freeze_iterations(), 0},
      {"success_freeze_iterations", options.penalty_gate_success_freeze_iterations(), 0},
      {"success_early_death_window", options.penalty_gate_success_early_death_window(), 1},
      {"success_median_window", options.penalty_gate_success_median_window(), 1},
      {"failure_tolerance", options.penalty_gate_failure_tolerance(), 1},
      {"relax_evals", options.penalty_gate_relax_evals(), 1},
  };
  for (const auto& count : counts) {
    absl::Status status = CheckCount(count.name, count.value, count.min);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

bool IsFailureName(std::string_view name) { return name.substr(0, 8) == "failure_"; }

}  // namespace

std::string_view GateEventName(GateEvent event) {
  switch (event) {
    case GateEvent::kRollback:
      return "rollback";
    case GateEvent::kFailureHold:
      return "failure_hold";
    case GateEvent::kLocked:
      return "locked";
    case GateEvent::kFrozen:
      return "frozen";
    case GateEvent::kAdvance:
      return "advance";
    case GateEvent::kSuccessProgress:
      return "success_progress";
    case GateEvent::kNoop:
      return "noop";
  }
  return "noop";
}

absl::StatusOr<PenaltyGate> PenaltyGate::Create(const v1::RunOptions& options) {
  auto allowance = ParsePhaseAllowance(options.penalty_gate_phase_allowance());
  if (!allowance.ok()) return allowance.status();
  if (absl::Status status = CheckCounts(options); !status.ok()) return status;
  PenaltyGate gate;
  gate.allowance_ = *std::move(allowance);
  gate.required_successes_ = options.penalty_gate_required_successes();
  gate.freeze_iterations_ = options.penalty_gate_freeze_iterations();
  gate.success_freeze_iterations_ = options.penalty_gate_success_freeze_iterations();
  gate.success_step_one_ = options.penalty_gate_success_step_one();
  gate.success_step_one_ratio_ = options.penalty_gate_success_step_one_ratio();
  gate.success_avoidable_ratio_ = options.penalty_gate_success_avoidable_step_one_ratio();
  gate.success_early_death_ = options.penalty_gate_success_early_death();
  gate.early_death_window_ = static_cast<size_t>(options.penalty_gate_success_early_death_window());
  gate.success_p10_ = options.penalty_gate_success_p10();
  gate.p10_window_ = static_cast<size_t>(options.penalty_gate_success_median_window());
  gate.failure_p10_ = options.penalty_gate_failure_p10();
  gate.failure_min_final_ = options.penalty_gate_failure_min_final();
  gate.failure_tolerance_ = options.penalty_gate_failure_tolerance();
  gate.lock_iteration_ = options.penalty_gate_lock_iteration();
  if (gate.lock_iteration_ < 0) gate.lock_iteration_ = options.density_penalty_lock_until();
  gate.relax_step_one_ratio_ = options.penalty_gate_relax_step_one_ratio();
  gate.relax_evals_ = static_cast<size_t>(options.penalty_gate_relax_evals());
  return gate;
}

void PenaltyGate::Remember(const GateInput& input) {
  Push(p10_history_, input.p10, p10_window_);
  Push(early_death_history_, input.early_death_100, early_death_window_);
  Push(step_one_ratio_history_, input.step_one_ratio, relax_evals_);
}

std::vector<GateCriterion> PenaltyGate::Judge(const GateInput& input,
                                              const GateRecord& medians) const {
  std::vector<GateCriterion> criteria;
  const auto add = [&criteria](std::string_view name, bool on, std::optional<double> value,
                               double threshold, bool (*holds)(double, double)) {
    const bool held = !on || (value.has_value() && holds(*value, threshold));
    criteria.push_back({name, on, held, value, threshold});
  };
  add("failure_p10", true, input.p10, failure_p10_, Below);
  add("failure_min_final", true, input.min_final, failure_min_final_, Below);
  add("success_step_one", success_step_one_ >= 0, static_cast<double>(input.step_one_count),
      static_cast<double>(success_step_one_), AtMost);
  add("success_step_one_ratio", success_step_one_ratio_ > 0, input.step_one_ratio,
      success_step_one_ratio_, AtMost);
  add("success_avoidable_step_one_ratio", success_avoidable_ratio_ > 0, input.avoidable_ratio,
      success_avoidable_ratio_, AtMost);
  add("success_early_death", true, medians.rolling_early_death, success_early_death_, AtMost);
  add("success_p10", success_p10_ > 0, medians.rolling_p10_median, success_p10_, AtLeast);
  return criteria;
}

GateEvent PenaltyGate::Decide(int64_t iteration, bool failure, bool success) {
  failure_streak_ = failure ? failure_streak_ + 1 : 0;
  if (failure && stage_ > 0 && failure_streak_ >= failure_tolerance_) {
    --stage_;
    success_streak_ = 0;
    failure_streak_ = 0;
    freeze_until_ = iteration + freeze_iterations_;
    return GateEvent::kRollback;
  }
  if (failure) {
    success_streak_ = 0;
    freeze_until_ = iteration + freeze_iterations_;
    return GateEvent::kFailureHold;
  }
  if (iteration <= lock_iteration_) {
    success_streak_ = 0;
    return GateEvent::kLocked;
  }
  if (iteration < freeze_until_) {
    success_streak_ = 0;
    return GateEvent::kFrozen;
  }
  if (!success) {
    success_streak_ = 0;
    return GateEvent::kNoop;
  }
  ++success_streak_;
  freeze_until_ = std::max(freeze_until_, iteration + success_freeze_iterations_);
  const int64_t last_stage = static_cast<int64_t>(allowance_.size()) - 1;
  if (success_streak_ < required_successes_ || stage_ == last_stage) {
    return GateEvent::kSuccessProgress;
  }
  ++stage_;
  success_streak_ = 0;
  freeze_until_ = iteration + freeze_iterations_;
  return GateEvent::kAdvance;
}

bool PenaltyGate::Relaxed() const {
  if (relax_step_one_ratio_ <= 0 || stage_ != 0 || allowance_.size() < 2) return false;
  if (step_one_ratio_history_.size() < relax_evals_) return false;
  return std::all_of(step_one_ratio_history_.begin(), step_one_ratio_history_.end(),
                     [this](double ratio) { return AtMost(ratio, relax_step_one_ratio_); });
}

absl::StatusOr<GateRecord> PenaltyGate::OnEvaluation(const GateInput& input) {
  if (input.iteration < 0 || input.iteration > kMaxCount) {
    return absl::InvalidArgumentError(absl::StrCat("penalty gate: an evaluation of iteration ",
                                                   input.iteration, "; 0 to ", kMaxCount,
                                                   " are possible"));
  }
  for (const double value : {input.p10, input.min_final, input.early_death_100,
                             input.step_one_ratio, input.avoidable_ratio.value_or(0)}) {
    if (!std::isfinite(value)) {
      return absl::InvalidArgumentError(absl::StrCat("penalty gate: the evaluation of iteration ",
                                                     input.iteration,
                                                     " has a value that is not finite"));
    }
  }
  Remember(input);
  GateRecord record;
  record.iteration = input.iteration;
  record.rolling_p10_median = RollingMedian(p10_history_, p10_window_);
  record.rolling_early_death = RollingMedian(early_death_history_, early_death_window_);
  record.step_one_death_ratio = input.step_one_ratio;
  record.criteria = Judge(input, record);
  bool success = true;
  for (const GateCriterion& criterion : record.criteria) {
    if (IsFailureName(criterion.name)) {
      record.failure_detected |= criterion.held;
    } else {
      success &= criterion.held;
    }
  }
  record.event = Decide(input.iteration, record.failure_detected, success);
  relaxed_ = Relaxed();
  record.stage = stage_;
  record.phase_limit = allowed_phase() - 1;
  record.success_streak = success_streak_;
  record.failure_streak = failure_streak_;
  record.freeze_until = freeze_until_;
  record.relaxed = relaxed_;
  return record;
}

int64_t PenaltyGate::allowed_phase() const {
  return allowance_[static_cast<size_t>(stage_) + (relaxed_ ? 1 : 0)];
}

v1::PenaltyGateState PenaltyGate::State() const {
  v1::PenaltyGateState state;
  state.set_stage(stage_);
  state.set_success_streak(success_streak_);
  state.set_failure_streak(failure_streak_);
  state.set_freeze_until(freeze_until_);
  state.set_relaxed(relaxed_);
  for (const double value : p10_history_) state.add_p10_history(value);
  for (const double value : early_death_history_) state.add_early_death_history(value);
  for (const double value : step_one_ratio_history_) state.add_step_one_ratio_history(value);
  return state;
}

absl::Status PenaltyGate::Restore(const v1::PenaltyGateState& state) {
  if (state.stage() < 0 || state.stage() >= static_cast<int64_t>(allowance_.size())) {
    return absl::InvalidArgumentError(absl::StrCat("penalty gate state: stage ", state.stage(),
                                                   ", penalty_gate_phase_allowance has ",
                                                   allowance_.size(), " entries"));
  }
  if (state.relaxed() && (state.stage() != 0 || allowance_.size() < 2)) {
    return absl::InvalidArgumentError("penalty gate state: relaxed where nothing can relax");
  }
  for (const int64_t count :
       {state.success_streak(), state.failure_streak(), state.freeze_until()}) {
    if (count < 0 || count > 2 * kMaxCount) {
      return absl::InvalidArgumentError(
          absl::StrCat("penalty gate state: a streak or iteration of ", count, "; 0 to ",
                       2 * kMaxCount, " are possible"));
    }
  }
  for (const auto* history :
       {&state.p10_history(), &state.early_death_history(), &state.step_one_ratio_history()}) {
    for (const double value : *history) {
      if (!std::isfinite(value)) {
        return absl::InvalidArgumentError("penalty gate state: a value that is not finite");
      }
    }
  }
  if (static_cast<size_t>(state.p10_history_size()) > p10_window_ ||
      static_cast<size_t>(state.early_death_history_size()) > early_death_window_ ||
      static_cast<size_t>(state.step_one_ratio_history_size()) > relax_evals_) {
    return absl::InvalidArgumentError(
        "penalty gate state: more history than the options' windows hold");
  }
  stage_ = state.stage();
  success_streak_ = state.success_streak();
  failure_streak_ = state.failure_streak();
  freeze_until_ = state.freeze_until();
  relaxed_ = state.relaxed();
  p10_history_.assign(state.p10_history().begin(), state.p10_history().end());
  early_death_history_.assign(state.early_death_history().begin(),
                              state.early_death_history().end());
  step_one_ratio_history_.assign(state.step_one_ratio_history().begin(),
                                 state.step_one_ratio_history().end());
  return absl::OkStatus();
}

}  // namespace shoal
