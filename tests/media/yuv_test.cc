// Frames converted for the encoder, against the definition of BT.709 in floating point.
#include "actor/media/yuv.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <vector>

namespace shoal {
namespace {

constexpr int kWidth = 38, kHeight = 6, kStride = 4 * kWidth + 8;

struct Picture {
  std::vector<uint8_t> y = std::vector<uint8_t>(kWidth * kHeight, 77);
  std::vector<uint8_t> u = std::vector<uint8_t>(kWidth * kHeight / 4, 77);
  std::vector<uint8_t> v = std::vector<uint8_t>(kWidth * kHeight / 4, 77);
  YuvPlanes planes() {
    return {{y.data(), u.data(), v.data()}, {kWidth, kWidth / 2, kWidth / 2}};
  }
  bool operator==(const Picture&) const = default;
};

std::vector<uint8_t> Noise(uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<uint8_t> pixels(size_t{kStride} * kHeight);
  // Extremes are where rounding could leave the range.
  for (uint8_t& byte : pixels) byte = std::array<int, 4>{0, 255, 1, static_cast<int>(random() % 256)}[random() % 4];
  return pixels;
}

double Luma(const uint8_t* p) { return 0.2126 * p[2] + 0.7152 * p[1] + 0.0722 * p[0]; }

TEST(YuvConverter, IsBt709WithinARounding) {
  const std::vector<uint8_t> pixels = Noise(1);
  Picture picture;
  YuvConverter converter(kWidth, kHeight);
  converter.Convert(pixels.data(), kStride, picture.planes());
  for (int row = 0; row < kHeight; ++row) {
    for (int x = 0; x < kWidth; ++x) {
      const double y = Luma(&pixels[row * kStride + 4 * x]);
      EXPECT_NEAR(picture.y[row * kWidth + x], 16 + 219 * y / 255, 0.51) << row << " " << x;
    }
  }
  for (int row = 0; row < kHeight / 2; ++row) {
    for (int x = 0; x < kWidth / 2; ++x) {
      double blue = 0, red = 0, luma = 0;
      for (const int at : {0, 4, kStride, kStride + 4}) {
        const uint8_t* p = &pixels[2 * row * kStride + 8 * x + at];
        blue += p[0] / 4.0, red += p[2] / 4.0, luma += Luma(p) / 4;
      }
      const int at = row * kWidth / 2 + x;
      EXPECT_NEAR(picture.u[at], 128 + 224 * (blue - luma) / 1.8556 / 255, 0.51) << row << " " << x;
      EXPECT_NEAR(picture.v[at], 128 + 224 * (red - luma) / 1.5748 / 255, 0.51) << row << " " << x;
    }
  }
}

TEST(YuvConverter, BlackAndWhiteHaveNoColour) {
  for (const auto& [value, y] : {std::pair(0, 16), std::pair(255, 235), std::pair(128, 126)}) {
    const std::vector<uint8_t> pixels(size_t{kStride} * kHeight, static_cast<uint8_t>(value));
    Picture picture;
    YuvConverter(kWidth, kHeight).Convert(pixels.data(), kStride, picture.planes());
    EXPECT_EQ(std::count(picture.y.begin(), picture.y.end(), y), kWidth * kHeight) << value;
    EXPECT_EQ(std::count(picture.u.begin(), picture.u.end(), 128), kWidth * kHeight / 4) << value;
    EXPECT_EQ(std::count(picture.v.begin(), picture.v.end(), 128), kWidth * kHeight / 4) << value;
  }
}

TEST(YuvConverter, FramesAfterTheFirstAreWholeToo) {
  std::vector<uint8_t> pixels = Noise(2);
  Picture picture;
  YuvConverter converter(kWidth, kHeight);
  converter.Convert(pixels.data(), kStride, picture.planes());
  std::mt19937 random(3);
  for (int frame = 0; frame < 50; ++frame) {
    // A byte here and there, also of the bytes that do not matter.
    for (int i = 0; i < frame % 5; ++i) pixels[random() % pixels.size()] ^= 0x55;
    converter.Convert(pixels.data(), kStride, picture.planes());
    Picture whole;
    YuvConverter(kWidth, kHeight).Convert(pixels.data(), kStride, whole.planes());
    ASSERT_EQ(picture, whole) << frame;
  }
}

}  // namespace
}  // namespace shoal
