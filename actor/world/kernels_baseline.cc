#define SHOAL_KERNEL_LANES 8
#include "actor/world/kernels_impl.h"
#include "actor/world/kernels_variants.h"

namespace shoal {

const Kernels kBaselineKernels = {"baseline",       Step,         Observe,
                                  ObserveNeighbors, NeighborSums, Reward};

}  // namespace shoal
