#include "learner/ppo/engine.h"

#include <torch/cuda.h>
#include <torch/version.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "learner/ppo/engines.h"
#include "learner/ppo/torch_scope.h"

namespace shoal {
namespace {

absl::StatusOr<c10::Device> ResolveDevice(absl::string_view name) {
  const auto count = static_cast<int64_t>(torch::cuda::device_count());
  if (name == "cpu" || (name == "auto" && count == 0)) return c10::Device(c10::kCPU);
  if (name == "auto" || name == "cuda") name = "cuda:0";
  int index = 0;
  absl::string_view digits = name;
  if (!absl::ConsumePrefix(&digits, "cuda:") || digits.empty() || digits.size() > 3 ||
      digits.find_first_not_of("0123456789") != digits.npos || !absl::SimpleAtoi(digits, &index)) {
    return absl::InvalidArgumentError(
        absl::StrCat("device \"", name, "\": must be auto, cpu, cuda or cuda:n"));
  }
  if (index >= count) {
    return absl::FailedPreconditionError(absl::StrCat(
        "device \"", name, "\": LibTorch ", TORCH_VERSION, " finds ", count,
        count == 1 ? " CUDA device" : " CUDA devices", " here; auto or cpu would work"));
  }
  return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index));
}

template <typename T>
std::unique_ptr<Engine> MakeEngineOf(const EngineOptions& options, c10::Device device) {
  if (device.is_cpu() && !options.separate_device_memory) return MakeHostEngine<T>(options);
  return MakeDeviceEngine<T>(options, device);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> MakeEngine(const EngineOptions& options) {
  absl::StatusOr<c10::Device> device = ResolveDevice(options.device);
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
