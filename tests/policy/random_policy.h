// Weights and observations for tests and benchmarks, made from a seed.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "actor/policy/weights.h"

namespace shoal {

// SplitMix64, in floats.
class TestRandom {
 public:
  explicit TestRandom(uint64_t seed) : state_(seed) {}

  // Uniform in [0, 1), a multiple of 2^-24.
  float Uniform() { return static_cast<float>(Next() >> 40) * 0x1p-24f; }
  // Uniform in [-scale, scale).
  float Symmetric(float scale) { return (2.0f * Uniform() - 1.0f) * scale; }

  std::vector<float> Values(size_t count, float scale) {
    std::vector<float> values(count);
    for (float& value : values) value = Symmetric(scale);
    return values;
  }

 private:
  uint64_t Next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t state_;
};

inline std::vector<DenseLayer> RandomNetwork(int in, const std::vector<int>& hidden, int outputs,
                                             TestRandom& random) {
  std::vector<int> sizes = hidden;
  sizes.push_back(outputs);
  std::vector<DenseLayer> layers;
  for (int out : sizes) {
    // About the scale that keeps the variance from layer to layer.
    const float scale = std::sqrt(3.0f / static_cast<float>(in));
    layers.push_back({in, out, random.Values(static_cast<size_t>(in) * out, scale),
                      random.Values(static_cast<size_t>(out), 0.3f)});
    in = out;
  }
  return layers;
}

inline PolicyWeights RandomPolicy(const std::vector<int>& hidden, bool neighbors,
                                  Activation activation, uint64_t seed) {
  TestRandom random(seed);
  PolicyWeights weights;
  weights.include_neighbor_features = neighbors;
  weights.obs_dim = neighbors ? kPolicyObservationWithNeighbors : kPolicyObservation;
  weights.activation = activation;
  weights.policy = RandomNetwork(weights.obs_dim, hidden, kPolicyActions, random);
  weights.value = RandomNetwork(weights.obs_dim, hidden, 1, random);
  return weights;
}

// FNV-1a of the bits of some values, to pin results that must never change unnoticed.
inline uint64_t HashBits(const std::vector<float>& values) {
  uint64_t hash = 0xcbf29ce484222325;
  for (float value : values) {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    for (int shift = 0; shift < 32; shift += 8) {
      hash = (hash ^ (bits >> shift & 0xff)) * 0x100000001b3;
    }
  }
  return hash;
}

}  // namespace shoal
