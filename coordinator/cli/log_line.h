// One line of a program's log, taken apart: of either format that common/logging.h writes.
//
// Pure; thread safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace shoal {

struct LogLine {
  // Empty: the line is no event, but what a library wrote between two; then only `text` is there.
  std::optional<absl::Time> time;
  // "debug", "info", "warning", "error".
  std::string level;
  // "coordinator", "learner", "actor".
  std::string component;
  std::string run;
  std::string message;
  // An object, in the line's order. Numbers and truth values are that.
  nlohmann::ordered_json fields = nlohmann::ordered_json::object();
  // Message and fields as a text log has them.
  std::string text;
};

// Without the line feed. Never fails: what is no event comes back as `text`.
LogLine ParseLogLine(std::string_view line);

// From 0, "debug", to 3, "error". "warn" is "warning". InvalidArgument: no level.
absl::StatusOr<int> LogLevelRank(std::string_view level);

// A line for people: time, level, `name` (of the file), message and fields; with a line feed. Nothing in
// it is there to be obeyed by a terminal.
std::string LogLineText(const LogLine& line, const std::string& name, bool colours);

// One JSON object: time, level, component, run, file (`name`), message, fields; with a line feed. Of what
// is no event: file and message.
std::string LogLineJson(const LogLine& line, const std::string& name);

}  // namespace shoal
