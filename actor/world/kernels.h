// The loops over fish that cost the world's time, compiled for several instruction sets from one
// source (kernels_impl.h) and chosen at run time. Internal to actor/world.
//
// Every lane (fish) is computed on its own, sums over neighbours run in the order of their ids, and
// nothing is contracted: all variants give the same bits, whatever their vector width
// (tests/world/kernels_test.cc).
//
// Arrays are float32, one value per fish. "Padded" arrays may be read, never written, up to the
// next multiple of kLanePadding lanes beyond their count. Thread-safe: no kernel keeps state.
#pragma once

#include <cstdint>
#include <vector>

#include "actor/world/constants.h"
#include "actor/world/predator.h"

namespace shoal {

// The widest vector of any variant, in lanes.
inline constexpr int kLanePadding = 16;

// The fish of one environment in place. `lanes` is a multiple of 8 (the stride); lanes beyond the
// last fish count as dead.
struct FishArrays {
  float* x;
  float* y;
  float* vx;
  float* vy;
  // Step at which the fish died; 0: alive; -1: no fish.
  int32_t* death_step;
  int lanes;
};

// Some fish, gathered; padded arrays.
struct FishView {
  const float* x;
  const float* y;
  const float* vx;
  const float* vy;
  const int32_t* id;
  int count;
};

struct NeighborOptions {
  float radius;
  int average_count;
};

struct Kernels {
  // For humans: "baseline", "avx2", "avx512".
  const char* name;

  // Moves every living fish by its action (`actions`: lanes values 0..4; anything else holds), lets
  // those near the predator, already moved, die at `step`, and returns how many did.
  int (*step)(const uint8_t* actions, const Predator& predator, int step, const FishArrays& fish);

  // Observation values 0..10 of `fish`: row i begins at rows + i * row_size.
  void (*observe)(const FishView& fish, const Predator& predator, int row_size, float* rows);

  // Observation values 11..17 of `fish` towards the living `others`: row i begins at rows + i *
  // row_size, where value 11 is. `scratch`: NeighborScratchSize floats.
  void (*observe_neighbors)(const FishView& fish, const FishView& others,
                            const NeighborOptions& options, int row_size, float* scratch,
                            float* rows);

  // The neighbour count of each of `fish` and, where `outflow` is not null, observation value 17.
  // Both outputs are padded arrays and written to their padded end.
  void (*neighbor_sums)(const FishView& fish, const FishView& others, float radius, float* counts,
                        float* outflow);

  // Rewards of all lanes after step `step` without the neighbour terms. Lanes and death_step are
  // those of FishArrays.
  void (*reward)(const float* x, const float* y, const int32_t* death_step, int lanes,
                 const Predator& predator, int step, RewardKind kind, float* rewards);
};

// Floats of scratch memory that observe_neighbors needs for at most `others` neighbours.
constexpr int64_t NeighborScratchSize(int others, int average_count) {
  // Their speeds (padded), a key of each for one vector of fish, and the smallest keys.
  return int64_t{kLanePadding} + others + (int64_t{others} + average_count) * kLanePadding;
}

// The fastest variant for this processor; the same object for the life of the program.
const Kernels& BestKernels();

// Every variant that this processor can run, the baseline first.
std::vector<const Kernels*> SupportedKernels();

}  // namespace shoal
