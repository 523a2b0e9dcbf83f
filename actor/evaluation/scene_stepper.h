// One step of a scene that a player plays.
#pragma once

#include <cstdint>
#include <vector>

#include "actor/evaluation/player.h"
#include "actor/world/world.h"

namespace shoal {

// Scratch over fish, for worlds of one environment and of the size of the one it was made for. Not
// thread safe.
class SceneStepper {
 public:
  explicit SceneStepper(const World& world)
      : observations_(static_cast<size_t>(world.num_fish()) * world.obs_dim()),
        fish_(world.num_fish()),
        chosen_(world.num_fish()),
        actions_(world.stride(), kHold) {}

  // Every living fish, of which there is one at least, does what the player chooses.
  void Step(Player& player, World* world) {
    const int count = world->ObserveLiving(0, observations_.data(), fish_.data());
    player.Act(observations_.data(), count, world->obs_dim(), chosen_.data());
    for (int row = 0; row < count; ++row) actions_[fish_[row]] = chosen_[row];
    world->Step(actions_.data());
  }

 private:
  std::vector<float> observations_;
  std::vector<int32_t> fish_;
  std::vector<uint8_t> chosen_;
  std::vector<uint8_t> actions_;
};

}  // namespace shoal
