#include "actor/world/numpy_random.h"

#include <cmath>

#include "actor/world/ziggurat_tables.h"

namespace shoal {
namespace {

using Uint128 = unsigned __int128;

constexpr Uint128 kPcgMultiplier =
    (static_cast<Uint128>(0x2360ed051fc65da4u) << 64) | 0x4385df649fccf645u;

// SeedSequence's hash: each call changes the multiplier that the next one uses.
class SeedHash {
 public:
  SeedHash(uint32_t start, uint32_t multiplier) : constant_(start), multiplier_(multiplier) {}

  uint32_t operator()(uint32_t value) {
    value ^= constant_;
    constant_ *= multiplier_;
    value *= constant_;
    return value ^ (value >> 16);
  }

 private:
  uint32_t constant_;
  const uint32_t multiplier_;
};

uint32_t SeedMix(uint32_t x, uint32_t y) {
  const uint32_t mixed = x * 0xca01f9ddu - y * 0x4973f715u;
  return mixed ^ (mixed >> 16);
}

}  // namespace

std::array<uint64_t, 4> SeedSequenceState(uint64_t entropy) {
  // NumPy splits the integer into as many 32-bit words as it needs; missing ones hash as 0, so two
  // words do for every 64-bit seed.
  std::array<uint32_t, 4> pool = {static_cast<uint32_t>(entropy),
                                  static_cast<uint32_t>(entropy >> 32), 0, 0};
  SeedHash fill(0x43b0d7e5u, 0x931e8875u);
  for (uint32_t& word : pool) word = fill(word);
  for (int source = 0; source < 4; ++source) {
    for (int target = 0; target < 4; ++target) {
      if (source != target) pool[target] = SeedMix(pool[target], fill(pool[source]));
    }
  }
  SeedHash draw(0x8b51f9ddu, 0x58f38dedu);
  std::array<uint64_t, 4> state;
  for (int i = 0; i < 4; ++i) {
    const uint64_t low = draw(pool[(2 * i) % 4]);
    const uint64_t high = draw(pool[(2 * i + 1) % 4]);
    state[i] = low | (high << 32);
  }
  return state;
}

NumpyRandom::NumpyRandom(uint64_t seed) {
  const std::array<uint64_t, 4> words = SeedSequenceState(seed);
  const Uint128 start = (static_cast<Uint128>(words[0]) << 64) | words[1];
  const Uint128 sequence = (static_cast<Uint128>(words[2]) << 64) | words[3];
  increment_ = (sequence << 1) | 1u;
  // PCG's seeding: one step from state 0, add the start, another step.
  state_ = (increment_ + start) * kPcgMultiplier + increment_;
}

uint64_t NumpyRandom::NextUint64() {
  state_ = state_ * kPcgMultiplier + increment_;
  const uint64_t folded = static_cast<uint64_t>(state_ >> 64) ^ static_cast<uint64_t>(state_);
  const unsigned turn = static_cast<unsigned>(state_ >> 122);
  return (folded >> turn) | (folded << ((64 - turn) & 63));
}

uint32_t NumpyRandom::NextUint32() {
  if (has_half_) {
    has_half_ = false;
    return half_;
  }
  const uint64_t both = NextUint64();
  has_half_ = true;
  half_ = static_cast<uint32_t>(both >> 32);
  return static_cast<uint32_t>(both);
}

double NumpyRandom::NextDouble() {
  return static_cast<double>(NextUint64() >> 11) * (1.0 / 9007199254740992.0);
}

double NumpyRandom::Uniform(double low, double high) { return low + (high - low) * NextDouble(); }

double NumpyRandom::StandardNormal() {
  for (;;) {
    // 8 bits choose the layer, one the sign, 52 the place within the layer.
    const uint64_t bits = NextUint64();
    const unsigned layer = bits & 0xff;
    const bool negative = ((bits >> 8) & 1) != 0;
    const uint64_t magnitude = (bits >> 9) & 0x000fffffffffffffu;
    const double x = static_cast<double>(magnitude) * kZigguratWidth[layer];
    if (magnitude < kZigguratAccept[layer]) return negative ? -x : x;
    if (layer == 0) {
      for (;;) {
        const double beyond = -kZigguratTailInverse * std::log1p(-NextDouble());
        const double height = -std::log1p(-NextDouble());
        if (height + height > beyond * beyond) {
          // In the tail the sign is another bit than in the layers.
          const bool tail_negative = ((magnitude >> 8) & 1) != 0;
          return tail_negative ? -(kZigguratTail + beyond) : kZigguratTail + beyond;
        }
      }
    }
    const double above = kZigguratDensity[layer - 1] - kZigguratDensity[layer];
    if (above * NextDouble() + kZigguratDensity[layer] < std::exp(-0.5 * x * x)) {
      return negative ? -x : x;
    }
  }
}

double NumpyRandom::Normal(double mean, double standard_deviation) {
  return mean + standard_deviation * StandardNormal();
}

uint32_t NumpyRandom::Bounded(uint32_t bound) {
  if (bound <= 1) return 0;
  uint64_t product = static_cast<uint64_t>(NextUint32()) * bound;
  if (static_cast<uint32_t>(product) < bound) {
    const uint32_t threshold = (0u - bound) % bound;
    while (static_cast<uint32_t>(product) < threshold) {
      product = static_cast<uint64_t>(NextUint32()) * bound;
    }
  }
  return static_cast<uint32_t>(product >> 32);
}

std::vector<uint64_t> BankSeeds(uint64_t bank, int count) {
  NumpyRandom random(bank);
  std::vector<uint64_t> seeds;
  seeds.reserve(count > 0 ? count : 0);
  for (int i = 0; i < count; ++i) seeds.push_back(random.Bounded((1u << 31) - 1));
  return seeds;
}

}  // namespace shoal
