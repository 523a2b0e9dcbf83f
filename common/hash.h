#pragma once

// Checksums: SHA-256 for what must be named by its content (weights, checkpoints), XXH3 for what
// must be compared fast (chunks, records, caches).
//
// The values do not depend on the machine: XXH3 results are given in canonical (big-endian) order
// where they become text. Functions are thread-safe; a Sha256 object belongs to one thread at a
// time.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace shoal {

// SHA-256 of bytes that come in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void Update(std::string_view bytes);
  void Update(const void* data, size_t size);

  // The digest of all bytes so far as 64 lowercase hex digits. Ends the computation: call it once,
  // and nothing after it.
  std::string FinishHex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// 64 lowercase hex digits.
std::string Sha256Hex(std::string_view bytes);

// XXH3, 64 bits, seed 0.
uint64_t Xxh3_64(std::string_view bytes);
uint64_t Xxh3_64(const void* data, size_t size);

// XXH3, 128 bits, seed 0, as 32 lowercase hex digits, most significant first.
std::string Xxh3_128Hex(std::string_view bytes);

}  // namespace shoal
