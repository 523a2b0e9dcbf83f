#include "coordinator/artifacts/worst_seeds.h"

#include <algorithm>

#include "coordinator/evaluation/step_one.h"

namespace shoal {
namespace {

using Json = nlohmann::ordered_json;

}  // namespace

Json SampleOf(int64_t iteration, const TrainingDeath& death) {
  Json sample = {{"source", "training"},
                 {"iteration", iteration},
                 {"environment", death.environment},
                 {"episode", death.episode}};
  sample.update(ToJson(death.death));
  return sample;
}

Json SampleOf(const EvaluatedScene& scene, const v1::StepOneDeath& death) {
  Json sample = {{"source", "evaluation"},
                 {"iteration", scene.iteration},
                 {"scene", scene.scene},
                 {"seed", scene.episode.seed()},
                 {"unavoidable", death.unavoidable()}};
  sample.update(ToJson(death));
  return sample;
}

Json ClustersWithSamples(const std::vector<Velocity>& velocities,
                         const std::vector<Json>& samples) {
  const StepOneSummary summary = SummarizeStepOne(velocities);
  Json json = ToJson(summary);
  for (Json& cluster : json["clusters"]) {
    for (size_t i = 0; i < velocities.size(); ++i) {
      const VelocityCluster own = ClusterVelocities({&velocities[i], 1}).front();
      if (own.angle_deg_start == cluster["angle_deg_start"] &&
          own.speed_bin_start == cluster["speed_bin_start"]) {
        cluster["sample"] = samples[i];
        break;
      }
    }
  }
  return json;
}

WorstSeeds::Cluster& WorstSeeds::ClusterOf(const Velocity& velocity) {
  Cluster& cluster = clusters_[BinOf(velocity)];
  if (cluster.sample.is_null()) cluster.edges = ClusterVelocities({&velocity, 1}).front();
  return cluster;
}

void WorstSeeds::AddTraining(int64_t iteration, const std::vector<TrainingDeath>& deaths) {
  const std::vector<Velocity> velocities = VelocitiesOf(deaths);
  for (size_t i = 0; i < deaths.size(); ++i) {
    Cluster& cluster = ClusterOf(velocities[i]);
    if (cluster.sample.is_null()) cluster.sample = SampleOf(iteration, deaths[i]);
    ++cluster.training;
    ++training_;
  }
}

void WorstSeeds::AddScene(const EvaluatedScene& scene) {
  const auto& list = scene.episode.step_one_deaths();
  if (list.empty()) return;
  const std::vector<v1::StepOneDeath> deaths(list.begin(), list.end());
  const std::vector<Velocity> velocities = VelocitiesOf(deaths);
  Scene entry = {scene.episode.seed(), scene.evaluation, scene.iteration, scene.scene, 0, 0};
  for (size_t i = 0; i < deaths.size(); ++i) {
    Cluster& cluster = ClusterOf(velocities[i]);
    if (cluster.sample.is_null()) cluster.sample = SampleOf(scene, deaths[i]);
    ++cluster.evaluation;
    ++evaluation_;
    ++entry.deaths;
    if (deaths[i].unavoidable()) ++entry.unavoidable;
  }
  const auto place =
      std::upper_bound(scenes_.begin(), scenes_.end(), entry,
                       [](const Scene& a, const Scene& b) { return a.deaths > b.deaths; });
  scenes_.insert(place, entry);
  if (scenes_.size() > kMaxScenes) scenes_.pop_back();
}

std::string WorstSeeds::Text() const {
  std::vector<const Cluster*> order;
  for (const auto& [bin, cluster] : clusters_) order.push_back(&cluster);
  std::stable_sort(order.begin(), order.end(),
                   [](const Cluster* a, const Cluster* b) { return a->count() > b->count(); });
  const int64_t total = training_ + evaluation_;
  Json clusters = Json::array();
  for (const Cluster* cluster : order) {
    VelocityCluster numbers = cluster->edges;
    numbers.count = cluster->count();
    numbers.share = static_cast<double>(numbers.count) / static_cast<double>(total);
    Json json = ToJson(numbers);
    json["training"] = cluster->training;
    json["evaluation"] = cluster->evaluation;
    json["sample"] = cluster->sample;
    clusters.push_back(std::move(json));
  }
  Json scenes = Json::array();
  for (const Scene& scene : scenes_) {
    scenes.push_back({{"seed", scene.seed},
                      {"evaluation", scene.evaluation},
                      {"iteration", scene.iteration},
                      {"scene", scene.scene},
                      {"step_one_deaths", scene.deaths},
                      {"unavoidable", scene.unavoidable}});
  }
  const Json json = {{"summary",
                      {{"total", total},
                       {"training", training_},
                       {"evaluation", evaluation_},
                       {"angle_bin_deg", kClusterAngleDegrees},
                       {"speed_bin", kClusterSpeed},
                       {"clusters", std::move(clusters)}}},
                     {"scenes", std::move(scenes)}};
  return json.dump(1) + "\n";
}

}  // namespace shoal
