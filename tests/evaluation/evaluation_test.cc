#include "actor/evaluation/evaluation.h"

#include <algorithm>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "actor/world/numpy_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/policy/random_policy.h"

namespace shoal {
namespace {

using ::testing::HasSubstr;

WorldOptions Standard(bool neighbors = false) {
  WorldOptions options = StandardWorldOptions();
  options.include_neighbor_features = neighbors;
  return options;
}

v1::EvaluationEpisode Play(uint64_t seed, Player& player) {
  absl::StatusOr<v1::EvaluationEpisode> episode =
      PlayScene(Standard(), seed, kStandardFish, kStandardBoost, player);
  EXPECT_TRUE(episode.ok()) << episode.status();
  return episode.ok() ? *std::move(episode) : v1::EvaluationEpisode();
}

int Alive(const v1::EvaluationEpisode& episode) {
  return static_cast<int>(std::count(episode.death_step().begin(), episode.death_step().end(), 0u));
}

// Always the same action.
class ConstantBackend : public PolicyBackend {
 public:
  explicit ConstantBackend(int action) : action_(action) {}
  void Logits(const float*, int64_t rows, float* logits) override {
    for (int64_t i = 0; i < rows * 5; ++i) logits[i] = i % 5 == action_ ? 1.0f : 0.0f;
  }
  void Values(const float*, int64_t rows, float* values) override {
    std::fill_n(values, rows, 0.0f);
  }
  std::string kernel_id() const override { return "constant"; }

 private:
  const int action_;
};

class GoldenBank : public ::testing::TestWithParam<const char*> {};

// The published tables: alive and step-one deaths scene by scene, and the fish that nothing saves,
// which set the bank's ceiling of 0.9896.
TEST_P(GoldenBank, RulePlaysAsPublished) {
  std::ifstream file("tests/data/world_banks.json");
  ASSERT_TRUE(file) << "run from the repository root";
  const nlohmann::json banks = nlohmann::json::parse(file);
  const nlohmann::json& bank = banks.at(std::string("dev_481001:") + GetParam());
  const std::vector<uint64_t> seeds = BankSeeds(481001, 12);
  RulePlayer player(*FindRule(GetParam()));
  int unavoidable = 0;
  for (size_t scene = 0; scene < seeds.size(); ++scene) {
    const v1::EvaluationEpisode episode = Play(seeds[scene], player);
    EXPECT_EQ(Alive(episode), bank["alive"][scene].get<int>());
    EXPECT_EQ(episode.step_one_deaths_size(), bank["step_one"][scene].get<int>());
    EXPECT_EQ(episode.length(), 500);
    for (const v1::StepOneDeath& death : episode.step_one_deaths()) {
      unavoidable += death.unavoidable();
      EXPECT_EQ(episode.death_step(death.fish_index()), 1u);
    }
  }
  EXPECT_NEAR(1.0 - unavoidable / (12.0 * kStandardFish), 0.9896, 5e-5);
}

INSTANTIATE_TEST_SUITE_P(Rules, GoldenBank,
                         ::testing::Values("hold", "accelerate", "decelerate", "turn_left",
                                           "turn_right", "flee", "flee_lead", "safe_top"));

TEST(PlayScene, GreedyPolicyIsARuleOfItsLogits) {
  ConstantBackend backend(3);
  GreedyPlayer greedy(&backend);
  RulePlayer decelerate(Rule::kDecelerate);
  EXPECT_EQ(Play(774941881, greedy).SerializeAsString(),
            Play(774941881, decelerate).SerializeAsString());
}

TEST(PlayScene, RecordsHowThePredatorBegan) {
  RulePlayer player(Rule::kHold);
  const v1::EvaluationEpisode episode = Play(774941881, player);
  EXPECT_EQ(episode.seed(), 774941881u);
  EXPECT_EQ(episode.num_fish(), kStandardFish);
  EXPECT_EQ(episode.death_step_size(), kStandardFish);
  EXPECT_GT(episode.start().spawn_radius(), 0);
  EXPECT_LE(episode.start().spawn_radius(), 1.6);
  EXPECT_NEAR(episode.start().initial_speed(), 1.5, 1e-6);
  EXPECT_GT(episode.start().final_speed(), 0);
  EXPECT_LT(episode.start().final_heading(), 360);
}

TEST(PlayScene, RandomRuleDependsOnTheSceneOnly) {
  RulePlayer player(Rule::kRandom);
  const std::string first = Play(1, player).SerializeAsString();
  Play(2, player);
  EXPECT_EQ(Play(1, player).SerializeAsString(), first);
}

TEST(PlayScene, EndsWhenNoFishIsAlive) {
  // A lone fish that swims on until it is caught, in some scene.
  RulePlayer player(Rule::kAccelerate);
  int ended = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const v1::EvaluationEpisode episode = *PlayScene(Standard(), seed, 1, kStandardBoost, player);
    if (Alive(episode) > 0) {
      EXPECT_EQ(episode.length(), 500);
    } else {
      EXPECT_EQ(episode.length(), static_cast<int>(episode.death_step(0)));
      ++ended;
    }
  }
  EXPECT_GT(ended, 0);
}

TEST(PlayScene, RefusesWhatIsNoScene) {
  RulePlayer player(Rule::kHold);
  EXPECT_THAT(PlayScene(Standard(), 5, 0, 0.8, player).status().message(),
              HasSubstr("scene 5: 0 fish; 1 to 4096 are right"));
  EXPECT_THAT(PlayScene(Standard(), 5, 3, 1.5, player).status().message(),
              HasSubstr("escape boost speed 1.5"));
}

TEST(ComputeEvaluation, SameItemSameBytesInTheRunsOwnWorld) {
  v1::RunOptions options;
  options.set_predator_pre_roll_steps(3);
  absl::StatusOr<std::unique_ptr<PolicyBackend>> backend =
      CreateFusedBackend(RandomPolicy({16}, true, Activation::kRelu, 5));
  ASSERT_TRUE(backend.ok()) << backend.status();
  v1::EvaluationItem item;
  item.set_seed(1153548809);
  item.set_num_fish(30);
  item.set_escape_boost_speed(0.76);
  const absl::StatusOr<v1::EvaluationEpisode> one = ComputeEvaluation(options, item, **backend);
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(one->death_step_size(), 30);
  const absl::StatusOr<v1::EvaluationEpisode> again = ComputeEvaluation(options, item, **backend);
  EXPECT_EQ(again->SerializeAsString(), one->SerializeAsString());
  options.set_predator_pre_roll_steps(4);
  const absl::StatusOr<v1::EvaluationEpisode> other = ComputeEvaluation(options, item, **backend);
  EXPECT_NE(other->SerializeAsString(), one->SerializeAsString());

  options.set_predator_heading_bias("north");
  EXPECT_THAT(ComputeEvaluation(options, item, **backend).status().message(),
              HasSubstr("--predator_heading_bias"));
}

}  // namespace
}  // namespace shoal
