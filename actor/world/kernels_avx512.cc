#define SHOAL_KERNEL_LANES 16
#include "actor/world/kernels_impl.h"
#include "actor/world/kernels_variants.h"

namespace shoal {

const Kernels kAvx512Kernels = {"avx512", Step, Observe, ObserveNeighbors, NeighborSums, Reward};

}  // namespace shoal
