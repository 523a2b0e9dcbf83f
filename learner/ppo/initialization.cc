#include "learner/ppo/initialization.h"

#include <cmath>
#include <numbers>

#include "common/rng.h"

namespace shoal {
namespace {

// A row of independent standard normals, by Box and Muller's transform: one block gives two.
void FillNormal(const KeyedRandom& random, uint32_t network, uint32_t layer, uint32_t row,
                int64_t count, double* out) {
  for (int64_t i = 0; i < count; i += 2) {
    const RandomBlock block = random.Block(network, layer, row, static_cast<uint32_t>(i / 2));
    const double u = UniformDouble(static_cast<uint64_t>(block[1]) << 32 | block[0]);
    const double angle =
        2 * std::numbers::pi * UniformDouble(static_cast<uint64_t>(block[3]) << 32 | block[2]);
    const double radius = std::sqrt(-2 * std::log(1 - u));  // 1 - u is in (0, 1].
    out[i] = radius * std::cos(angle);
    if (i + 1 < count) out[i + 1] = radius * std::sin(angle);
  }
}

double Dot(const double* a, const double* b, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

// Makes `rows` rows of length `length` >= rows orthonormal (Gram and Schmidt, modified: what a row
// shares with an earlier one is removed at once, which keeps rounding errors small).
void Orthonormalise(int64_t rows, int64_t length, std::vector<double>& matrix) {
  for (int64_t i = 0; i < rows; ++i) {
    double* row = matrix.data() + i * length;
    const double norm = std::sqrt(Dot(row, row, length));
    for (int64_t k = 0; k < length; ++k) row[k] /= norm;
    for (int64_t j = i + 1; j < rows; ++j) {
      double* later = matrix.data() + j * length;
      const double shared = Dot(row, later, length);
      for (int64_t k = 0; k < length; ++k) later[k] -= shared * row[k];
    }
  }
}

void FillLayer(const KeyedRandom& random, uint32_t network, uint32_t index,
               const LayerLayout& layer, double gain, std::vector<double>& parameters) {
  // Only as many rows as columns, or fewer, can be orthogonal.
  const bool transposed = layer.out > layer.in;
  const int64_t rows = transposed ? layer.in : layer.out;
  const int64_t length = transposed ? layer.out : layer.in;
  std::vector<double> matrix(rows * length);
  for (int64_t row = 0; row < rows; ++row) {
    FillNormal(random, network, index, static_cast<uint32_t>(row), length,
               matrix.data() + row * length);
  }
  Orthonormalise(rows, length, matrix);
  double* weight = parameters.data() + layer.weight;
  for (int64_t out = 0; out < layer.out; ++out) {
    for (int64_t in = 0; in < layer.in; ++in) {
      weight[out * layer.in + in] =
          gain * (transposed ? matrix[in * length + out] : matrix[out * length + in]);
    }
  }
}

}  // namespace

std::vector<double> InitialParameters(const ParameterLayout& layout, uint64_t seed) {
  constexpr double kHeadGains[kNetworks] = {0.01, 1};
  const KeyedRandom random(seed, RandomPurpose::kInitialWeights);
  std::vector<double> parameters(layout.size, 0.0);
  for (uint32_t network = 0; network < kNetworks; ++network) {
    const std::vector<LayerLayout>& layers = layout.networks[network];
    for (uint32_t index = 0; index < layers.size(); ++index) {
      const bool head = index + 1 == layers.size();
      FillLayer(random, network, index, layers[index],
                head ? kHeadGains[network] : std::numbers::sqrt2, parameters);
    }
  }
  return parameters;
}

}  // namespace shoal
