#include "actor/media/yuv.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace shoal {
namespace {

constexpr int kBytes = 4;
// Pixels that are compared and converted together, of two rows.
constexpr int kBlock = 16;

// BT.709 in 16 bits after the point, from 0..255 to 16..235 and 16..240. Each row of colour adds up to
// 0, that of brightness to 219 / 255.
constexpr int kShift = 16;
constexpr int32_t Fixed(double value) {
  return static_cast<int32_t>(value * (1 << kShift) + (value < 0 ? -0.5 : 0.5));
}
constexpr double kRed = 0.2126, kBlue = 0.0722;  // Green is what is left of 1.
constexpr double kBright = 219.0 / 255, kColour = 112.0 / 255;
constexpr int32_t kYRed = Fixed(kRed * kBright), kYBlue = Fixed(kBlue * kBright);
constexpr int32_t kYGreen = Fixed(kBright) - kYRed - kYBlue;
constexpr int32_t kUBlue = Fixed(kColour), kURed = Fixed(-kRed / (1 - kBlue) * kColour);
constexpr int32_t kUGreen = -kUBlue - kURed;
constexpr int32_t kVRed = Fixed(kColour), kVBlue = Fixed(-kBlue / (1 - kRed) * kColour);
constexpr int32_t kVGreen = -kVRed - kVBlue;
constexpr int32_t kHalf = 1 << (kShift - 1);

uint8_t Brightness(const uint8_t* pixel) {
  const int32_t sum = kYBlue * pixel[0] + kYGreen * pixel[1] + kYRed * pixel[2];
  return static_cast<uint8_t>(16 + ((sum + kHalf) >> kShift));
}

// Of four pixels that are added up.
uint8_t Colour(int32_t blue, int32_t green, int32_t red, const int32_t (&factors)[3]) {
  const int32_t sum = factors[0] * blue + factors[1] * green + factors[2] * red;
  return static_cast<uint8_t>(128 + ((sum + 4 * kHalf) >> (kShift + 2)));
}

constexpr int32_t kU[3] = {kUBlue, kUGreen, kURed};
constexpr int32_t kV[3] = {kVBlue, kVGreen, kVRed};

}  // namespace

YuvConverter::YuvConverter(int width, int height)
    : width_(width), height_(height), last_(size_t{kBytes} * width * height) {}

void YuvConverter::Convert(const uint8_t* pixels, int stride, const YuvPlanes& planes) {
  const size_t row_bytes = size_t{kBytes} * width_;
  for (int row = 0; row < height_; row += 2) {
    const uint8_t* const upper = pixels + static_cast<ptrdiff_t>(row) * stride;
    const uint8_t* const lower = upper + stride;
    uint8_t* const last_upper = last_.data() + row * row_bytes;
    uint8_t* const last_lower = last_upper + row_bytes;
    for (int x = 0; x < width_; x += kBlock) {
      const int end = std::min(x + kBlock, width_);
      const size_t at = size_t{kBytes} * x, bytes = size_t{kBytes} * (end - x);
      if (!first_ && std::memcmp(upper + at, last_upper + at, bytes) == 0 &&
          std::memcmp(lower + at, last_lower + at, bytes) == 0) {
        continue;
      }
      std::memcpy(last_upper + at, upper + at, bytes);
      std::memcpy(last_lower + at, lower + at, bytes);
      ConvertBlock(upper, lower, x, end, row, planes);
    }
  }
  first_ = false;
}

void YuvConverter::ConvertBlock(const uint8_t* upper, const uint8_t* lower, int x, int end, int row,
                                const YuvPlanes& planes) const {
  uint8_t* const y_upper = planes.data[0] + static_cast<ptrdiff_t>(row) * planes.stride[0];
  uint8_t* const y_lower = y_upper + planes.stride[0];
  uint8_t* const u = planes.data[1] + static_cast<ptrdiff_t>(row / 2) * planes.stride[1];
  uint8_t* const v = planes.data[2] + static_cast<ptrdiff_t>(row / 2) * planes.stride[2];
  for (; x < end; x += 2) {
    const uint8_t* const a = upper + kBytes * x;
    const uint8_t* const b = lower + kBytes * x;
    y_upper[x] = Brightness(a);
    y_upper[x + 1] = Brightness(a + kBytes);
    y_lower[x] = Brightness(b);
    y_lower[x + 1] = Brightness(b + kBytes);
    const int32_t blue = a[0] + a[kBytes] + b[0] + b[kBytes];
    const int32_t green = a[1] + a[kBytes + 1] + b[1] + b[kBytes + 1];
    const int32_t red = a[2] + a[kBytes + 2] + b[2] + b[kBytes + 2];
    u[x / 2] = Colour(blue, green, red, kU);
    v[x / 2] = Colour(blue, green, red, kV);
  }
}

}  // namespace shoal
