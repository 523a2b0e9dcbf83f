#include "actor/world/kernels.h"

#include <vector>

#include "actor/world/kernels_variants.h"

namespace shoal {

std::vector<const Kernels*> SupportedKernels() {
  std::vector<const Kernels*> supported = {&kBaselineKernels};
#if defined(__x86_64__)
  // What -march=x86-64-v3 and -v4 may use, as far as one probe for each stands for its group.
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") &&
      __builtin_cpu_supports("fma")) {
    supported.push_back(&kAvx2Kernels);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl")) {
      supported.push_back(&kAvx512Kernels);
    }
  }
#endif
  return supported;
}

const Kernels& BestKernels() {
  static const Kernels* const best = SupportedKernels().back();
  return *best;
}

}  // namespace shoal
