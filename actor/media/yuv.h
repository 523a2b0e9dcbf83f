// Frames as the encoder wants them.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace shoal {

// YUV 4:2:0 of BT.709's colours in the limited range: planes of width x height, and of half of both,
// rounded up, for the two of colour.
struct YuvPlanes {
  std::array<uint8_t*, 3> data;
  std::array<int, 3> stride;
};

// Converts the frames of one video, one after another. Most of a frame is the one before, so only what
// differs is converted; that is why the planes must be those of the call before, with what it left in
// them. Not thread safe.
class YuvConverter {
 public:
  // Both even.
  YuvConverter(int width, int height);

  // pixels: 4 bytes each, blue, green, red and one that does not matter; rows of `stride` bytes.
  void Convert(const uint8_t* pixels, int stride, const YuvPlanes& planes);

 private:
  // Pixels x to end of two rows.
  void ConvertBlock(const uint8_t* upper, const uint8_t* lower, int x, int end, int row,
                    const YuvPlanes& planes) const;

  const int width_;
  const int height_;
  bool first_ = true;
  std::vector<uint8_t> last_;
};

}  // namespace shoal
