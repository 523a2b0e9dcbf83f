// Compiled with -mavx2 -mfma; reached only on processors that have both.
#include "learner/ppo/host_kernels_forms.h"

#if defined(__x86_64__)

#include "learner/ppo/host_kernels_impl.h"

namespace shoal {
namespace {
struct Avx2;
}

constinit const HostKernels<float> kAvx2HostKernels = HostLoops<Avx2, float>::Table("avx2");

}  // namespace shoal

#endif
