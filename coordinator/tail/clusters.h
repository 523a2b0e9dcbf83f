// Step-one deaths by the predator's velocity.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "coordinator/tail/velocity.h"

namespace shoal {

inline constexpr double kClusterAngleDegrees = 30;
inline constexpr double kClusterSpeed = 0.4;

// The deaths in one bin; a bin contains its start and not its end.
struct VelocityCluster {
  double angle_deg_start = 0;
  double angle_deg_end = 0;
  double speed_bin_start = 0;
  double speed_bin_end = 0;
  int64_t count = 0;
  // Of all deaths given.
  double share = 0;
};

// The bin of a velocity, as bin numbers from 0.
struct ClusterBin {
  int64_t angle = 0;
  int64_t speed = 0;

  friend auto operator<=>(const ClusterBin&, const ClusterBin&) = default;
};
ClusterBin BinOf(const Velocity& velocity);

// The bins that are not empty: largest first, equal ones by angle, then by speed.
std::vector<VelocityCluster> ClusterVelocities(absl::Span<const Velocity> velocities);

// The share of the deaths in clusters that overlap headings of 90 to 150 degrees and whose upper
// speed edge is at least 1.8 ("NE" in the original's words); 0 without deaths.
double NeHighSpeedShare(absl::Span<const VelocityCluster> clusters);

// The share of the largest cluster; 0 without deaths.
double TopClusterShare(absl::Span<const VelocityCluster> clusters);

}  // namespace shoal
