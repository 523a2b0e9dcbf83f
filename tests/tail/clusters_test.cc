#include "coordinator/tail/clusters.h"

#include <cmath>
#include <numbers>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal {
namespace {

Velocity At(double heading, double speed) {
  const double radians = heading * std::numbers::pi / 180;
  return {speed * std::cos(radians), speed * std::sin(radians)};
}

TEST(ClusterVelocities, BinsBySizeThenAngleThenSpeed) {
  const std::vector<Velocity> deaths = {At(200, 0.5), At(45, 1.0),  At(45, 0.1), At(95, 1.9),
                                        At(95, 1.7),  At(209, 0.7), At(359, 0.1)};
  const auto clusters = ClusterVelocities(deaths);
  ASSERT_EQ(clusters.size(), 5u);
  const double expected[5][4] = {{90, 1.6, 2, 2.0 / 7},
                                 {180, 0.4, 2, 2.0 / 7},
                                 {30, 0, 1, 1.0 / 7},
                                 {30, 0.8, 1, 1.0 / 7},
                                 {330, 0, 1, 1.0 / 7}};
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(clusters[i].angle_deg_start, expected[i][0]) << i;
    EXPECT_EQ(clusters[i].angle_deg_end, expected[i][0] + 30) << i;
    EXPECT_EQ(clusters[i].speed_bin_start, expected[i][1]) << i;
    EXPECT_NEAR(clusters[i].speed_bin_end, expected[i][1] + 0.4, 1e-12) << i;
    EXPECT_EQ(clusters[i].count, expected[i][2]) << i;
    EXPECT_DOUBLE_EQ(clusters[i].share, expected[i][3]) << i;
  }
  EXPECT_DOUBLE_EQ(TopClusterShare(clusters), 2.0 / 7);
}

TEST(ClusterVelocities, EdgesBelongToTheUpperBin) {
  EXPECT_EQ(BinOf({1.2, 0}), (ClusterBin{0, 3}));
  EXPECT_EQ(BinOf({0, 0}), (ClusterBin{0, 0}));
  EXPECT_EQ(BinOf({0, 1}), (ClusterBin{3, 2}));
  EXPECT_EQ(BinOf({-1, 0}), (ClusterBin{6, 2}));
  EXPECT_EQ(BinOf({0, -1}), (ClusterBin{9, 2}));
  EXPECT_EQ(BinOf({1, -1e-300}), (ClusterBin{0, 2})) << "360 is 0";
  EXPECT_EQ(BinOf({1, -1e-3}), (ClusterBin{11, 2}));
  const Velocity fast[] = {{1.3, 0}};
  EXPECT_EQ(ClusterVelocities(fast)[0].speed_bin_start, 1.2) << "the double that prints as 1.2";
}

TEST(NeHighSpeedShare, CountsClustersThatReachIntoIt) {
  EXPECT_EQ(NeHighSpeedShare({}), 0);
  EXPECT_EQ(TopClusterShare({}), 0);
  // Of 22, as at the second published evaluation: two that count, 9.1 %.
  std::vector<Velocity> deaths(16, At(200, 0.5));
  deaths.push_back(At(91, 1.65));   // its bin ends at 2.0
  deaths.push_back(At(149, 3));     // any faster bin
  deaths.push_back(At(100, 1.59));  // its bin ends at 1.6
  deaths.push_back(At(151, 2));
  deaths.push_back(At(89, 2));
  deaths.push_back(At(270, 2));
  EXPECT_DOUBLE_EQ(NeHighSpeedShare(ClusterVelocities(deaths)), 2.0 / 22);
}

}  // namespace
}  // namespace shoal
