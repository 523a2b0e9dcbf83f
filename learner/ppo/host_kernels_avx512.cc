// Compiled with -mavx512f -mavx512vl -mfma; reached only on processors that have them.
#include "learner/ppo/host_kernels_forms.h"

#if defined(__x86_64__)

#include "learner/ppo/host_kernels_impl.h"

namespace shoal {
namespace {
struct Avx512;
}

constinit const HostKernels<float> kAvx512HostKernels = HostLoops<Avx512, float>::Table("avx512");

}  // namespace shoal

#endif
