// step_one_worst_seeds.json: the step-one deaths of a whole run, clustered, with a sample of each
// cluster. It can be given to a tail queue as a mix file as it is.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "coordinator/evaluation/measurements.h"
#include "coordinator/tail/clusters.h"
#include "nlohmann/json.hpp"
#include "shoal/v1/items.pb.h"

namespace shoal {

// An episode of an evaluation and where it stands.
struct EvaluatedScene {
  int64_t evaluation = 0;
  int64_t iteration = 0;
  int32_t scene = 0;
  v1::EvaluationEpisode episode;
};

// Clusters as files have them, each with the sample that was seen first in it:
// {total, angle_bin_deg, speed_bin, clusters: [{angle_deg_start, ..., share, sample}]}.
// samples[i] belongs to velocities[i].
nlohmann::ordered_json ClustersWithSamples(const std::vector<Velocity>& velocities,
                                           const std::vector<nlohmann::ordered_json>& samples);

// A death with where it happened, as samples are written.
nlohmann::ordered_json SampleOf(int64_t iteration, const TrainingDeath& death);
nlohmann::ordered_json SampleOf(const EvaluatedScene& scene, const v1::StepOneDeath& death);

// Collects deaths in the order of commits. Memory is that of the clusters and of the worst scenes,
// however long the run. One thread at a time.
class WorstSeeds {
 public:
  // Scenes of evaluations that are listed by name.
  static constexpr size_t kMaxScenes = 64;

  void AddTraining(int64_t iteration, const std::vector<TrainingDeath>& deaths);
  void AddScene(const EvaluatedScene& scene);

  // {summary: {total, training, evaluation, angle_bin_deg, speed_bin, clusters: [{angle_deg_start,
  // angle_deg_end, speed_bin_start, speed_bin_end, count, share, training, evaluation, sample:
  // {source, iteration, ..., predator_velocity}}]}, scenes: [{seed, evaluation, iteration, scene,
  // step_one_deaths, unavoidable}]}. Clusters: largest first, then by heading and speed; the sample
  // is the first death in it. Scenes: most step-one deaths first, then the earlier.
  std::string Text() const;

 private:
  struct Cluster {
    VelocityCluster edges;
    int64_t training = 0;
    int64_t evaluation = 0;
    nlohmann::ordered_json sample;
    int64_t count() const { return training + evaluation; }
  };
  struct Scene {
    uint64_t seed = 0;
    int64_t evaluation = 0;
    int64_t iteration = 0;
    int32_t scene = 0;
    int64_t deaths = 0;
    int64_t unavoidable = 0;
  };
  // The cluster of a velocity; a new one has no sample yet.
  Cluster& ClusterOf(const Velocity& velocity);

  std::map<ClusterBin, Cluster> clusters_;
  std::vector<Scene> scenes_;
  int64_t training_ = 0;
  int64_t evaluation_ = 0;
};

}  // namespace shoal
