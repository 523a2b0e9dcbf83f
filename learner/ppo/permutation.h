// The order in which an epoch goes through an iteration's rows.
#pragma once

#include <cstdint>
#include <vector>

namespace shoal {

// A permutation of 0..rows-1, uniform over all of them; a pure function of its arguments.
// Fisher and Yates' shuffle; its draws have purpose kPermutation and are named (iteration, epoch,
// block, 0), where block = position / 2 holds the draws of two successive positions.
// iteration and epoch count from 0 or 1 as the caller likes; 0 <= both < 2^32, 0 <= rows < 2^32.
std::vector<uint32_t> EpochPermutation(uint64_t seed, int64_t iteration, int64_t epoch,
                                       int64_t rows);

}  // namespace shoal
