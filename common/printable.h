#pragma once

// Text from outside that people will see, in a log or on a terminal: control characters there can
// hide, forge or overwrite what stands around them.
//
// Functions are thread-safe.

#include <cstddef>
#include <string>
#include <string_view>

namespace shoal {

// Valid UTF-8 without control characters (C0, DEL, C1), without line and paragraph separators, and
// without the marks that turn the direction of writing or cannot be seen.
bool IsPrintable(std::string_view text);

// The text with every byte of such a character written as \ooo, and of bytes that are not UTF-8;
// line feed, carriage return and tab as \n, \r and \t. What would be longer than `most` bytes is cut
// there and ends with "...".
std::string Printable(std::string_view text, size_t most);

}  // namespace shoal
