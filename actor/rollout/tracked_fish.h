// The fish of an environment whose trajectories teach (WORLD: "Who learns"): drawn at an episode's
// start, each replaced when it dies.
#pragma once

#include <cstdint>
#include <vector>

#include "common/rng.h"

namespace shoal {

// Says a slot for which no fish is left.
inline constexpr int32_t kNoFish = -1;

// min(slots, num_fish) distinct fish, by slot: the first steps of a Fisher-Yates shuffle of all
// ids, slot s drawn with (environment, episode, 0, s). `random` has the purpose kTrackedFish.
void DrawTrackedFish(const KeyedRandom& random, uint32_t environment, uint32_t episode, int slots,
                     int num_fish, std::vector<int32_t>* tracked);

// Replaces every tracked fish that is dead, in the order of slots, by the living untracked fish
// with the next higher id, cyclically; kNoFish where there is none. alive: [num_fish], 0 for the
// dead.
void ReplaceDeadFish(const uint8_t* alive, int num_fish, std::vector<int32_t>* tracked);

// The lowest living id above `previous`, cyclically; kNoFish if no fish is alive. previous is -1 or
// an id. alive: [num_fish].
int32_t NextLivingFish(const uint8_t* alive, int num_fish, int32_t previous);

}  // namespace shoal
