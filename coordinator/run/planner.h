// The decisions of a run put together: what iteration i is to be, from everything that is known
// before it. Plan(1), Fold(1), Plan(2), Fold(2), ... in this order; evaluations are judged in
// between, in the order of their numbers, and take effect at the iteration that is fixed for them.
//
// Pure: no gRPC, no clock, no threads; not thread safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "coordinator/evaluation/measurements.h"
#include "coordinator/gate/penalty_gate.h"
#include "coordinator/schedule/coefficients.h"
#include "coordinator/schedule/curriculum.h"
#include "coordinator/schedule/escape_boost.h"
#include "coordinator/schedule/penalty.h"
#include "coordinator/tail/tail_queue.h"
#include "shoal/v1/config.pb.h"
#include "shoal/v1/items.pb.h"

namespace shoal {

// A plan with its part for every environment.
struct PlannedIteration {
  v1::IterationPlan plan;
  std::vector<v1::EnvironmentPlan> environments;
};

// Names what a plan says of every environment: the SHA-256 (hex) that run.db keeps with the plan.
std::string EnvironmentsHash(const std::vector<v1::EnvironmentPlan>& environments);

class Planner {
 public:
  // options must be resolved; stages are the tail queue's files (none: no queue).
  static absl::StatusOr<std::unique_ptr<Planner>> Create(const v1::RunOptions& options,
                                                         std::vector<TailStage> stages);

  int64_t total_iterations() const { return curriculum_.total_iterations(); }
  int num_shards() const;

  // Iterations whose multi-evaluation must be judged before iteration `iteration` can be planned:
  // the largest of them; 0: none.
  int64_t JudgedUpToNeeded(int64_t iteration) const;

  // The next iteration's plan; `iteration` must be one more than the last folded.
  PlannedIteration Plan(int64_t iteration);

  // Before Plan(): the options that may change while a run is on (orders.h) are those of `options`
  // from the next plan on; all others must be as they were. CheckOptions: whether they could be.
  // InvalidArgument: a value that an option may not have.
  absl::Status SetOptions(const v1::RunOptions& options);
  absl::Status CheckOptions(const v1::RunOptions& options) const;
  // Before Plan(): gives each environment's used slots of its current tail stage back.
  void RefillTail() { tail_.Refill(); }

  // Takes the rollouts of the planned iteration in, in shard order. The measurements have everything
  // but the update's figures and the seconds. InvalidArgument where a record contradicts the plan.
  absl::StatusOr<IterationMeasurements> Fold(const v1::IterationPlan& plan,
                                             const std::vector<v1::RolloutRecord>& records);

  // A multi-evaluation in order of iteration; its answer takes effect gate_delay + 1 later.
  // InvalidArgument where a value is not finite.
  absl::StatusOr<GateRecord> Judge(const GateInput& input);

  // Fish in an environment at this iteration.
  int64_t NumFish(int64_t iteration) const { return curriculum_.PhaseOf(iteration).num_fish; }
  // Phase of the curriculum, from 1.
  int64_t PhaseNumber(int64_t iteration) const { return curriculum_.PhaseOf(iteration).phase; }

  // Everything that Plan and Fold carry along, after a Fold and before the next Plan (the gate is
  // restored by judging the same evaluations again).
  std::string SaveState() const;
  // DataLoss where the state cannot be read; FailedPrecondition or InvalidArgument where it does not
  // fit these options or tail files.
  absl::Status RestoreState(const std::string& state);

  // Tail slots that each environment has taken; empty without a queue.
  std::vector<int64_t> TailUsed() const;
  // What is left of the queue after this iteration.
  TailCounters TailState(int64_t iteration) const { return tail_.Counters(iteration); }
  int64_t tail_length() const { return tail_.length(); }
  int64_t gate_stage() const { return gate_.stage(); }

 private:
  // What the gate allows from an iteration on.
  struct GateAnswer {
    int64_t from_iteration;
    int64_t stage;
    int64_t allowed_phase;
  };
  Planner(const v1::RunOptions& options, Curriculum curriculum, PenaltySchedule penalty,
          EntropySchedule entropy, LearningRate learning_rate, EscapeBoost boost, PenaltyGate gate,
          TailQueue tail);
  const GateAnswer& AnswerFor(int64_t iteration) const;
  void PlanTail(int64_t iteration, std::vector<v1::EnvironmentPlan>& environments) const;
  absl::Status ConsumeTail(const std::vector<v1::RolloutRecord>& records);
  void NoteTail(int64_t iteration, IterationMeasurements& measurements) const;

  v1::RunOptions options_;
  Curriculum curriculum_;
  PenaltySchedule penalty_;
  EntropySchedule entropy_;
  LearningRate learning_rate_;
  EscapeBoost boost_;
  PenaltyGate gate_;
  TailQueue tail_;
  // In order of iteration; the first holds from the start.
  std::vector<GateAnswer> answers_;

  // Carried from Fold to Plan.
  int64_t folded_ = 0;
  std::optional<AdvantageMoments> advantages_;
};

}  // namespace shoal
