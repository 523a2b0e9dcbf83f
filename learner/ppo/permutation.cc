#include "learner/ppo/permutation.h"

#include <numeric>
#include <utility>

#include "common/rng.h"

namespace shoal {

std::vector<uint32_t> EpochPermutation(uint64_t seed, int64_t iteration, int64_t epoch,
                                       int64_t rows) {
  const KeyedRandom random(seed, RandomPurpose::kPermutation);
  std::vector<uint32_t> order(rows);
  std::iota(order.begin(), order.end(), 0u);
  RandomBlock block{};
  for (int64_t position = 0; position + 1 < rows; ++position) {
    const int64_t half = position % 2;
    if (half == 0) {
      block = random.Block(static_cast<uint32_t>(iteration), static_cast<uint32_t>(epoch),
                           static_cast<uint32_t>(position / 2), 0);
    }
    const uint64_t bits = static_cast<uint64_t>(block[2 * half + 1]) << 32 | block[2 * half];
    std::swap(order[position], order[position + BoundedInt(bits, rows - position)]);
  }
  return order;
}

}  // namespace shoal
