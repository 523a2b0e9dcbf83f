#include "common/logging.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <map>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/files.h"
#include "common/printable.h"
#include "common/token_bucket.h"
#include "nlohmann/json.hpp"

namespace shoal {
namespace {

struct LevelName {
  LogLevel level;
  const char* name;
  spdlog::level::level_enum spdlog_level;
};
constexpr LevelName kLevels[] = {
    {LogLevel::kDebug, "debug", spdlog::level::debug},
    {LogLevel::kInfo, "info", spdlog::level::info},
    {LogLevel::kWarning, "warning", spdlog::level::warn},
    {LogLevel::kError, "error", spdlog::level::err},
    {LogLevel::kOff, "off", spdlog::level::off},
};

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  return kLevels[static_cast<size_t>(level)].spdlog_level;
}

// Longer values are cut: a line is for people.
constexpr size_t kLongestValue = 4096;

// As a word of the log: quoted where it would not be one word otherwise.
std::string Word(std::string_view text) {
  const bool plain = !text.empty() && text.size() <= kLongestValue &&
                     text.find_first_of(" \"=\\") == text.npos && IsPrintable(text);
  if (plain) return std::string(text);
  const std::string quoted = absl::StrReplaceAll(absl::string_view(text.data(), text.size()),
                                                 {{"\\", "\\\\"}, {"\"", "\\\""}});
  return absl::StrCat("\"", Printable(quoted, kLongestValue), "\"");
}

// The message is for people and stays as it is, except for what would break the line.
std::string Message(std::string_view text) { return Printable(text, kLongestValue); }

// How often one and the same message is written, so that peers which make a program repeat itself
// do not fill the disk. Thread safe.
class LineRate {
 public:
  LineRate(double burst, double per_second) : burst_(burst), per_second_(per_second) {}

  // Negative: do not write it. Else the number that were not written since the last that was.
  int64_t Admit(std::string_view message) {
    const absl::Time now = absl::Now();
    absl::MutexLock lock(&mutex_);
    auto found = lines_.find(message);
    if (found == lines_.end()) {
      // Messages are the program's own, so they are few; those with something put in share one rate.
      const bool room = lines_.size() < kMostMessages;
      found = lines_.try_emplace(room ? std::string(message) : "", burst_, per_second_).first;
    }
    Line& line = found->second;
    if (!line.bucket.Take(now)) {
      ++line.unwritten;
      return -1;
    }
    return std::exchange(line.unwritten, 0);
  }

 private:
  static constexpr size_t kMostMessages = 256;
  struct Line {
    Line(double burst, double per_second) : bucket(burst, per_second) {}
    TokenBucket bucket;
    int64_t unwritten = 0;
  };

  const double burst_;
  const double per_second_;
  absl::Mutex mutex_;
  std::map<std::string, Line, std::less<>> lines_ ABSL_GUARDED_BY(mutex_);
};

using Json = nlohmann::ordered_json;

// Bytes that are no UTF-8 become U+FFFD.
std::string JsonText(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// As a part of spdlog's pattern.
std::string Literally(const std::string& text) { return absl::StrReplaceAll(text, {{"%", "%%"}}); }

std::string TextPattern(const LogOptions& options) {
  const auto word = [](const std::string& text) {
    return Literally(Word(text.empty() ? "-" : text));
  };
  return absl::StrCat("%Y-%m-%dT%H:%M:%S.%eZ %l ", word(options.component), " ", word(options.run),
                      " %v");
}

// The line's own part is an object; its brace is replaced by what all lines begin with.
std::string JsonPattern(const LogOptions& options) {
  const auto word = [](const std::string& text) {
    return Literally(JsonText(Printable(text, kLongestValue)));
  };
  return absl::StrCat(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","component":)",
                      word(options.component), R"(,"run":)", word(options.run), ",%v");
}

std::string TextLine(std::string_view message, std::initializer_list<LogField> fields,
                     int64_t unwritten) {
  std::string line = Message(message);
  for (const LogField& field : fields) {
    absl::StrAppend(&line, " ", field.key, "=", Word(field.value));
  }
  if (unwritten > 0) absl::StrAppend(&line, " unwritten=", unwritten);
  return line;
}

std::string JsonLine(std::string_view message, std::initializer_list<LogField> fields,
                     int64_t unwritten) {
  Json values = Json::object();
  for (const LogField& field : fields) {
    // A number that is none (nan, inf) is text.
    if (field.literal && Json::accept(field.value)) {
      values[field.key] = Json::parse(field.value);
    } else {
      values[field.key] = Printable(field.value, kLongestValue);
    }
  }
  if (unwritten > 0) values["unwritten"] = unwritten;
  return JsonText({{"message", Message(message)}, {"fields", std::move(values)}}).substr(1);
}

struct Output {
  std::shared_ptr<spdlog::logger> logger;
  LogFormat format = LogFormat::kText;
};

Output MakeOutput(const LogOptions& options, spdlog::sink_ptr sink) {
  auto logger = std::make_shared<spdlog::logger>("shoal", std::move(sink));
  logger->set_pattern(
      options.format == LogFormat::kJson ? JsonPattern(options) : TextPattern(options),
      spdlog::pattern_time_type::utc);
  logger->set_level(ToSpdlog(options.level));
  logger->flush_on(spdlog::level::trace);
  return {std::move(logger), options.format};
}

class Logger {
 public:
  // Never destroyed: threads may log until the very end of the program.
  static Logger& Get() {
    static Logger* const logger = new Logger;
    return *logger;
  }

  void Set(Output output) {
    absl::MutexLock lock(&mutex_);
    output_ = std::move(output);
  }

  Output Current() {
    absl::MutexLock lock(&mutex_);
    return output_;
  }

  // A thousand actors may arrive at once, and a small run commits often.
  LineRate own{1000, 20};
  // What strangers make gRPC and protobuf say.
  LineRate libraries{20, 1};

 private:
  absl::Mutex mutex_;
  Output output_ ABSL_GUARDED_BY(mutex_) =
      MakeOutput({}, std::make_shared<spdlog::sinks::stderr_sink_mt>());
};

void Write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields,
           LineRate& rate) {
  const Output output = Logger::Get().Current();
  const spdlog::level::level_enum spdlog_level = ToSpdlog(level);
  if (!output.logger->should_log(spdlog_level)) return;
  // Whoever asks for everything gets it.
  const int64_t unwritten = level == LogLevel::kDebug ? 0 : rate.Admit(message);
  if (unwritten < 0) return;
  const std::string line = output.format == LogFormat::kJson
                               ? JsonLine(message, fields, unwritten)
                               : TextLine(message, fields, unwritten);
  output.logger->log(spdlog_level, spdlog::string_view_t(line.data(), line.size()));
}

void LogFromGrpc(gpr_log_func_args* args) {
  const LogLevel level =
      args->severity == GPR_LOG_SEVERITY_ERROR ? LogLevel::kWarning : LogLevel::kDebug;
  Write(level, "grpc", {{"says", args->message}, {"file", args->file}, {"line", args->line}},
        Logger::Get().libraries);
}

// It says there why a message cannot be parsed, where the sender is a stranger.
void LogFromProtobuf(google::protobuf::LogLevel level, const char* file, int line,
                     const std::string& says) {
  Write(level >= google::protobuf::LOGLEVEL_WARNING ? LogLevel::kWarning : LogLevel::kDebug,
        "protobuf", {{"says", says}, {"file", file}, {"line", line}}, Logger::Get().libraries);
}

}  // namespace

absl::StatusOr<LogLevel> ParseLogLevel(std::string_view name) {
  for (const LevelName& level : kLevels) {
    if (name == level.name) return level.level;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("log level ", Word(name), ": accepted are debug, info, warning, error, off"));
}

absl::StatusOr<LogFormat> ParseLogFormat(std::string_view name) {
  if (name == "text") return LogFormat::kText;
  if (name == "json") return LogFormat::kJson;
  return absl::InvalidArgumentError(
      absl::StrCat("log format ", Word(name), ": accepted are text, json"));
}

absl::Status SetUpLogging(const LogOptions& options) {
  spdlog::sink_ptr sink;
  if (options.file.empty()) {
    sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  } else {
    if (absl::Status made = CreateDirectories(DirectoryOf(options.file)); !made.ok()) return made;
    try {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file);
    } catch (const spdlog::spdlog_ex& error) {
      return absl::FailedPreconditionError(
          absl::StrCat("cannot write the log ", options.file, ": ", error.what()));
    }
  }
  Logger::Get().Set(MakeOutput(options, std::move(sink)));
  gpr_set_log_function(LogFromGrpc);
  google::protobuf::SetLogHandler(LogFromProtobuf);
  return absl::OkStatus();
}

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  Write(level, message, fields, Logger::Get().own);
}

}  // namespace shoal
