// Which scenes a multi-evaluation plays.
#pragma once

#include <cstdint>
#include <vector>

namespace shoal {

// The seeds of the k-th multi-evaluation (k from 0) of `count` scenes each: with 12, the first 12
// of the bank for the first evaluation, the next 12 for the second, and so on. k >= 0, count >= 0,
// (k + 1) * count < 2^31. Thread-safe.
std::vector<uint64_t> EvaluationSeeds(uint64_t bank, int64_t k, int count);

}  // namespace shoal
