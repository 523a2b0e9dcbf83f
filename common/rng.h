#pragma once

// Random numbers that are a pure function of what they are for.
//
// A number is named by (seed, purpose, environment, episode, step, fish) and by nothing else: no
// generator state is carried along, so the same item gives the same numbers whoever computes it, in
// whatever order, and however often. The generator is Philox4x32-10 (Salmon, Moraes, Dror, Shaw:
// "Parallel random numbers: as easy as 1, 2, 3", SC 2011); it passes BigCrush for counters that are
// as regular as ours.
//
// Layout. The 128-bit counter is the four 32-bit words (environment, episode, step, fish), in this
// order. The 64-bit Philox key comes from (seed, purpose) by DerivePhiloxKey. Hence, within one
// (seed, purpose), no two names share a block; of one seed, no two purposes share a key; and for
// one purpose, no two seeds do. Where a purpose has other coordinates (a permutation's iteration
// and epoch, say), its user documents which of the four words carries which.
//
// Everything here is inline, allocates nothing and may be called from any thread.

#include <array>
#include <cstdint>

namespace shoal {

// What a random number is for. The values are part of every run's results: never renumber them.
enum class RandomPurpose : uint32_t {
  kScene = 1,
  kAction = 2,
  kTrackedFish = 3,
  kFirstLimit = 4,
  kRowFilter = 5,
  kInitialWeights = 6,
  kPermutation = 7,
  kTailMix = 8,
  kBootstrap = 9,
};

struct RandomKey {
  uint64_t seed = 0;
  RandomPurpose purpose = RandomPurpose::kScene;
};

// 128 random bits, as four words that may be used independently.
using RandomBlock = std::array<uint32_t, 4>;
using PhiloxKey = std::array<uint32_t, 2>;

// The bare generator: ten rounds of Philox4x32.
constexpr RandomBlock Philox4x32(RandomBlock counter, PhiloxKey key) {
  constexpr uint64_t kMultiplier0 = 0xD2511F53;
  constexpr uint64_t kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9;
  constexpr uint32_t kWeyl1 = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = kMultiplier0 * counter[0];
    const uint64_t product1 = kMultiplier1 * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<uint32_t>(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection of 64-bit words in which every
// bit of the input moves half of the output's.
constexpr uint64_t SplitMix64(uint64_t x) {
  x += 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

// key64 = SplitMix64(SplitMix64(seed) + purpose), low word first. Both steps are bijections, so the
// key is distinct for distinct purposes of one seed and for distinct seeds of one purpose.
constexpr PhiloxKey DerivePhiloxKey(RandomKey key) {
  const uint64_t mixed = SplitMix64(SplitMix64(key.seed) + static_cast<uint32_t>(key.purpose));
  return {static_cast<uint32_t>(mixed), static_cast<uint32_t>(mixed >> 32)};
}

// The numbers of one (seed, purpose). Holds the derived key only: copy it freely.
class KeyedRandom {
 public:
  constexpr explicit KeyedRandom(RandomKey key) : key_(DerivePhiloxKey(key)) {}
  constexpr KeyedRandom(uint64_t seed, RandomPurpose purpose)
      : KeyedRandom(RandomKey{seed, purpose}) {}

  constexpr RandomBlock Block(uint32_t environment, uint32_t episode, uint32_t step,
                              uint32_t fish) const {
    return Philox4x32({environment, episode, step, fish}, key_);
  }

  // The first two words of the block, the first one low.
  constexpr uint64_t Bits(uint32_t environment, uint32_t episode, uint32_t step,
                          uint32_t fish) const {
    const RandomBlock block = Block(environment, episode, step, fish);
    return static_cast<uint64_t>(block[1]) << 32 | block[0];
  }

 private:
  PhiloxKey key_;
};

// The same for a single number; in a loop, a KeyedRandom saves deriving the key each time.
constexpr RandomBlock KeyedBlock(uint64_t seed, RandomPurpose purpose, uint32_t environment,
                                 uint32_t episode, uint32_t step, uint32_t fish) {
  return KeyedRandom(seed, purpose).Block(environment, episode, step, fish);
}
constexpr uint64_t KeyedBits(uint64_t seed, RandomPurpose purpose, uint32_t environment,
                             uint32_t episode, uint32_t step, uint32_t fish) {
  return KeyedRandom(seed, purpose).Bits(environment, episode, step, fish);
}

// Uniform in [0, 1), a multiple of 2^-24, from the highest 24 bits.
constexpr float UniformFloat(uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1p-24f; }
constexpr float UniformFloat(uint64_t bits) {
  return UniformFloat(static_cast<uint32_t>(bits >> 32));
}

// Uniform in [0, 1), a multiple of 2^-53, from the highest 53 bits.
constexpr double UniformDouble(uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

// Uniform in 0..n-1, n >= 1, as floor(bits * n / 2^64). A value's probability is off by less than
// 2^-64, which no run can notice; in exchange one draw always suffices.
constexpr uint64_t BoundedInt(uint64_t bits, uint64_t n) {
  return static_cast<uint64_t>((static_cast<unsigned __int128>(bits) * n) >> 64);
}

}  // namespace shoal
