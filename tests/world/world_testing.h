// Helpers of the world's tests.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "actor/world/rules.h"
#include "actor/world/world.h"
#include "nlohmann/json.hpp"

namespace shoal {

// Tests run from the repository root.
inline nlohmann::json ReadTestData(const std::string& name) {
  std::ifstream file("tests/data/" + name);
  EXPECT_TRUE(file.good()) << "tests/data/" << name << " cannot be read";
  return nlohmann::json::parse(file);
}

// A scene made by hand: fish at given places with given velocities, all alive, at step 0.
inline EnvironmentState Scene(const std::vector<float>& x, const std::vector<float>& y,
                              const std::vector<float>& vx, const std::vector<float>& vy,
                              const Predator& predator) {
  return {0, predator, x, y, vx, vy, std::vector<int32_t>(x.size(), 0)};
}

// Fish `fish` at step `step` (from 1) of the traces' policy "mixed", which covers all actions.
inline uint8_t MixedAction(int step, int fish) {
  return static_cast<uint8_t>((7 * step + 3 * fish + step / 11) % 5);
}

inline std::vector<uint8_t> MixedActions(const World& world, int step) {
  std::vector<uint8_t> actions(static_cast<size_t>(world.num_envs()) * world.stride(), kHold);
  for (int env = 0; env < world.num_envs(); ++env) {
    for (int fish = 0; fish < world.num_fish(); ++fish) {
      actions[static_cast<size_t>(env) * world.stride() + fish] = MixedAction(step, fish);
    }
  }
  return actions;
}

// Fills the actions of environment `env` by a rule; dead fish hold.
inline void RuleActions(const World& world, int env, Rule rule, NumpyRandom* random,
                        std::vector<uint8_t>* actions) {
  std::vector<float> rows(static_cast<size_t>(world.num_fish()) * world.obs_dim());
  std::vector<int32_t> ids(world.num_fish());
  const int count = world.ObserveLiving(env, rows.data(), ids.data());
  std::vector<uint8_t> chosen(count);
  ChooseActions(rule, rows.data(), world.obs_dim(), count, random, chosen.data());
  for (int i = 0; i < count; ++i) {
    (*actions)[static_cast<size_t>(env) * world.stride() + ids[i]] = chosen[i];
  }
}

// Bit for bit.
inline bool operator==(const Predator& a, const Predator& b) {
  return a.x == b.x && a.y == b.y && a.vx == b.vx && a.vy == b.vy;
}

inline bool operator==(const EnvironmentState& a, const EnvironmentState& b) {
  return a.step == b.step && a.predator == b.predator && a.x == b.x && a.y == b.y && a.vx == b.vx &&
         a.vy == b.vy && a.death_step == b.death_step;
}

}  // namespace shoal
