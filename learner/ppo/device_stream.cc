#include "learner/ppo/device_stream.h"

#include <utility>

namespace shoal {
namespace {

// The host's memory and the calling thread.
class HostStream final : public DeviceStream {
 public:
  void Use(absl::FunctionRef<void()> code) override { code(); }
  std::unique_ptr<Mark> MakeMark() override { return std::make_unique<NoMark>(); }
  std::unique_ptr<Recording> Record(std::function<void()> code) override {
    return std::make_unique<Again>(std::move(code));
  }
  bool pins_memory() const override { return false; }
  std::string description() const override { return "cpu, as a device with memory of its own"; }

 private:
  class NoMark final : public Mark {
    void Set() override {}
    void Wait() override {}
  };

  class Again final : public Recording {
   public:
    explicit Again(std::function<void()> code) : code_(std::move(code)) {}
    void Replay() override { code_(); }

   private:
    const std::function<void()> code_;
  };
};

}  // namespace

#ifndef SHOAL_CUDA
std::string WhyNoCudaDevice() { return "this program is built without CUDA"; }
#endif

std::unique_ptr<DeviceStream> MakeDeviceStream([[maybe_unused]] c10::Device device) {
#ifdef SHOAL_CUDA
  if (device.is_cuda()) return MakeCudaStream(device);
#endif
  return std::make_unique<HostStream>();
}

}  // namespace shoal
