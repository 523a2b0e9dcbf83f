#include "common/logging.h"

#include <grpc/support/log.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "absl/synchronization/mutex.h"
#include "common/files.h"

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

// As a word of the log: quoted where it would not be one word otherwise.
std::string Word(std::string_view text) {
  const bool plain = !text.empty() && std::none_of(text.begin(), text.end(), [](unsigned char c) {
    return c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f;
  });
  if (plain) return std::string(text);
  return absl::StrCat("\"", absl::Utf8SafeCEscape(absl::string_view(text.data(), text.size())),
                      "\"");
}

// The message is for people and stays as it is, except for what would break the line.
std::string Message(std::string_view text) {
  const bool plain =
      std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; });
  if (plain) return std::string(text);
  return absl::Utf8SafeCEscape(absl::string_view(text.data(), text.size()));
}

std::shared_ptr<spdlog::logger> MakeLogger(const LogOptions& options, spdlog::sink_ptr sink) {
  auto logger = std::make_shared<spdlog::logger>("shoal", std::move(sink));
  const auto literal = [](const std::string& text) {
    return absl::StrReplaceAll(Word(text.empty() ? "-" : text), {{"%", "%%"}});
  };
  logger->set_pattern(absl::StrCat("%Y-%m-%dT%H:%M:%S.%eZ %l ", literal(options.component), " ",
                                   literal(options.run), " %v"),
                      spdlog::pattern_time_type::utc);
  logger->set_level(ToSpdlog(options.level));
  logger->flush_on(spdlog::level::trace);
  return logger;
}

void LogFromGrpc(gpr_log_func_args* args) {
  const LogLevel level =
      args->severity == GPR_LOG_SEVERITY_ERROR ? LogLevel::kWarning : LogLevel::kDebug;
  Log(level, "grpc", {{"says", args->message}, {"file", args->file}, {"line", args->line}});
}

class Logger {
 public:
  // Never destroyed: threads may log until the very end of the program.
  static Logger& Get() {
    static Logger* const logger = new Logger;
    return *logger;
  }

  void Set(std::shared_ptr<spdlog::logger> logger) {
    absl::MutexLock lock(&mutex_);
    logger_ = std::move(logger);
  }

  std::shared_ptr<spdlog::logger> Current() {
    absl::MutexLock lock(&mutex_);
    return logger_;
  }

 private:
  absl::Mutex mutex_;
  std::shared_ptr<spdlog::logger> logger_ ABSL_GUARDED_BY(mutex_) =
      MakeLogger({}, std::make_shared<spdlog::sinks::stderr_sink_mt>());
};

}  // namespace

absl::StatusOr<LogLevel> ParseLogLevel(std::string_view name) {
  for (const LevelName& level : kLevels) {
    if (name == level.name) return level.level;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("log level ", Word(name), ": accepted are debug, info, warning, error, off"));
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
  Logger::Get().Set(MakeLogger(options, std::move(sink)));
  gpr_set_log_function(LogFromGrpc);
  return absl::OkStatus();
}

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  const std::shared_ptr<spdlog::logger> logger = Logger::Get().Current();
  const spdlog::level::level_enum spdlog_level = ToSpdlog(level);
  if (!logger->should_log(spdlog_level)) return;
  std::string line = Message(message);
  for (const LogField& field : fields) {
    absl::StrAppend(&line, " ", field.key, "=", Word(field.value));
  }
  logger->log(spdlog_level, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace shoal
