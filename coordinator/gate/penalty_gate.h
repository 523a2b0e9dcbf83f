// The penalty gate: multi-evaluations decide how far the density penalty may go. Stage s (from 0)
// allows phases up to entry s of penalty_gate_phase_allowance.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/v1/config.pb.h"
#include "shoal/v1/decisions.pb.h"

namespace shoal {

// What one multi-evaluation says to the gate.
struct GateInput {
  // The iteration that was evaluated, from 1.
  int64_t iteration = 0;
  // 10th percentile of the death step over all fish, survivors counted as 500.
  double p10 = 0;
  // Smallest final survival rate among the scenes.
  double min_final = 0;
  // Share of the fish that died before step 100.
  double early_death_100 = 0;
  // Deaths at step one, and their share of all fish.
  int64_t step_one_count = 0;
  double step_one_ratio = 0;
  // Share of the fish that died at step one and could have been saved; absent in histories written
  // before it was measured.
  std::optional<double> avoidable_ratio;
};

// What an evaluation did. Exactly one happens; the first whose condition holds, in this order.
enum class GateEvent {
  kRollback,         // failure at a stage above 0, for the failure_tolerance-th time running
  kFailureHold,      // any other failure
  kLocked,           // up to the lock iteration
  kFrozen,           // before freeze_until
  kAdvance,          // a success that opens the next stage
  kSuccessProgress,  // any other success
  kNoop,             // neither failure nor success
};

// "rollback", "failure_hold", "locked", "frozen", "advance", "success_progress", "noop".
std::string_view GateEventName(GateEvent event);

// One condition of a failure or a success and whether it held.
struct GateCriterion {
  // The option that sets the threshold, without "penalty_gate_".
  std::string_view name;
  // Whether the options switch it on; where not, `held` is true and means nothing.
  bool on = false;
  bool held = true;
  // What was compared; absent where there was nothing to compare yet.
  std::optional<double> value;
  double threshold = 0;
};

// The gate after an evaluation.
struct GateRecord {
  int64_t iteration = 0;
  GateEvent event = GateEvent::kNoop;
  // From 0.
  int64_t stage = 0;
  // The last phase allowed, counted from 0 (an entry of the allowance less 1).
  int64_t phase_limit = 0;
  int64_t success_streak = 0;
  int64_t failure_streak = 0;
  int64_t freeze_until = 0;
  bool failure_detected = false;
  // The phase limit is one entry further than the stage's.
  bool relaxed = false;
  // Medians over their windows; absent until the windows are full.
  std::optional<double> rolling_p10_median;
  std::optional<double> rolling_early_death;
  double step_one_death_ratio = 0;
  // failure_* hold where the evaluation failed, success_* where it satisfied the condition. An
  // evaluation without failure is a success where every success_* that is on held.
  std::vector<GateCriterion> criteria;
};

// One thread at a time. Thresholds compare with a tolerance of 1e-9.
class PenaltyGate {
 public:
  // From penalty_gate_* and density_penalty_lock_until. InvalidArgument where the allowance cannot
  // be read or a count or window is not positive.
  static absl::StatusOr<PenaltyGate> Create(const v1::RunOptions& options);

  // Takes the evaluations in the order of their iterations. InvalidArgument, and nothing changed,
  // where a value is not finite.
  absl::StatusOr<GateRecord> OnEvaluation(const GateInput& input);

  int64_t stage() const { return stage_; }
  // The last phase allowed, from 1, relaxation included: what PenaltySchedule::Value() takes.
  int64_t allowed_phase() const;

  v1::PenaltyGateState State() const;
  // Goes on from a state. InvalidArgument, and nothing changed, where it cannot be one of these
  // options.
  absl::Status Restore(const v1::PenaltyGateState& state);

 private:
  PenaltyGate() = default;
  void Remember(const GateInput& input);
  std::vector<GateCriterion> Judge(const GateInput& input, const GateRecord& medians) const;
  GateEvent Decide(int64_t iteration, bool failure, bool success);
  bool Relaxed() const;

  // Options.
  std::vector<int64_t> allowance_;
  int64_t required_successes_ = 1;
  int64_t freeze_iterations_ = 0;
  int64_t success_freeze_iterations_ = 0;
  int64_t success_step_one_ = -1;
  double success_step_one_ratio_ = 0;
  double success_avoidable_ratio_ = 0;
  double success_early_death_ = 0;
  size_t early_death_window_ = 1;
  double success_p10_ = 0;
  size_t p10_window_ = 1;
  double failure_p10_ = 0;
  double failure_min_final_ = 0;
  int64_t failure_tolerance_ = 1;
  int64_t lock_iteration_ = 0;
  double relax_step_one_ratio_ = 0;
  size_t relax_evals_ = 1;

  // State.
  int64_t stage_ = 0;
  int64_t success_streak_ = 0;
  int64_t failure_streak_ = 0;
  int64_t freeze_until_ = 0;
  bool relaxed_ = false;
  std::deque<double> p10_history_;
  std::deque<double> early_death_history_;
  std::deque<double> step_one_ratio_history_;
};

}  // namespace shoal
