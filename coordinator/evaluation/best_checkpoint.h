// Which checkpoint a run is remembered for.
#pragma once

#include <cstdint>
#include <optional>

#include "coordinator/evaluation/summary.h"
#include "shoal/v1/config.pb.h"

namespace shoal {

// What the rule looks at of one multi-evaluation.
struct BestCandidate {
  int64_t iteration = 0;
  int64_t step_one_deaths = 0;
  double avoidable_step_one_ratio = 0;
  double early_death = 0;  // share of the fish that died before step 100
  double avg_final_survival = 0;
};
BestCandidate CandidateOf(int64_t iteration, const EvaluationSummary& summary);

// Among the evaluations that satisfy every limit that is on: the fewest step-one deaths, then the
// least early death, then the highest average final survival, then the earlier iteration. So the
// order of the offers does not matter. Not thread-safe.
class BestCheckpoint {
 public:
  // Limits: best_checkpoint_max_step_one (< 0: off), best_checkpoint_max_avoidable_step_one_ratio
  // (0: off), best_checkpoint_max_early_death (always on; 1 admits everything). They compare with a
  // tolerance of 1e-9.
  explicit BestCheckpoint(const v1::RunOptions& options);

  // Whether it satisfies the limits.
  bool Admits(const BestCandidate& candidate) const;

  // Considers an evaluation; true if it is the best now.
  bool Offer(const BestCandidate& candidate);

  // Empty while no evaluation satisfied the limits; the last checkpoint stands in for it then.
  const std::optional<BestCandidate>& best() const { return best_; }

 private:
  int64_t max_step_one_;
  double max_avoidable_ratio_;
  double max_early_death_;
  std::optional<BestCandidate> best_;
};

}  // namespace shoal
