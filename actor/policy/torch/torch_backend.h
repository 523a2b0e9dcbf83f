// What the LibTorch module offers to actor/policy/torch_loader.cc. The module and the program that
// loads it come from one build.
#pragma once

#include <string>

#include "actor/policy/backend.h"

namespace shoal {

// `weights` have passed ValidatePolicy. Returns null and sets `error` where LibTorch refuses.
using CreateTorchBackendFunction = PolicyBackend*(const PolicyWeights& weights, std::string& error);

// To be raised when PolicyBackend, PolicyWeights or the function changes.
inline constexpr char kCreateTorchBackendName[] = "ShoalCreateTorchBackend1";

}  // namespace shoal

extern "C" shoal::CreateTorchBackendFunction ShoalCreateTorchBackend1;
