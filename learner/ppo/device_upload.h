// The way of columns from the host to a device. For the engines: this header includes LibTorch's.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <utility>

#include "learner/ppo/device_stream.h"

namespace shoal {

// Two pieces of host memory in turn, pinned where the device can make use of it: one is filled
// while the device copies from the other. Not thread safe; construct and call within the stream's
// Use. LibTorch's errors are thrown.
class DeviceUpload {
 public:
  explicit DeviceUpload(DeviceStream& stream)
      : places_{Place{MakePiece(stream), stream.MakeMark()},
                Place{MakePiece(stream), stream.MakeMark()}} {}

  // to[i] = from[i], converted to Element on the host and to the tensor's type on the device. `to`
  // is flat and has at least `count` elements. `from` has been read when this returns; it waits
  // only for copies from the same pieces before.
  template <typename Element, typename From>
  void Copy(const From* from, int64_t count, const at::Tensor& to) {
    constexpr int64_t kElements = kPieceBytes / static_cast<int64_t>(sizeof(Element));
    for (int64_t begin = 0; begin < count; begin += kElements) {
      const int64_t size = std::min(kElements, count - begin);
      std::swap(places_[0], places_[1]);
      Place& place = places_[0];
      place.read->Wait();
      const at::Tensor piece =
          place.piece.view(c10::CppTypeToScalarType<Element>::value).narrow(0, 0, size);
      std::copy_n(from + begin, size, piece.template data_ptr<Element>());
      at::Tensor part = to.narrow(0, begin, size);
      if (part.scalar_type() == piece.scalar_type()) {
        part.copy_(piece, /*non_blocking=*/true);
      } else {
        part.copy_(piece.to(part.device(), piece.scalar_type(), /*non_blocking=*/true));
      }
      place.read->Set();
    }
  }

 private:
  static constexpr int64_t kPieceBytes = int64_t{8} << 20;

  struct Place {
    at::Tensor piece;
    std::unique_ptr<DeviceStream::Mark> read;  // The device has copied it.
  };

  static at::Tensor MakePiece(const DeviceStream& stream) {
    return at::empty({kPieceBytes},
                     at::TensorOptions().dtype(at::kByte).pinned_memory(stream.pins_memory()));
  }

  std::array<Place, 2> places_;
};

}  // namespace shoal
