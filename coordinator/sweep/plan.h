// What a sweep consists of: rows (sets of options) times seeds, read from a file or a grid.
//
// Everything here is pure and thread-safe. Errors are InvalidArgument and say what would be right.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace shoal {

// An option of `shoal train`: its name without dashes; no value: a switch that is on.
struct SweepOption {
  std::string name;
  std::optional<std::string> value;

  // "--name=value" or "--name".
  std::string Argument() const;
  friend bool operator==(const SweepOption&, const SweepOption&) = default;
};
using SweepOptions = std::vector<SweepOption>;

// Words as on a command line: "--name value", "--name=value" or "--name".
absl::StatusOr<SweepOptions> ParseSweepOptions(const std::vector<std::string>& words);

// `base` with what `changes` sets: replaced in its place, else added at the end.
SweepOptions MergeSweepOptions(SweepOptions base, const SweepOptions& changes);

// One line of the table. The first row of a plan is the one that the others are compared with.
struct SweepRow {
  // Up to 96 letters, digits, '_', '-' and '.', as a part of a run's name.
  std::string name;
  SweepOptions changes;
};

struct SweepPlan {
  SweepOptions base;
  std::vector<SweepRow> rows;
  std::vector<uint64_t> seeds;
  // As `--bank` has them: "412000:40" and options of the scenes after it.
  std::vector<std::string> banks;
};

// "1-5", "1,3,7-9". At most 1000, none twice.
absl::StatusOr<std::vector<uint64_t>> ParseSeeds(absl::string_view text);

// Axes "NAME=V1,V2" (values with a comma in them: "NAME=A;B"), multiplied, the last one varying
// fastest: rows named "NAME-VALUE_NAME-VALUE". At most 1000 rows.
absl::StatusOr<std::vector<SweepRow>> ExpandGrid(const std::vector<std::string>& axes);

// A sweep file: one entry a line, '#' begins a comment. Entries are
//   base OPTION...        options of every run
//   seeds 1-5
//   bank BANK:EPISODES [OPTION...]
//   grid NAME=V1,V2 ...
//   row NAME [OPTION...]
// `path` is for messages. What a file lacks is left empty; CheckPlan() tells whether it may be.
absl::StatusOr<SweepPlan> ParseSweepFile(absl::string_view text, absl::string_view path);

// A whole plan: rows with names of their own, seeds, banks, and no option that the sweep sets itself
// (seed, run_name, out, resume, continue). A plan without rows gets one, "base".
absl::Status CheckPlan(SweepPlan& plan);

// One run of a plan.
struct SweepRun {
  size_t row = 0;
  uint64_t seed = 0;
  // "ROW_sSEED".
  std::string name;
  // Arguments of `shoal train` besides --out: all options with the row's, the seed and the name.
  std::vector<std::string> arguments;
};

// All runs, seed by seed through the rows, so that a sweep that is stopped has whole comparisons.
// `defaults` count where neither base nor row say something.
std::vector<SweepRun> ExpandRuns(const SweepPlan& plan, const SweepOptions& defaults);

}  // namespace shoal
