// Survivors of whole evaluation banks under the rule policies against an independent model of
// WORLD.md (tests/data/world_banks.json), and the published ceilings of those banks.
#include <gtest/gtest.h>

#include <cstdlib>
#include <numeric>

#include "tests/world/world_testing.h"

namespace shoal {
namespace {

using nlohmann::json;

constexpr int kFish = 96;

// All scenes of a bank as one batch, just reset.
World BankWorld(uint64_t bank, int scenes, double boost) {
  WorldOptions options;
  options.include_neighbor_features = false;
  World world(options, scenes, kFish);
  const std::vector<uint64_t> seeds = BankSeeds(bank, scenes);
  for (int env = 0; env < scenes; ++env) world.Reset(env, {seeds[env], boost, {}});
  return world;
}

struct BankResult {
  std::vector<int> alive;
  std::vector<int> step_one;
};

BankResult RunBank(uint64_t bank, int scenes, Rule rule) {
  World world = BankWorld(bank, scenes, 0.8);
  std::vector<uint8_t> actions(static_cast<size_t>(scenes) * world.stride(), kHold);
  BankResult result;
  for (int step = 1; step <= kHorizon; ++step) {
    for (int env = 0; env < scenes; ++env) RuleActions(world, env, rule, nullptr, &actions);
    world.Step(actions.data());
    if (step == 1) {
      for (int env = 0; env < scenes; ++env) result.step_one.push_back(world.new_deaths(env));
    }
  }
  for (int env = 0; env < scenes; ++env) result.alive.push_back(world.alive_count(env));
  return result;
}

int SumOfDifferences(const std::vector<int>& a, const std::vector<int>& b) {
  int sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
  return sum;
}

void ExpectBank(const std::string& name, uint64_t bank, int scenes) {
  const json banks = ReadTestData("world_banks.json");
  int rules = 0;
  for (const auto& [key, expected] : banks.items()) {
    if (key.rfind(name + ":", 0) != 0) continue;
    ++rules;
    const absl::StatusOr<Rule> rule = FindRule(key.substr(name.size() + 1));
    ASSERT_TRUE(rule.ok()) << rule.status();
    const BankResult result = RunBank(bank, scenes, *rule);
    const std::vector<int> alive = expected["alive"];
    ASSERT_EQ(alive.size(), static_cast<size_t>(scenes));
    EXPECT_EQ(result.step_one, expected["step_one"].get<std::vector<int>>()) << key;
    // Over 500 steps the last bits of trigonometry may decide a fish; nothing more.
    const int differences = SumOfDifferences(result.alive, alive);
    testing::Test::RecordProperty(key, differences);
    EXPECT_LE(differences, scenes * kFish / 300) << key;
  }
  EXPECT_EQ(rules, 8);
}

TEST(GoldenBanks, Bank481001) { ExpectBank("dev_481001", 481001, 12); }

TEST(GoldenBanks, Bank412000) { ExpectBank("bank_412000", 412000, 40); }

// Unavoidable step-one deaths of each dozen of scenes.
std::vector<int> UnavoidableByDozen(uint64_t bank, int scenes, double boost) {
  const World world = BankWorld(bank, scenes, boost);
  std::vector<int> counts((scenes + 11) / 12, 0);
  for (int env = 0; env < scenes; ++env) {
    const std::vector<uint8_t> unavoidable = UnavoidableStepOneDeaths(world, env);
    EXPECT_EQ(unavoidable.size(), static_cast<size_t>(kFish));
    counts[env / 12] += std::accumulate(unavoidable.begin(), unavoidable.end(), 0);
  }
  return counts;
}

TEST(UnavoidableStepOneDeaths, ReproduceThePublishedCounts) {
  EXPECT_EQ(UnavoidableByDozen(411232, 72, 0.80), (std::vector<int>{20, 19, 14, 24, 13, 21}));
  EXPECT_EQ(UnavoidableByDozen(411232, 72, 0.75), (std::vector<int>{20, 20, 16, 26, 13, 21}));
}

TEST(UnavoidableStepOneDeaths, AreThePublishedCeilingsOfTheBanks) {
  const auto ceiling = [](uint64_t bank, int scenes) {
    const std::vector<int> counts = UnavoidableByDozen(bank, scenes, 0.8);
    return 1.0 - std::accumulate(counts.begin(), counts.end(), 0) / (1.0 * scenes * kFish);
  };
  EXPECT_NEAR(ceiling(481001, 12), 0.9896, 5e-5);
  EXPECT_NEAR(ceiling(412000, 40), 0.9862, 5e-5);
}

}  // namespace
}  // namespace shoal
