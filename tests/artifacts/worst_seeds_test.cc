#include "coordinator/artifacts/worst_seeds.h"

#include "coordinator/tail/mix_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal {
namespace {

using testing::ElementsAre;
using Json = nlohmann::ordered_json;

v1::StepOneDeath DeathOf(int fish, float vx, float vy) {
  v1::StepOneDeath death;
  death.set_fish_index(fish);
  death.mutable_predator_velocity()->set_x(vx);
  death.mutable_predator_velocity()->set_y(vy);
  return death;
}

EvaluatedScene SceneOf(int32_t scene, std::vector<v1::StepOneDeath> deaths) {
  EvaluatedScene result;
  result.evaluation = 1;
  result.iteration = 20;
  result.scene = scene;
  result.episode.set_seed(1000 + static_cast<uint64_t>(scene));
  for (const v1::StepOneDeath& death : deaths) *result.episode.add_step_one_deaths() = death;
  return result;
}

TEST(WorstSeedsTest, CountsClustersAndKeepsTheFirstSample) {
  WorstSeeds seeds;
  seeds.AddTraining(3, {{5, 2, DeathOf(1, 1.5f, 0.0f)}, {6, 0, DeathOf(2, 0.0f, 0.5f)}});
  v1::StepOneDeath unavoidable = DeathOf(4, 0.1f, 0.6f);
  unavoidable.set_unavoidable(true);
  seeds.AddScene(SceneOf(0, {}));
  seeds.AddScene(SceneOf(1, {DeathOf(3, 0.0f, 0.45f)}));
  seeds.AddScene(SceneOf(2, {DeathOf(3, -0.1f, 0.5f), unavoidable}));
  const Json json = Json::parse(seeds.Text());
  EXPECT_EQ(json["summary"]["total"], 5);
  EXPECT_EQ(json["summary"]["training"], 2);
  EXPECT_EQ(json["summary"]["evaluation"], 3);
  const Json& clusters = json["summary"]["clusters"];
  ASSERT_EQ(clusters.size(), 3u);
  // Heading 90, speed 0.5: one of training and two of evaluations, the sample of training.
  EXPECT_EQ(clusters[0]["angle_deg_start"], 90);
  EXPECT_EQ(clusters[0]["speed_bin_start"], 0.4);
  EXPECT_EQ(clusters[0]["count"], 3);
  EXPECT_EQ(clusters[0]["share"], 0.6);
  EXPECT_EQ(clusters[0]["training"], 1);
  EXPECT_EQ(clusters[0]["evaluation"], 2);
  EXPECT_EQ(clusters[0]["sample"]["source"], "training");
  EXPECT_EQ(clusters[0]["sample"]["environment"], 6);
  EXPECT_EQ(clusters[0]["sample"]["predator_velocity"].dump(), "[0.0,0.5]");
  // Equal counts go by heading.
  EXPECT_EQ(clusters[1]["angle_deg_start"], 0);
  EXPECT_EQ(clusters[2]["angle_deg_start"], 60);
  EXPECT_EQ(clusters[2]["sample"]["seed"], 1002);
  EXPECT_EQ(clusters[2]["sample"]["unavoidable"], true);
  ASSERT_EQ(json["scenes"].size(), 2u);
  EXPECT_EQ(json["scenes"][0]["seed"], 1002);
  EXPECT_EQ(json["scenes"][0]["step_one_deaths"], 2);
  EXPECT_EQ(json["scenes"][0]["unavoidable"], 1);
  EXPECT_EQ(json["scenes"][1]["seed"], 1001);
}

TEST(WorstSeedsTest, CanBeReadAsAMixAndAsDeaths) {
  WorstSeeds seeds;
  seeds.AddTraining(3, {{0, 0, DeathOf(1, 0.1f, 0.2f)},
                        {0, 1, DeathOf(1, 0.11f, 0.2f)},
                        {0, 2, DeathOf(1, -1.5f, 0.3f)}});
  const auto mix = ReadMix(seeds.Text(), "step_one_worst_seeds.json");
  ASSERT_TRUE(mix.ok()) << mix.status();
  EXPECT_THAT(*mix, ElementsAre(Velocity{0.1, 0.2}, Velocity{-1.5, 0.3}));
  const auto deaths = ReadDeaths(seeds.Text(), "step_one_worst_seeds.json");
  ASSERT_TRUE(deaths.ok()) << deaths.status();
  EXPECT_EQ(deaths->size(), 3u);
}

TEST(WorstSeedsTest, ListsTheWorstScenesOnly) {
  WorstSeeds seeds;
  const v1::StepOneDeath death = DeathOf(0, 1, 0);
  for (int32_t scene = 0; scene < 100; ++scene) {
    seeds.AddScene(
        SceneOf(scene, scene % 10 == 9 ? std::vector{death, death} : std::vector{death}));
  }
  const Json json = Json::parse(seeds.Text());
  ASSERT_EQ(json["scenes"].size(), WorstSeeds::kMaxScenes);
  EXPECT_EQ(json["scenes"][0]["scene"], 9);
  EXPECT_EQ(json["scenes"][9]["scene"], 99);
  EXPECT_EQ(json["scenes"][10]["scene"], 0);
  EXPECT_EQ(json["summary"]["total"], 110);
}

TEST(WorstSeedsTest, IsValidWithoutDeaths) {
  const Json json = Json::parse(WorstSeeds().Text());
  EXPECT_EQ(json["summary"]["total"], 0);
  EXPECT_TRUE(json["summary"]["clusters"].empty());
}

TEST(ClustersWithSamplesTest, GivesEachClusterTheFirstOfItsOwn) {
  const std::vector<Velocity> velocities = {{0.0, 1.0}, {1.0, 0.0}, {0.0, 1.1}};
  const Json json = ClustersWithSamples(velocities, {"a", "b", "c"});
  EXPECT_EQ(json["total"], 3);
  EXPECT_EQ(json["clusters"][0]["count"], 2);
  EXPECT_EQ(json["clusters"][0]["sample"], "a");
  EXPECT_EQ(json["clusters"][1]["sample"], "b");
}

}  // namespace
}  // namespace shoal
