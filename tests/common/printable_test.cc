#include "common/printable.h"

#include <gtest/gtest.h>

namespace shoal {
namespace {

TEST(IsPrintable, TakesTextAndNothingThatHidesOrMoves) {
  for (const char* text : {"", "gpu-07 (AVX2)", "b\xc3\xbcro", "\xe6\xb0\xb4", "\xf0\x9f\x90\x9f"}) {
    EXPECT_TRUE(IsPrintable(text)) << text;
  }
  for (const std::string text :
       {"\n", "\x1b[2J", "\x7f", "\xc2\x9b" "2J", "\xe2\x80\xae", "\xe2\x80\x8b",
        "\xe2\x80\xa8", "\xef\xbb\xbf", "\xf3\xa0\x81\x81"}) {
    EXPECT_FALSE(IsPrintable(text)) << Printable(text, 100);
  }
  EXPECT_FALSE(IsPrintable(std::string("a\0b", 3)));
}

TEST(IsPrintable, TakesOnlyUtf8) {
  for (const char* text : {"\x80", "\xc3", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80",
                           "\xf4\x90\x80\x80", "\xe6\xb0", "\xff"}) {
    EXPECT_FALSE(IsPrintable(text)) << Printable(text, 100);
  }
}

TEST(Printable, EscapesAndCuts) {
  EXPECT_EQ(Printable("a\nb\x1b[2J\xc2\x9b\xff \xc3\xbc", 100), "a\\nb\\033[2J\\302\\233\\377 \xc3\xbc");
  EXPECT_EQ(Printable("0123456789", 10), "0123456789");
  EXPECT_EQ(Printable("0123456789x", 10), "0123456...");
  // Never in the middle of a character or an escape.
  EXPECT_EQ(Printable("01234\xc3\xbc\xc3\xbc\xc3\xbc", 9), "01234...");
  EXPECT_EQ(Printable("0123\x1b\x1b\x1b", 10), "0123...");
  EXPECT_EQ(Printable("0123", 2), "");
}

}  // namespace
}  // namespace shoal
