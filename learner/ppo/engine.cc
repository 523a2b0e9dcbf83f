#include "learner/ppo/engine.h"

#include <torch/cuda.h>
#include <torch/version.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "learner/ppo/device_stream.h"
#include "learner/ppo/engines.h"
#include "learner/ppo/torch_scope.h"

namespace shoal {
namespace {

absl::StatusOr<ChosenDevice> ChooseDevice(absl::string_view name) {
  const auto count = static_cast<int64_t>(torch::cuda::device_count());
  const std::string found =
      count == 0 ? WhyNoCudaDevice()
                 : absl::StrCat("LibTorch finds ", count, " CUDA device", count == 1 ? "" : "s");
  const c10::Device cpu(c10::kCPU), first_cuda(c10::kCUDA, 0);
  if (name == "auto") {
    return ChosenDevice{count == 0 ? cpu : first_cuda, absl::StrCat("device auto: ", found)};
  }
  const std::string asked = absl::StrCat("device ", name, " was asked for");
  if (name == "cpu") return ChosenDevice{cpu, asked};
  int index = 0;
  absl::string_view digits = name == "cuda" ? "cuda:0" : name;
  if (!absl::ConsumePrefix(&digits, "cuda:") || digits.empty() || digits.size() > 3 ||
      digits.find_first_not_of("0123456789") != digits.npos || !absl::SimpleAtoi(digits, &index)) {
    return absl::InvalidArgumentError(
        absl::StrCat("device \"", name, "\": must be auto, cpu, cuda or cuda:n"));
  }
  if (index >= count) {
    return absl::FailedPreconditionError(absl::StrCat("device \"", name, "\": ", found,
                                                      " (LibTorch ", TORCH_VERSION,
                                                      "); auto or cpu would work"));
  }
  return ChosenDevice{c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index)), asked};
}

template <typename T>
std::unique_ptr<Engine> MakeEngineOf(const EngineOptions& options, const ChosenDevice& device) {
  if (device.device.is_cpu() && !options.separate_device_memory) {
    return MakeHostEngine<T>(options, device);
  }
  return MakeDeviceEngine<T>(options, device);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> MakeEngine(const EngineOptions& options) {
  const absl::StatusOr<ChosenDevice> device = ChooseDevice(options.device);
  if (!device.ok()) return device.status();
  std::unique_ptr<Engine> engine;
  absl::Status status = RunTorch("preparing the learner", [&] {
    engine = options.float64 ? MakeEngineOf<double>(options, *device)
                             : MakeEngineOf<float>(options, *device);
  });
  if (!status.ok()) return status;
  return engine;
}

}  // namespace shoal
