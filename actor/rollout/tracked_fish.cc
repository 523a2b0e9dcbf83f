#include "actor/rollout/tracked_fish.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace shoal {

void DrawTrackedFish(const KeyedRandom& random, uint32_t environment, uint32_t episode, int slots,
                     int num_fish, std::vector<int32_t>* tracked) {
  tracked->resize(num_fish);
  std::iota(tracked->begin(), tracked->end(), 0);
  slots = std::min(slots, num_fish);
  for (int slot = 0; slot < slots; ++slot) {
    const uint64_t offset = BoundedInt(random.Bits(environment, episode, 0, slot), num_fish - slot);
    std::swap((*tracked)[slot], (*tracked)[slot + offset]);
  }
  tracked->resize(slots);
}

void ReplaceDeadFish(const uint8_t* alive, int num_fish, std::vector<int32_t>* tracked) {
  for (int32_t& slot : *tracked) {
    if (slot == kNoFish || alive[slot]) continue;
    const int32_t dead = slot;
    slot = kNoFish;
    for (int distance = 1; distance < num_fish; ++distance) {
      const int32_t candidate = (dead + distance) % num_fish;
      if (!alive[candidate]) continue;
      if (std::find(tracked->begin(), tracked->end(), candidate) != tracked->end()) continue;
      slot = candidate;
      break;
    }
  }
}

int32_t NextLivingFish(const uint8_t* alive, int num_fish, int32_t previous) {
  for (int distance = 1; distance <= num_fish; ++distance) {
    const int32_t candidate = (previous + distance) % num_fish;
    if (alive[candidate]) return candidate;
  }
  return kNoFish;
}

}  // namespace shoal
