#include "coordinator/evaluation/seeds.h"

#include "actor/world/numpy_random.h"

namespace shoal {

std::vector<uint64_t> EvaluationSeeds(uint64_t bank, int64_t k, int count) {
  const std::vector<uint64_t> all = BankSeeds(bank, static_cast<int>((k + 1) * count));
  return {all.end() - count, all.end()};
}

}  // namespace shoal
