#include "actor/world/options.h"

#include <cmath>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace shoal {
namespace {

absl::Status BinError(absl::string_view bin, absl::string_view problem) {
  return absl::InvalidArgumentError(
      absl::StrCat("bin \"", bin, "\": ", problem,
                   "; expected start-end:weight with 0 <= start < end and weight >= 0, for example "
                   "0-60:1.1"));
}

// A finite number that is not negative.
bool ParseNumber(absl::string_view text, double* value) {
  return absl::SimpleAtod(absl::StripAsciiWhitespace(text), value) && std::isfinite(*value) &&
         !std::signbit(*value);
}

absl::StatusOr<BiasTable::Bin> ParseBin(absl::string_view text) {
  const std::vector<absl::string_view> range_and_weight = absl::StrSplit(text, ':');
  if (range_and_weight.size() != 2) return BinError(text, "needs exactly one ':'");
  if (absl::StripLeadingAsciiWhitespace(range_and_weight[1]).substr(0, 1) == "-") {
    return BinError(text, "its weight is negative");
  }
  const std::vector<absl::string_view> range = absl::StrSplit(range_and_weight[0], '-');
  if (range.size() != 2) return BinError(text, "needs exactly one '-' between two plain numbers");
  BiasTable::Bin bin;
  if (!ParseNumber(range[0], &bin.start)) return BinError(text, "its start is not a finite number");
  if (!ParseNumber(range[1], &bin.end)) return BinError(text, "its end is not a finite number");
  if (!ParseNumber(range_and_weight[1], &bin.weight)) {
    return BinError(text, "its weight is not a finite number");
  }
  if (bin.end <= bin.start) return BinError(text, "its end is not above its start");
  return bin;
}

}  // namespace

absl::StatusOr<BiasTable> ParseBiasTable(std::string_view text_view) {
  // Debian's Abseil has a string_view of its own.
  const absl::string_view text(text_view.data(), text_view.size());
  BiasTable table;
  if (absl::StripAsciiWhitespace(text).empty()) return table;
  double total = 0.0;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    absl::StatusOr<BiasTable::Bin> bin = ParseBin(absl::StripAsciiWhitespace(part));
    if (!bin.ok()) return bin.status();
    total += bin->weight;
    table.bins.push_back(*bin);
  }
  if (!(total > 0.0) || !std::isfinite(total)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the weights of \"", text, "\" add up to ", total,
                     "; at least one must be above 0 (an empty text turns the table off)"));
  }
  return table;
}

absl::StatusOr<RewardKind> ParseRewardKind(std::string_view name) {
  if (name == "shaped") return RewardKind::kShaped;
  if (name == "survival") return RewardKind::kSurvival;
  if (name == "death_only") return RewardKind::kDeathOnly;
  return absl::InvalidArgumentError(absl::StrCat("unknown reward \"",
                                                 absl::string_view(name.data(), name.size()),
                                                 "\"; expected shaped, survival or death_only"));
}

}  // namespace shoal
