#pragma once

// The log of a program: one line an event, to a file or to the standard error,
//
//   2024-05-01T12:00:00.123Z info coordinator my_run iteration committed iteration=3 rows=16384
//   time (UTC)               level component  run    message             key=value ...
//
// A value with a space, a quotation mark, an equals sign or a control character, and an empty one,
// is written as a quoted string with C escapes, so that every event stays on its line and every
// line can be taken apart again. Events are flushed as they are written.
//
//   Log(LogLevel::kInfo, "iteration committed", {{"iteration", 3}, {"policy", sha256}});
//
// or, where JSON is asked for, one object a line:
//
//   {"time":"2024-05-01T12:00:00.123Z","level":"info","component":"coordinator","run":"my_run",
//    "message":"iteration committed","fields":{"iteration":3,"rows":16384}}
//
// A value of more than 4096 bytes is cut. What cannot be seen or would change how the line is shown
// is escaped (printable.h), so values may come from anybody.
//
// One message is written at most 1000 times at once and 20 times a second in the long run, however
// its values differ; the line after that says unwritten=K. Level debug has no such limit.
//
// gRPC's own messages are events too: its errors at level warning, as they repeat what statuses say
// or explain them, and the rest at level debug. So are protobuf's. At most 20 of each are written at
// once and one a second in the long run.
//
// All functions are thread-safe. Before SetUpLogging events go to the standard error, from level
// info on.

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace shoal {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };

// "debug", "info", "warning", "error", "off"; kInvalidArgument otherwise.
absl::StatusOr<LogLevel> ParseLogLevel(std::string_view name);

enum class LogFormat { kText, kJson };

// "text", "json"; kInvalidArgument otherwise.
absl::StatusOr<LogFormat> ParseLogFormat(std::string_view name);

struct LogOptions {
  std::string component{};  // "coordinator", "learner", "actor".
  std::string run{};        // Name of the run; "-" is written where there is none.
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kText;
  std::string file{};  // Appended to, its folder made if need be; empty: the standard error.
};

// Replaces the settings of the whole program. On an error, which names the file, they stay.
absl::Status SetUpLogging(const LogOptions& options);

// One key and its value as text.
struct LogField {
  LogField(const char* key, std::string_view value) : key(key), value(value) {}
  LogField(const char* key, const std::string& value) : key(key), value(value) {}
  LogField(const char* key, const char* value) : key(key), value(value) {}
  LogField(const char* key, bool value)
      : key(key), value(value ? "true" : "false"), literal(true) {}
  template <std::integral T>
  LogField(const char* key, T value) : key(key), value(absl::StrCat(value)), literal(true) {}
  template <std::floating_point T>
  LogField(const char* key, T value) : key(key), value(absl::StrCat(value)), literal(true) {}
  LogField(const char* key, const absl::Status& status) : key(key), value(status.ToString()) {}

  const char* key;
  std::string value;
  bool literal = false;  // A number or a truth value, which JSON writes without quotes.
};

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

inline void LogDebug(std::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kDebug, message, fields);
}
inline void LogInfo(std::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kInfo, message, fields);
}
inline void LogWarning(std::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kWarning, message, fields);
}
inline void LogError(std::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kError, message, fields);
}

}  // namespace shoal
