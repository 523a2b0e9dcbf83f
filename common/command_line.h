#pragma once

// The command line of a program, on top of CLI11: every option of v1::RunOptions as --NAME, and a
// parse that says what is wrong the way people want to be told.
//
//   CLI::App app("trains fish");
//   CLI::App* train = app.add_subcommand("train", "...");
//   RunOptionsFromCommandLine given;
//   AddRunOptions(*train, given);
//   absl::StatusOr<CommandLineOutcome> outcome = ParseCommandLine(app, argc, argv, std::cout);
//
// Not thread-safe; meant for main.

#include <CLI/CLI.hpp>
#include <ostream>

#include "absl/status/statusor.h"
#include "common/options.h"
#include "shoal/v1/config.pb.h"

namespace shoal {

// What the command line gave, and nothing else: defaults are not set.
class RunOptionsFromCommandLine {
 public:
  const v1::RunOptions& options() const { return options_; }

 private:
  friend void AddRunOptions(CLI::App& app, RunOptionsFromCommandLine& given);
  v1::RunOptions options_;
};

// Registers one option per field (record-only ones excepted) with its help, group and default. The
// app fills `given` while it parses, so `given` must outlive that. Values are checked one by one.
// Several commands may share one `given`, as only one of them is parsed.
void AddRunOptions(CLI::App& app, RunOptionsFromCommandLine& given);

enum class CommandLineOutcome {
  kRun,    // Go on.
  kShown,  // --help or --version has been printed; end with success.
};

// Parses like CLI11, with these differences, for all named options of the app and its commands:
// - `--name value` and `--name=value` mean the same for every value, an empty one and one with a
//   minus sign included. A value that begins with "--" must be written with "=".
// - An option whose value is optional (CLI11's expected(0, 1)) is a switch: `--name` alone is true,
//   and the next argument is its value only if it is on, off, true, false, 1 or 0.
// - An option given twice is an error unless CLI11's policy for it says otherwise.
// - An unknown option or command is an error that offers the nearest name.
// All errors are kInvalidArgument, with a message for people.
absl::StatusOr<CommandLineOutcome> ParseCommandLine(CLI::App& app, int argc,
                                                    const char* const* argv, std::ostream& out);

}  // namespace shoal
