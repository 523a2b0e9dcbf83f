// The compiled variants of the kernels. Internal to kernels*.cc; others ask BestKernels().
#pragma once

#include "actor/world/kernels.h"

namespace shoal {

// Constant-initialised, so they may be read at any time; which of them may be *called* is for
// SupportedKernels() to say.
extern const Kernels kBaselineKernels;
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;

}  // namespace shoal
