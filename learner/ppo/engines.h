// The two ways of engine.h's interface: with the processor's own loops, and in LibTorch's
// operations on any device. For engine.cc, which chooses; it includes LibTorch's headers.
#pragma once

#include <c10/core/Device.h>

#include <memory>
#include <string>

#include "learner/ppo/engine.h"

namespace shoal {

struct ChosenDevice {
  c10::Device device;
  std::string why;  // For people.
};

// T is float or double. Throw what LibTorch throws.
template <typename T>
std::unique_ptr<Engine> MakeHostEngine(const EngineOptions& options, const ChosenDevice& device);
// The host reaches the device's memory by copies alone.
template <typename T>
std::unique_ptr<Engine> MakeDeviceEngine(const EngineOptions& options, const ChosenDevice& device);

}  // namespace shoal
