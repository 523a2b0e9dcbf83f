// Options whose value is a list: reading them, writing them, and fitting them to the phases of a
// curriculum. Blanks around entries are ignored. Every error is InvalidArgument and names the
// option, the value and what would be accepted.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "coordinator/schedule/option_error.h"

namespace shoal {

// What every entry of a list must satisfy; both ends are accepted.
struct NumberRange {
  double min = 0;
  double max = 0;
};
struct IntegerRange {
  int64_t min = 0;
  int64_t max = 0;
};

// One number or integer within a range, for the option `name` whose whole value is `value`.
absl::StatusOr<double> ParseNumber(absl::string_view name, absl::string_view value,
                                   absl::string_view text, NumberRange range);
absl::StatusOr<int64_t> ParseInteger(absl::string_view name, absl::string_view value,
                                     absl::string_view text, IntegerRange range);

// "a,b,c"; "" is the empty list.
absl::StatusOr<std::vector<double>> ParseNumberList(absl::string_view name, absl::string_view value,
                                                    NumberRange range);
absl::StatusOr<std::vector<int64_t>> ParseIntegerList(absl::string_view name,
                                                      absl::string_view value, IntegerRange range);

// "key:value,..." with integer keys, each at most once; "" is the empty table.
absl::StatusOr<std::map<int64_t, double>> ParseTable(absl::string_view name,
                                                     absl::string_view value, IntegerRange keys,
                                                     NumberRange values);

// "threshold:value,..." with numbers for keys, in the order given.
absl::StatusOr<std::vector<std::pair<double, double>>> ParseNumberPairs(absl::string_view name,
                                                                        absl::string_view value,
                                                                        NumberRange keys,
                                                                        NumberRange values);

// The texts that ParseNumberList, ParseIntegerList and ParseTable read.
std::string FormatList(const std::vector<double>& values);
std::string FormatList(const std::vector<int64_t>& values);
std::string FormatTable(const std::map<int64_t, double>& table);

// A list with one value a phase. An explicit one must have `phases` values; a default one is cut,
// or extended with its last value.
template <typename T>
absl::StatusOr<std::vector<T>> FitToPhases(absl::string_view name, absl::string_view value,
                                           std::vector<T> list, bool is_explicit, int64_t phases);

// A table by phase. An explicit one may name no phase beyond the last; of a default one such
// entries are dropped, and phases beyond its own last entry take that entry's value.
absl::StatusOr<std::map<int64_t, double>> FitTableToPhases(absl::string_view name,
                                                           absl::string_view value,
                                                           std::map<int64_t, double> table,
                                                           bool is_explicit, int64_t phases);

// penalty_gate_phase_allowance: at least one phase (from 1), none smaller than the one before it.
// An entry beyond the curriculum's last phase allows all phases.
absl::StatusOr<std::vector<int64_t>> ParsePhaseAllowance(absl::string_view value);

// policy_hidden_sizes: 1 to 8 widths of 1 to 4096.
absl::StatusOr<std::vector<int64_t>> ParseHiddenSizes(absl::string_view value);

// device: auto, cpu, cuda or cuda:n with n from 0 to 127.
absl::Status CheckDevice(absl::string_view value);

}  // namespace shoal
