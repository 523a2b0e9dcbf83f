// CreateBackend, and the loading of the LibTorch module.
#include <dlfcn.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "actor/policy/backend.h"
#include "actor/policy/torch/torch_backend.h"

namespace shoal {
namespace {

constexpr char kModuleFile[] = "libshoal_torch_backend.so";

absl::StatusOr<std::filesystem::path> FindModule() {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) {
    return absl::NotFoundError(
        absl::StrCat("torch backend: cannot tell where this program lies: ", error.message()));
  }
  const std::filesystem::path folder = program.parent_path();
  for (const auto& candidate : {folder.parent_path() / "lib" / kModuleFile, folder / kModuleFile}) {
    if (std::filesystem::exists(candidate, error)) return candidate;
  }
  return absl::NotFoundError(absl::StrCat(
      "torch backend: ", kModuleFile, " is neither in ", (folder.parent_path() / "lib").string(),
      " nor in ", folder.string(),
      "; build with -DSHOAL_TORCH=ON, or use the backend \"fused\", which needs no LibTorch"));
}

// The module stays loaded: LibTorch cannot be taken out of a program again.
absl::StatusOr<CreateTorchBackendFunction*> LoadModule() {
  absl::StatusOr<std::filesystem::path> file = FindModule();
  if (!file.ok()) return file.status();
  void* module = dlopen(file->c_str(), RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("torch backend: ", file->string(), " does not load: ", dlerror(),
                     "; is LibTorch installed (Debian: libtorch1.13, libopenblas0-openmp)?"));
  }
  void* function = dlsym(module, kCreateTorchBackendName);
  if (function == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat("torch backend: ", file->string(), " has no ",
                                                      kCreateTorchBackendName,
                                                      "; it comes from another build"));
  }
  return reinterpret_cast<CreateTorchBackendFunction*>(function);
}

absl::StatusOr<std::unique_ptr<PolicyBackend>> CreateTorchBackend(const PolicyWeights& weights) {
  if (absl::Status status = ValidatePolicy(weights); !status.ok()) return status;
  static const absl::StatusOr<CreateTorchBackendFunction*> create = LoadModule();
  if (!create.ok()) return create.status();
  std::string error;
  std::unique_ptr<PolicyBackend> backend((*create)(weights, error));
  if (backend == nullptr) return absl::InternalError(absl::StrCat("torch backend: ", error));
  return backend;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PolicyBackend>> CreateBackend(std::string_view name,
                                                             const PolicyWeights& weights) {
  if (name == "fused") return CreateFusedBackend(weights);
  if (name == "torch") return CreateTorchBackend(weights);
  return absl::InvalidArgumentError(
      absl::StrCat("backend \"", std::string(name), "\" is unknown; fused and torch are known"));
}

}  // namespace shoal
