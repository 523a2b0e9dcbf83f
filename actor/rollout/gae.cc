#include "actor/rollout/gae.h"

namespace shoal {

void ComputeGae(const GaeOptions& options, std::span<const int32_t> order,
                std::span<const float> rewards, std::span<const float> values,
                std::span<const RowEnd> ends, std::span<const float> bootstrap_values,
                std::span<float> advantages, std::span<float> returns) {
  double next_value = 0;
  double next_advantage = 0;
  for (int64_t row = static_cast<int64_t>(order.size()) - 1; row >= 0; --row) {
    const int32_t at = order[row];
    if (ends[at] != kContinues) {
      next_value = ends[at] == kTerminated ? 0.0 : double{bootstrap_values[ends[at]]};
      next_advantage = 0;
    }
    const double value = values[at];
    const double delta = rewards[at] + options.gamma * next_value - value;
    const double advantage = delta + options.gamma * options.lambda * next_advantage;
    advantages[row] = static_cast<float>(advantage);
    returns[row] = static_cast<float>(advantage + value);
    next_value = value;
    next_advantage = advantage;
  }
}

}  // namespace shoal
