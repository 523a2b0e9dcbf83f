#include "coordinator/tail/clusters.h"

#include <algorithm>
#include <map>

namespace shoal {

ClusterBin BinOf(const Velocity& velocity) {
  // Without the tolerance a speed of exactly 1.2 would fall below the edge 3 * 0.4.
  constexpr double kEdgeTolerance = 1e-9;
  const int64_t angle = static_cast<int64_t>(HeadingDegrees(velocity) / kClusterAngleDegrees);
  const int64_t speed = static_cast<int64_t>(Speed(velocity) / kClusterSpeed + kEdgeTolerance);
  return {angle, speed};
}

std::vector<VelocityCluster> ClusterVelocities(absl::Span<const Velocity> velocities) {
  std::map<ClusterBin, int64_t> counts;
  for (const Velocity& velocity : velocities) ++counts[BinOf(velocity)];
  std::vector<VelocityCluster> clusters;
  for (const auto& [bin, count] : counts) {
    VelocityCluster cluster;
    cluster.angle_deg_start = static_cast<double>(bin.angle) * kClusterAngleDegrees;
    cluster.angle_deg_end = static_cast<double>(bin.angle + 1) * kClusterAngleDegrees;
    // Tenths divided by ten give the double that prints as 1.2, which 3 * 0.4 does not.
    cluster.speed_bin_start = static_cast<double>(bin.speed * 4) / 10;
    cluster.speed_bin_end = static_cast<double>((bin.speed + 1) * 4) / 10;
    cluster.count = count;
    cluster.share = static_cast<double>(count) / static_cast<double>(velocities.size());
    clusters.push_back(cluster);
  }
  // The map's order, angle before speed, is that of equal counts.
  std::stable_sort(
      clusters.begin(), clusters.end(),
      [](const VelocityCluster& a, const VelocityCluster& b) { return a.count > b.count; });
  return clusters;
}

double NeHighSpeedShare(absl::Span<const VelocityCluster> clusters) {
  int64_t total = 0;
  int64_t matching = 0;
  for (const VelocityCluster& cluster : clusters) {
    total += cluster.count;
    if (cluster.angle_deg_start < 150 && cluster.angle_deg_end > 90 &&
        cluster.speed_bin_end >= 1.8) {
      matching += cluster.count;
    }
  }
  return total == 0 ? 0 : static_cast<double>(matching) / static_cast<double>(total);
}

double TopClusterShare(absl::Span<const VelocityCluster> clusters) {
  return clusters.empty() ? 0 : clusters.front().share;
}

}  // namespace shoal
