// The row filter `quiet` (RUN): which rows are worth sending to the learner.
#pragma once

#include <cstdint>

#include "common/rng.h"
#include "shoal/v1/items.pb.h"

namespace shoal {

// Keeps rows in which the predator is visible (observation value 5 is 1), rows whose advantage lies
// more than two standard deviations from the mean, and of all others a keyed share. Mean and
// deviation are the plan's, from the iteration before. A plain value; thread safe.
class RowFilter {
 public:
  // Keeps every row where the plan says that no filter is active.
  RowFilter(uint64_t seed, double keep, const v1::IterationPlan& plan);

  // observation: the row's, [obs_dim]; step: of the rollout. The draw of a quiet row is that of
  // (seed, kRowFilter, environment, iteration, step, fish).
  bool Keep(const float* observation, float advantage, uint32_t environment, uint32_t fish,
            uint32_t step) const;

 private:
  KeyedRandom random_;
  uint32_t iteration_;
  double keep_;
  double mean_;
  double band_;
  bool active_;
};

}  // namespace shoal
