#include "actor/rollout/row_filter.h"

#include <cmath>

namespace shoal {

RowFilter::RowFilter(uint64_t seed, double keep, const v1::IterationPlan& plan)
    : random_(seed, RandomPurpose::kRowFilter),
      iteration_(static_cast<uint32_t>(plan.iteration())),
      keep_(keep),
      mean_(plan.advantage_mean()),
      band_(2 * plan.advantage_std()),
      active_(plan.row_filter_active()) {}

bool RowFilter::Keep(const float* observation, float advantage, uint32_t environment, uint32_t fish,
                     uint32_t step) const {
  if (!active_ || observation[5] > 0.5f) return true;
  if (std::abs(double{advantage} - mean_) > band_) return true;
  return UniformDouble(random_.Bits(environment, iteration_, step, fish)) < keep_;
}

}  // namespace shoal
