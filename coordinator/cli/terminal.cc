#include "coordinator/cli/terminal.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace shoal {

bool WantsColours(int file_descriptor) {
  const char* const no_color = std::getenv("NO_COLOR");
  if (no_color != nullptr && *no_color != '\0') return false;
  const char* const term = std::getenv("TERM");
  if (term == nullptr || std::strcmp(term, "dumb") == 0) return false;
  return isatty(file_descriptor) != 0;
}

std::string Tinted(std::string_view text, Tint tint, bool colours) {
  if (!colours || tint == Tint::kNone) return std::string(text);
  const char* const code = tint == Tint::kGood      ? "32"
                           : tint == Tint::kWarning ? "33"
                           : tint == Tint::kBad     ? "31"
                                                    : "2";
  return absl::StrCat("\033[", code, "m", absl::string_view(text.data(), text.size()), "\033[0m");
}

std::string Spark(const std::vector<double>& values, double top) {
  static constexpr const char* kBlocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  double high = top;
  for (const double value : values) high = std::max(high, value);
  std::string spark;
  for (const double value : values) {
    if (value < 0 || !std::isfinite(value)) {
      spark += ".";
      continue;
    }
    const double share = high > 0 ? value / high : 0;
    spark += kBlocks[std::clamp(static_cast<int>(share * 8), 0, 7)];
  }
  return spark;
}

}  // namespace shoal
