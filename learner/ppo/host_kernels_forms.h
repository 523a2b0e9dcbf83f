// The forms of host_kernels.h that are compiled for processors with more instructions. For
// host_kernels.cc, which chooses, and the files that define them.
#pragma once

#include "learner/ppo/host_kernels.h"

namespace shoal {

#if defined(__x86_64__)
extern const HostKernels<float> kAvx2HostKernels;
extern const HostKernels<float> kAvx512HostKernels;
#endif

}  // namespace shoal
