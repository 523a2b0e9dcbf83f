// Step-one deaths as the files have them: the deaths themselves and their clusters.
//
// Pure and thread-safe.
#pragma once

#include <span>
#include <vector>

#include "coordinator/evaluation/measurements.h"
#include "coordinator/tail/clusters.h"
#include "coordinator/tail/velocity.h"
#include "nlohmann/json_fwd.hpp"
#include "shoal/v1/items.pb.h"

namespace shoal {

// The predator's velocity of every death, in their order.
std::vector<Velocity> VelocitiesOf(std::span<const v1::StepOneDeath> deaths);
std::vector<Velocity> VelocitiesOf(std::span<const TrainingDeath> deaths);

// All coordinates are finite and the predator's speed is one that can be binned.
bool IsSound(const v1::StepOneDeath& death);

struct StepOneSummary {
  int64_t total = 0;
  std::vector<VelocityCluster> clusters;  // largest first
  // 0 without deaths.
  double top_share = 0;
  double ne_high_speed_share = 0;
};
// Velocities of deaths that are sound.
StepOneSummary SummarizeStepOne(std::span<const Velocity> velocities);

// {fish_idx, predator_index, fish_position, predator_position, predator_velocity}; there is one
// predator, of index 0. Coordinates are the shortest decimals that name the float.
nlohmann::ordered_json ToJson(const v1::StepOneDeath& death);
nlohmann::ordered_json ToJson(const v1::Vector2& vector);

// {angle_deg_start, angle_deg_end, speed_bin_start, speed_bin_end, count, share}
nlohmann::ordered_json ToJson(const VelocityCluster& cluster);

// {total, angle_bin_deg, speed_bin, clusters: [...]}
nlohmann::ordered_json ToJson(const StepOneSummary& summary);

}  // namespace shoal
