// Every form of the loops that this processor can run, against the formulas in double.
#include "learner/ppo/host_kernels.h"

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal {
namespace {

// Around the loops' own steps: 4 rows, 8 inner values, vectors of 4 to 16 columns.
struct Shape {
  int64_t rows, inner, width;
};
const Shape kShapes[] = {{1, 1, 1},  {3, 5, 7},   {4, 1, 64},   {16, 11, 130},
                         {9, 8, 33}, {17, 18, 5}, {16, 5, 384}, {2, 26, 20}};

template <typename T>
class HostKernelsTest : public ::testing::Test {
 protected:
  std::vector<T> Draw(int64_t count) {
    std::vector<T> values(count);
    for (T& value : values) value = static_cast<T>(static_cast<double>(random_() >> 8) * 0x1p-23 - 1);
    return values;
  }
  // Of a sum of some hundred terms below 1.
  static constexpr double kBound = std::is_same_v<T, float> ? 2e-5 : 1e-13;
  // The learner's tanh in single precision is good to 4e-7 (fused_layer.h).
  static constexpr double kActivationBound = std::is_same_v<T, float> ? 1e-6 : 1e-13;

  template <typename Code>
  void ForAll(Code&& code) {
    for (const HostKernels<T>* kernels : AvailableHostKernels<T>()) {
      for (const Shape& shape : kShapes) {
        SCOPED_TRACE(std::string(kernels->name) + " " + std::to_string(shape.rows) + " " +
                     std::to_string(shape.inner) + " " + std::to_string(shape.width));
        code(*kernels, shape.rows, shape.inner, shape.width);
      }
    }
  }

  std::mt19937 random_{7};
};

using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(HostKernelsTest, Types);

TYPED_TEST(HostKernelsTest, Expand) {
  using T = TypeParam;
  this->ForAll([&](const HostKernels<T>& kernels, int64_t rows, int64_t inner, int64_t width) {
    const std::vector<T> thin = this->Draw(rows * inner), weights = this->Draw(inner * width);
    std::vector<T> wide = this->Draw(rows * width);  // To be overwritten.
    kernels.expand(rows, inner, width, thin.data(), weights.data(), wide.data());
    for (int64_t i = 0; i < rows * width; ++i) {
      double sum = 0;
      for (int64_t s = 0; s < inner; ++s) {
        sum += double{thin[i / width * inner + s]} * weights[s * width + i % width];
      }
      ASSERT_NEAR(wide[i], sum, this->kBound) << i;
    }
  });
}

TYPED_TEST(HostKernelsTest, CollectAddsToWhatIsThere) {
  using T = TypeParam;
  this->ForAll([&](const HostKernels<T>& kernels, int64_t rows, int64_t inner, int64_t width) {
    const std::vector<T> thin = this->Draw(rows * inner), wide = this->Draw(rows * width);
    const std::vector<T> before = this->Draw(inner * width);
    std::vector<T> sums = before;
    kernels.collect(rows, inner, width, thin.data(), wide.data(), sums.data());
    for (int64_t i = 0; i < inner * width; ++i) {
      double sum = before[i];
      for (int64_t r = 0; r < rows; ++r) {
        sum += double{thin[r * inner + i / width]} * wide[r * width + i % width];
      }
      ASSERT_NEAR(sums[i], sum, this->kBound) << i;
    }
  });
}

TYPED_TEST(HostKernelsTest, Contract) {
  using T = TypeParam;
  this->ForAll([&](const HostKernels<T>& kernels, int64_t rows, int64_t inner, int64_t width) {
    const std::vector<T> wide = this->Draw(rows * width), weights = this->Draw(inner * width);
    const std::vector<T> bias = this->Draw(inner);
    std::vector<T> thin = this->Draw(rows * inner);
    kernels.contract(rows, inner, width, wide.data(), weights.data(), bias.data(), thin.data());
    for (int64_t i = 0; i < rows * inner; ++i) {
      double sum = bias[i % inner];
      for (int64_t c = 0; c < width; ++c) {
        sum += double{wide[i / inner * width + c]} * weights[i % inner * width + c];
      }
      ASSERT_NEAR(thin[i], sum, this->kBound) << i;
    }
  });
}

TYPED_TEST(HostKernelsTest, ActivateAndDifferentiate) {
  using T = TypeParam;
  for (bool tanh : {true, false}) {
    this->ForAll([&](const HostKernels<T>& kernels, int64_t rows, int64_t, int64_t width) {
      std::vector<T> z = this->Draw(rows * width), bias = this->Draw(width);
      for (T& value : z) value *= 10;
      std::vector<T> activated = z;
      (tanh ? kernels.tanh : kernels.relu)(rows, width, bias.data(), activated.data());
      const std::vector<T> above = this->Draw(rows * width), before = this->Draw(width);
      std::vector<T> delta = above, sums = before;
      (tanh ? kernels.tanh_backward : kernels.relu_backward)(rows, width, activated.data(),
                                                             delta.data(), sums.data());
      std::vector<double> expected_sums(before.begin(), before.end());
      for (int64_t i = 0; i < rows * width; ++i) {
        const double sum = double{z[i]} + bias[i % width];
        ASSERT_NEAR(activated[i], tanh ? std::tanh(sum) : std::max(sum, 0.0),
                    this->kActivationBound) << sum;
        const double a = activated[i];
        const double slope = tanh ? 1 - a * a : a > 0 ? 1 : 0;
        ASSERT_NEAR(delta[i], above[i] * slope, this->kActivationBound) << sum;
        expected_sums[i % width] += above[i] * slope;
      }
      for (int64_t c = 0; c < width; ++c) ASSERT_NEAR(sums[c], expected_sums[c], this->kBound);
    });
  }
}

TYPED_TEST(HostKernelsTest, WhatIsNotANumberStaysSo) {
  using T = TypeParam;
  for (bool tanh : {true, false}) {
    for (const HostKernels<T>* kernels : AvailableHostKernels<T>()) {
      std::vector<T> z(40, T{1}), bias(40), delta(40, T{1}), sums(40);
      z[3] = z[39] = std::numeric_limits<T>::quiet_NaN();
      (tanh ? kernels->tanh : kernels->relu)(1, 40, bias.data(), z.data());
      for (int c = 0; c < 40; ++c) EXPECT_EQ(std::isnan(z[c]), c == 3 || c == 39) << kernels->name;
      delta[5] = std::numeric_limits<T>::quiet_NaN();
      (tanh ? kernels->tanh_backward : kernels->relu_backward)(1, 40, z.data(), delta.data(),
                                                               sums.data());
      EXPECT_TRUE(std::isnan(sums[5])) << kernels->name;
      EXPECT_FALSE(std::isnan(sums[4])) << kernels->name;
    }
  }
}

TYPED_TEST(HostKernelsTest, AddPartsInOrder) {
  using T = TypeParam;
  for (const HostKernels<T>* kernels : AvailableHostKernels<T>()) {
    for (int64_t size : {1, 15, 1000, 2500}) {
      std::vector<std::vector<T>> parts;
      std::vector<const T*> pointers;
      for (int n = 0; n < 3; ++n) {
        parts.push_back(this->Draw(size));
        for (T& value : parts.back()) value *= n == 1 ? T(1e6) : T(1);
      }
      for (const auto& part : parts) pointers.push_back(part.data());
      const std::vector<T> before = this->Draw(size);
      for (bool keep : {false, true}) {
        std::vector<T> sum = before;
        const double squares = kernels->add_parts(3, size, pointers.data(), keep, sum.data());
        double expected_squares = 0;
        for (int64_t i = 0; i < size; ++i) {
          // The order shows: the second part is large.
          T expected = keep ? before[i] + parts[0][i] : parts[0][i];
          expected = expected + parts[1][i];
          expected = expected + parts[2][i];
          ASSERT_EQ(sum[i], expected) << kernels->name << " " << i;
          expected_squares += double{expected} * expected;
        }
        EXPECT_NEAR(squares / expected_squares, 1, 1e-12);
      }
    }
  }
}

TYPED_TEST(HostKernelsTest, AdamIsThatOfTheFormula) {
  using T = TypeParam;
  const AdamStep step(3, 0.01, 1e-5, 0.7);
  for (const HostKernels<T>* kernels : AvailableHostKernels<T>()) {
    const std::vector<T> gradient = this->Draw(37), m = this->Draw(37), p = this->Draw(37);
    std::vector<T> v = this->Draw(37);
    for (T& value : v) value *= value;
    std::vector<T> first = m, second = v, parameters = p;
    kernels->adam(step, 37, gradient.data(), first.data(), second.data(), parameters.data());
    for (int i = 0; i < 37; ++i) {
      const double g = 0.7 * gradient[i];
      const double new_m = 0.9 * m[i] + 0.1 * g, new_v = 0.999 * v[i] + 0.001 * g * g;
      ASSERT_NEAR(first[i], new_m, this->kActivationBound) << kernels->name;
      ASSERT_NEAR(second[i], new_v, this->kActivationBound);
      ASSERT_NEAR(parameters[i],
                  p[i] - 0.01 * (new_m / (1 - std::pow(0.9, 3))) /
                             (std::sqrt(new_v / (1 - std::pow(0.999, 3))) + 1e-5),
                  this->kActivationBound);
    }
  }
}

}  // namespace
}  // namespace shoal
