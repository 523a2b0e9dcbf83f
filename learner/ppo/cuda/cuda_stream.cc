// A CUDA device for the engine: compiled only where LibTorch has CUDA (CMakeLists.txt).
#include <ATen/cuda/CUDAContext.h>
#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "learner/ppo/device_stream.h"

namespace shoal {
namespace {

class CudaStream final : public DeviceStream {
 public:
  // Not the device's default stream: nothing can be recorded there.
  explicit CudaStream(c10::Device device)
      : device_(device), stream_(c10::cuda::getStreamFromPool(false, device.index())) {}

  void Use(absl::FunctionRef<void()> code) override {
    const c10::cuda::CUDAStreamGuard guard(stream_);  // Of the device too.
    code();
  }

  std::unique_ptr<Mark> MakeMark() override { return std::make_unique<EventMark>(stream_); }

  std::unique_ptr<Recording> Record(std::function<void()> code) override {
    // Work before is done, so that memory it has freed can be had without a wait.
    stream_.synchronize();
    auto recording = std::make_unique<Graph>();
    recording->graph.capture_begin();
    code();
    recording->graph.capture_end();
    return recording;
  }

  bool pins_memory() const override { return true; }
  std::string description() const override {
    return absl::StrCat(device_.str(), " (", at::cuda::getDeviceProperties(device_.index())->name,
                        "), CUDA graphs");
  }

 private:
  class EventMark final : public Mark {
   public:
    explicit EventMark(const c10::cuda::CUDAStream& stream) : stream_(stream) {}
    void Set() override { event_.record(stream_); }
    void Wait() override { event_.synchronize(); }

   private:
    const c10::cuda::CUDAStream stream_;
    at::cuda::CUDAEvent event_;
  };

  // Temporary tensors of the recorded code live in memory that belongs to the graph.
  struct Graph final : Recording {
    void Replay() override { graph.replay(); }
    at::cuda::CUDAGraph graph;
  };

  const c10::Device device_;
  const c10::cuda::CUDAStream stream_;
};

}  // namespace

std::unique_ptr<DeviceStream> MakeCudaStream(c10::Device device) {
  return std::make_unique<CudaStream>(device);
}

std::string WhyNoCudaDevice() {
  try {
    c10::cuda::device_count_ensure_non_zero();
    return "it was there a moment ago";
  } catch (const c10::Error& error) {
    // The first sentence; the rest is advice.
    const std::string message = error.what_without_backtrace();
    return std::string(*absl::StrSplit(message, absl::ByString(". ")).begin());
  }
}

}  // namespace shoal
