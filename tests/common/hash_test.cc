#include "common/hash.h"

#include <gtest/gtest.h>

#include <utility>

namespace shoal {
namespace {

// FIPS 180-4 examples.
TEST(Sha256, GivesTheKnownAnswers) {
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, DoesNotDependOnHowTheBytesCome) {
  Sha256 pieces;
  pieces.Update("a");
  pieces.Update("");
  Sha256 moved = std::move(pieces);
  moved.Update("bc", 2);
  EXPECT_EQ(moved.FinishHex(), Sha256Hex("abc"));
}

// The values of xxHash's own tests and its tool, seed 0.
TEST(Xxh3, GivesTheKnownAnswers) {
  EXPECT_EQ(Xxh3_64(""), 0x2d06800538d394c2u);
  EXPECT_EQ(Xxh3_64("abc"), 0x78af5f94892f3950u);
  EXPECT_EQ(Xxh3_64("abcd", 3), Xxh3_64("abc"));
  EXPECT_EQ(Xxh3_128Hex(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(Xxh3_128Hex("abc"), "06b05ab6733a618578af5f94892f3950");
}

}  // namespace
}  // namespace shoal
