// Generalised advantage estimation over the trajectories of a rollout.
#pragma once

#include <cstdint>
#include <span>

namespace shoal {

// What comes after a row, as one number a row: the trajectory goes on with the next row, it ended
// for good, or (0 and above) it is cut and continues in the value of a further observation, whose
// index the number is.
using RowEnd = int32_t;
inline constexpr RowEnd kContinues = -1;
inline constexpr RowEnd kTerminated = -2;

struct GaeOptions {
  double gamma = 0;
  double lambda = 0;
};

// Schulman, Moritz, Levine, Jordan, Abbeel: "High-dimensional continuous control using generalized
// advantage estimation" (2016), equations 11 to 16: from a trajectory's last row to its first,
//   delta = reward + gamma * V(next) - V,   advantage = delta + gamma * lambda * advantage(next),
//   return = advantage + V,
// where V(next) is the next row's value, 0 after a termination, or the bootstrap value after a cut;
// advantage(next) is 0 at a trajectory's end. Computed in double, rounded when stored.
//
// All spans are over the N rows in the order of trajectories, each trajectory's steps ascending and
// together; only `bootstrap_values` is indexed by RowEnd. `order[i]` is where row i lies in
// `rewards`, `values` and `ends` (collected in another order); results are written in row order.
// The last row of all must not continue. Pure, thread safe; never fails.
void ComputeGae(const GaeOptions& options, std::span<const int32_t> order,
                std::span<const float> rewards, std::span<const float> values,
                std::span<const RowEnd> ends, std::span<const float> bootstrap_values,
                std::span<float> advantages, std::span<float> returns);

}  // namespace shoal
