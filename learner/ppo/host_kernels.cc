// The portable form, and which form a processor can run.
#include "learner/ppo/host_kernels.h"

#include "learner/ppo/host_kernels_forms.h"
#include "learner/ppo/host_kernels_impl.h"

namespace shoal {
namespace {

struct Portable;

template <typename T>
constexpr HostKernels<T> kPortableHostKernels = HostLoops<Portable, T>::Table("portable");

}  // namespace

template <>
std::vector<const HostKernels<double>*> AvailableHostKernels() {
  return {&kPortableHostKernels<double>};
}

template <>
std::vector<const HostKernels<float>*> AvailableHostKernels() {
  std::vector<const HostKernels<float>*> available = {&kPortableHostKernels<float>};
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2) available.push_back(&kAvx2HostKernels);
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")) {
    available.push_back(&kAvx512HostKernels);
  }
#endif
  return available;
}

}  // namespace shoal
