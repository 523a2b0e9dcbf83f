// What a terminal can show and a file need not: colours and small curves.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace shoal {

enum class Tint { kNone, kGood, kWarning, kBad, kQuiet };

// Colours are for people at a terminal: `file_descriptor` is one, TERM is not "dumb", and NO_COLOR is
// not set (or empty).
bool WantsColours(int file_descriptor);

// `text` in its colour, or as it is.
std::string Tinted(std::string_view text, Tint tint, bool colours);

// One block character a value, as high as its share of `top` (or of the largest, where that is more);
// '.' for a negative one, which stands for none. UTF-8.
std::string Spark(const std::vector<double>& values, double top);

}  // namespace shoal
