// What the engine for devices needs of one beside LibTorch's operations: a stream of its own,
// pinned host memory, marks in the stream, and work that is recorded once and started again
// cheaply. With CUDA (cuda/cuda_stream.cc, in a build whose LibTorch has it), and a stand-in on the
// host's memory, where all is done at once. For the engines: this header includes LibTorch's.
//
// One thread at a time, but not bound to one. LibTorch's errors are thrown.
#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"

namespace shoal {

class DeviceStream {
 public:
  // A place among the stream's work.
  class Mark {
   public:
    virtual ~Mark() = default;
    virtual void Set() = 0;   // After all work so far.
    virtual void Wait() = 0;  // Until the stream has come there; at once if never set.
  };

  // Work that can be done again: the same operations on the same memory.
  class Recording {
   public:
    virtual ~Recording() = default;
    virtual void Replay() = 0;
  };

  virtual ~DeviceStream() = default;

  // Calls `code` with this stream as the calling thread's current one, on this device. Set, Record
  // and Replay belong into such code.
  virtual void Use(absl::FunctionRef<void()> code) = 0;

  virtual std::unique_ptr<Mark> MakeMark() = 0;

  // `code` must have run here at least once, wait for nothing, and take nothing that changes from
  // the host; what it refers to must outlive the recording. Does not do the work.
  virtual std::unique_ptr<Recording> Record(std::function<void()> code) = 0;

  // Whether the device copies from pinned host memory while the host goes on.
  virtual bool pins_memory() const = 0;
  // For people: the device, what it is and how it repeats work.
  virtual std::string description() const = 0;
};

std::unique_ptr<DeviceStream> MakeDeviceStream(c10::Device device);

#ifdef SHOAL_CUDA
std::unique_ptr<DeviceStream> MakeCudaStream(c10::Device device);
#endif

// Why LibTorch finds no CUDA device, where it finds none.
std::string WhyNoCudaDevice();

}  // namespace shoal
