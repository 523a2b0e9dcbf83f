#include "coordinator/schedule/lists.h"

#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/options.h"

namespace shoal {
namespace {

std::vector<absl::string_view> Entries(absl::string_view value) {
  if (absl::StripAsciiWhitespace(value).empty()) return {};
  std::vector<absl::string_view> entries = absl::StrSplit(value, ',');
  for (absl::string_view& entry : entries) entry = absl::StripAsciiWhitespace(entry);
  return entries;
}

absl::StatusOr<std::pair<absl::string_view, absl::string_view>> SplitPair(absl::string_view name,
                                                                          absl::string_view value,
                                                                          absl::string_view entry) {
  const size_t colon = entry.find(':');
  if (colon == absl::string_view::npos) {
    return OptionError(name, value, absl::StrCat("\"", entry, "\" is not of the form key:value"));
  }
  return std::pair(absl::StripAsciiWhitespace(entry.substr(0, colon)),
                   absl::StripAsciiWhitespace(entry.substr(colon + 1)));
}

}  // namespace

absl::StatusOr<double> ParseNumber(absl::string_view name, absl::string_view value,
                                   absl::string_view text, NumberRange range) {
  double number = 0;
  if (!absl::SimpleAtod(text, &number) || !std::isfinite(number)) {
    return OptionError(name, value, absl::StrCat("\"", text, "\" is not a number"));
  }
  if (number < range.min || number > range.max) {
    return OptionError(name, value,
                       absl::StrCat(text, " is not within ", ShortestDouble(range.min), " to ",
                                    ShortestDouble(range.max)));
  }
  return number;
}

absl::StatusOr<int64_t> ParseInteger(absl::string_view name, absl::string_view value,
                                     absl::string_view text, IntegerRange range) {
  int64_t number = 0;
  if (!absl::SimpleAtoi(text, &number)) {
    return OptionError(name, value, absl::StrCat("\"", text, "\" is not a whole number"));
  }
  if (number < range.min || number > range.max) {
    return OptionError(name, value,
                       absl::StrCat(text, " is not within ", range.min, " to ", range.max));
  }
  return number;
}

absl::StatusOr<std::vector<double>> ParseNumberList(absl::string_view name, absl::string_view value,
                                                    NumberRange range) {
  std::vector<double> numbers;
  for (const absl::string_view entry : Entries(value)) {
    absl::StatusOr<double> number = ParseNumber(name, value, entry, range);
    if (!number.ok()) return number.status();
    numbers.push_back(*number);
  }
  return numbers;
}

absl::StatusOr<std::vector<int64_t>> ParseIntegerList(absl::string_view name,
                                                      absl::string_view value, IntegerRange range) {
  std::vector<int64_t> numbers;
  for (const absl::string_view entry : Entries(value)) {
    absl::StatusOr<int64_t> number = ParseInteger(name, value, entry, range);
    if (!number.ok()) return number.status();
    numbers.push_back(*number);
  }
  return numbers;
}

absl::StatusOr<std::map<int64_t, double>> ParseTable(absl::string_view name,
                                                     absl::string_view value, IntegerRange keys,
                                                     NumberRange values) {
  std::map<int64_t, double> table;
  for (const absl::string_view entry : Entries(value)) {
    auto pair = SplitPair(name, value, entry);
    if (!pair.ok()) return pair.status();
    absl::StatusOr<int64_t> key = ParseInteger(name, value, pair->first, keys);
    if (!key.ok()) return key.status();
    absl::StatusOr<double> number = ParseNumber(name, value, pair->second, values);
    if (!number.ok()) return number.status();
    if (!table.emplace(*key, *number).second) {
      return OptionError(name, value, absl::StrCat(*key, " is given twice"));
    }
  }
  return table;
}

absl::StatusOr<std::vector<std::pair<double, double>>> ParseNumberPairs(absl::string_view name,
                                                                        absl::string_view value,
                                                                        NumberRange keys,
                                                                        NumberRange values) {
  std::vector<std::pair<double, double>> pairs;
  for (const absl::string_view entry : Entries(value)) {
    auto pair = SplitPair(name, value, entry);
    if (!pair.ok()) return pair.status();
    absl::StatusOr<double> key = ParseNumber(name, value, pair->first, keys);
    if (!key.ok()) return key.status();
    absl::StatusOr<double> number = ParseNumber(name, value, pair->second, values);
    if (!number.ok()) return number.status();
    pairs.emplace_back(*key, *number);
  }
  return pairs;
}

std::string FormatList(const std::vector<double>& values) {
  return absl::StrJoin(values, ",",
                       [](std::string* out, double v) { absl::StrAppend(out, ShortestDouble(v)); });
}

std::string FormatList(const std::vector<int64_t>& values) { return absl::StrJoin(values, ","); }

std::string FormatTable(const std::map<int64_t, double>& table) {
  return absl::StrJoin(table, ",", [](std::string* out, const auto& entry) {
    absl::StrAppend(out, entry.first, ":", ShortestDouble(entry.second));
  });
}

template <typename T>
absl::StatusOr<std::vector<T>> FitToPhases(absl::string_view name, absl::string_view value,
                                           std::vector<T> list, bool is_explicit, int64_t phases) {
  const size_t wanted = static_cast<size_t>(phases);
  if (list.size() == wanted) return list;
  if (is_explicit || list.empty()) {
    return OptionError(
        name, value,
        absl::StrCat("has ", list.size(), list.size() == 1 ? " value" : " values",
                     ", the curriculum has ", phases, phases == 1 ? " phase" : " phases",
                     "; give one value for each phase, or leave the option out"));
  }
  const T last = list.back();
  list.resize(wanted, last);
  return list;
}
template absl::StatusOr<std::vector<double>> FitToPhases(absl::string_view, absl::string_view,
                                                         std::vector<double>, bool, int64_t);
template absl::StatusOr<std::vector<int64_t>> FitToPhases(absl::string_view, absl::string_view,
                                                          std::vector<int64_t>, bool, int64_t);

absl::StatusOr<std::map<int64_t, double>> FitTableToPhases(absl::string_view name,
                                                           absl::string_view value,
                                                           std::map<int64_t, double> table,
                                                           bool is_explicit, int64_t phases) {
  if (table.empty()) return table;
  const auto [last_phase, last_value] = *table.rbegin();
  if (is_explicit) {
    if (last_phase <= phases) return table;
    return OptionError(name, value,
                       absl::StrCat("names phase ", last_phase, ", the curriculum has ", phases));
  }
  table.erase(table.upper_bound(phases), table.end());
  for (int64_t phase = last_phase + 1; phase <= phases; ++phase) table[phase] = last_value;
  return table;
}

absl::StatusOr<std::vector<int64_t>> ParsePhaseAllowance(absl::string_view value) {
  constexpr absl::string_view kName = "penalty_gate_phase_allowance";
  auto list = ParseIntegerList(kName, value, {1, 1000000});
  if (!list.ok()) return list;
  if (list->empty()) {
    return OptionError(kName, value, "needs at least one phase (from 1), as in \"4,5,6\"");
  }
  for (size_t i = 1; i < list->size(); ++i) {
    if ((*list)[i] < (*list)[i - 1]) {
      return OptionError(kName, value, "a later stage may not allow less than an earlier one");
    }
  }
  return list;
}

absl::StatusOr<std::vector<int64_t>> ParseHiddenSizes(absl::string_view value) {
  constexpr absl::string_view kName = "policy_hidden_sizes";
  auto list = ParseIntegerList(kName, value, {1, 4096});
  if (!list.ok()) return list;
  if (list->empty() || list->size() > 8) {
    return OptionError(kName, value, "1 to 8 layers are accepted, as in \"64,64\"");
  }
  return list;
}

absl::Status CheckDevice(absl::string_view value) {
  if (value == "auto" || value == "cpu" || value == "cuda") return absl::OkStatus();
  const absl::string_view number = value.substr(0, 5) == "cuda:" ? value.substr(5) : "";
  int index = 0;
  if (!number.empty() && number.find_first_not_of("0123456789") == absl::string_view::npos &&
      absl::SimpleAtoi(number, &index) && index <= 127) {
    return absl::OkStatus();
  }
  return OptionError("device", value, "accepted are auto, cpu, cuda and cuda:n (n from 0 to 127)");
}

}  // namespace shoal
