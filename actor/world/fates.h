// Which fish of a scene can be saved at all: a search over the actions of each.
//
// The predator never reads the fish and fish do not touch each other, so that a scene falls apart
// into one search a fish against a predator whose path is known. A step of the search is a step of
// the world, to the last bit.
#pragma once

#include <cstdint>
#include <vector>

#include "actor/world/world.h"

namespace shoal {

enum class FateKind {
  // A sequence of actions was found that brings the fish alive to the horizon.
  kSaved,
  // Every sequence of actions was tried as far as the fish lives, and it dies in all of them.
  kDoomed,
  // Neither, within the limit of the search.
  kOpen,
};

struct Fate {
  FateKind kind = FateKind::kOpen;
  // kDoomed: the step by which the fish is dead whatever it does.
  int32_t last_step = 0;
  // States of the search that were looked into.
  int64_t states = 0;
};

// For an environment just reset or restored, of any step below the horizon: the fate of each of its
// fish that are alive (the dead are kDoomed at their death step). At most `max_states` states a fish.
// `env` is left as it is. A pure function of the world's state.
std::vector<Fate> FindFates(const World& world, int env, int64_t max_states = 1000000);

}  // namespace shoal
