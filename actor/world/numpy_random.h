// NumPy's random numbers, bit for bit: Generator(PCG64(SeedSequence(seed))).
//
// A seed must name the same scene here and in the Python original, so scenes of evaluations are
// drawn with this generator and no other. The algorithms are those of NumPy 1.17 and later:
// SeedSequence (O'Neill's seed_seq with a pool of four words), PCG XSL-RR 128/64, the 256-layer
// ziggurat, Lemire's bounded integers.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace shoal {

// SeedSequence(entropy).generate_state(4, uint64): the four words that seed PCG64.
std::array<uint64_t, 4> SeedSequenceState(uint64_t entropy);

// numpy.random.default_rng(seed). Copyable; a copy goes on independently from the same point.
// Not thread-safe. No method fails.
class NumpyRandom {
 public:
  explicit NumpyRandom(uint64_t seed);

  // PCG64's next raw output (BitGenerator.random_raw).
  uint64_t NextUint64();

  // The next 32 bits: each 64-bit output serves two calls, low half first. The half that is left
  // over waits for the next call, whatever else is drawn meanwhile.
  uint32_t NextUint32();

  // Generator.random(): uniform in [0, 1), 53 bits.
  double NextDouble();

  // Generator.uniform(low, high): low + (high - low) * NextDouble().
  double Uniform(double low, double high);

  // Generator.standard_normal().
  double StandardNormal();

  // Generator.normal(mean, standard_deviation): the draw is made even where the deviation is 0.
  double Normal(double mean, double standard_deviation);

  // Generator.integers(0, bound) for 1 <= bound < 2^32: uniform in [0, bound). A bound of 1 draws
  // nothing.
  uint32_t Bounded(uint32_t bound);

 private:
  unsigned __int128 state_;
  unsigned __int128 increment_;
  bool has_half_ = false;
  uint32_t half_ = 0;
};

// The seeds of a bank's first `count` scenes: default_rng(bank).integers(0, 2**31 - 1) drawn
// `count` times. A longer list begins with the shorter one.
std::vector<uint64_t> BankSeeds(uint64_t bank, int count);

}  // namespace shoal
