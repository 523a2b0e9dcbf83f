#include "coordinator/evaluation/step_one.h"

#include <charconv>
#include <cmath>

#include "nlohmann/json.hpp"

namespace shoal {
namespace {

Velocity VelocityOf(const v1::StepOneDeath& death) {
  return {death.predator_velocity().x(), death.predator_velocity().y()};
}

// The shortest decimal that names the float, as a number of JSON: 0.1f is 0.1 and not
// 0.10000000149011612. Rounded to float it is the same again.
nlohmann::ordered_json FloatJson(float value) {
  if (!std::isfinite(value)) return nullptr;
  char text[32];
  const std::to_chars_result end = std::to_chars(text, text + sizeof(text), value);
  double shortest = 0;
  std::from_chars(text, end.ptr, shortest);
  return shortest;
}

}  // namespace

std::vector<Velocity> VelocitiesOf(std::span<const v1::StepOneDeath> deaths) {
  std::vector<Velocity> result;
  result.reserve(deaths.size());
  for (const v1::StepOneDeath& death : deaths) result.push_back(VelocityOf(death));
  return result;
}

std::vector<Velocity> VelocitiesOf(std::span<const TrainingDeath> deaths) {
  std::vector<Velocity> result;
  result.reserve(deaths.size());
  for (const TrainingDeath& death : deaths) result.push_back(VelocityOf(death.death));
  return result;
}

bool IsSound(const v1::StepOneDeath& death) {
  constexpr double kMaxSpeed = 1e6;  // far beyond any predator's, far below what a bin can count
  const auto finite = [](const v1::Vector2& v) {
    return std::isfinite(v.x()) && std::isfinite(v.y());
  };
  return finite(death.fish_position()) && finite(death.predator_position()) &&
         finite(death.predator_velocity()) && Speed(VelocityOf(death)) <= kMaxSpeed;
}

StepOneSummary SummarizeStepOne(std::span<const Velocity> velocities) {
  StepOneSummary result;
  result.total = static_cast<int64_t>(velocities.size());
  result.clusters = ClusterVelocities({velocities.data(), velocities.size()});
  result.top_share = TopClusterShare(result.clusters);
  result.ne_high_speed_share = NeHighSpeedShare(result.clusters);
  return result;
}

nlohmann::ordered_json ToJson(const v1::Vector2& vector) {
  return nlohmann::ordered_json::array({FloatJson(vector.x()), FloatJson(vector.y())});
}

nlohmann::ordered_json ToJson(const v1::StepOneDeath& death) {
  return {{"fish_idx", death.fish_index()},
          {"predator_index", 0},
          {"fish_position", ToJson(death.fish_position())},
          {"predator_position", ToJson(death.predator_position())},
          {"predator_velocity", ToJson(death.predator_velocity())}};
}

nlohmann::ordered_json ToJson(const VelocityCluster& cluster) {
  return {{"angle_deg_start", cluster.angle_deg_start},
          {"angle_deg_end", cluster.angle_deg_end},
          {"speed_bin_start", cluster.speed_bin_start},
          {"speed_bin_end", cluster.speed_bin_end},
          {"count", cluster.count},
          {"share", cluster.share}};
}

nlohmann::ordered_json ToJson(const StepOneSummary& summary) {
  nlohmann::ordered_json clusters = nlohmann::ordered_json::array();
  for (const VelocityCluster& cluster : summary.clusters) clusters.push_back(ToJson(cluster));
  return {{"total", summary.total},
          {"angle_bin_deg", kClusterAngleDegrees},
          {"speed_bin", kClusterSpeed},
          {"clusters", std::move(clusters)}};
}

}  // namespace shoal
