#include "coordinator/cli/log_line.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/printable.h"
#include "coordinator/cli/terminal.h"

namespace shoal {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, 4> kLevels = {"debug", "info", "warning", "error"};
constexpr char kTimeFormat[] = "%Y-%m-%dT%H:%M:%E*SZ";
// A line is shown in one piece.
constexpr size_t kLongest = 1 << 20;

bool IsLevel(std::string_view level) {
  for (const std::string_view known : kLevels) {
    if (level == known) return true;
  }
  return false;
}

std::optional<absl::Time> ParseTime(std::string_view text) {
  absl::Time time;
  if (!absl::ParseTime(kTimeFormat, absl::string_view(text.data(), text.size()), &time, nullptr)) {
    return std::nullopt;
  }
  return time;
}

// Takes a word of logging.h, and one space after it, off the text. Nothing: there is no whole word.
std::optional<std::string> TakeWord(std::string_view& text, bool& quoted) {
  quoted = !text.empty() && text.front() == '"';
  std::string word;
  size_t at = 0;
  if (!quoted) {
    at = std::min(text.find(' '), text.size());
    word = text.substr(0, at);
    if (word.empty() || word.find_first_of("\"=") != word.npos) return std::nullopt;
  } else {
    for (at = 1; at < text.size() && text[at] != '"'; ++at) {
      // Control characters stay escaped, as they are in JSON lines.
      const bool escape = text[at] == '\\' && at + 1 < text.size() &&
                          (text[at + 1] == '"' || text[at + 1] == '\\');
      word += escape ? text[++at] : text[at];
    }
    if (at >= text.size()) return std::nullopt;
    ++at;
  }
  if (at < text.size() && text[at] != ' ') return std::nullopt;
  text.remove_prefix(std::min(at + 1, text.size()));
  return word;
}

std::string_view KeyOf(std::string_view text) {
  size_t length = 0;
  while (length < text.size() && (std::isalnum(static_cast<unsigned char>(text[length])) != 0 ||
                                  text[length] == '_')) {
    ++length;
  }
  return length > 0 && length < text.size() && text[length] == '=' ? text.substr(0, length)
                                                                   : std::string_view();
}

Json ValueOf(std::string word, bool quoted) {
  if (quoted) return word;
  const Json value = Json::parse(word, nullptr, /*allow_exceptions=*/false);
  return value.is_number() || value.is_boolean() ? value : Json(std::move(word));
}

// The text as key=value words to its end; nothing where it is anything else.
std::optional<Json> ParseFields(std::string_view text) {
  Json fields = Json::object();
  while (!text.empty()) {
    const std::string_view key = KeyOf(text);
    if (key.empty()) return std::nullopt;
    text.remove_prefix(key.size() + 1);
    bool quoted = false;
    std::optional<std::string> word = TakeWord(text, quoted);
    if (!word) return std::nullopt;
    fields[std::string(key)] = ValueOf(*std::move(word), quoted);
  }
  return fields;
}

// The message ends where everything that follows is fields.
void SplitMessage(LogLine& line) {
  const std::string_view text = line.text;
  for (size_t at = 0; at < text.size(); at = text.find(' ', at)) {
    if (text[at] == ' ') ++at;
    if (std::optional<Json> fields = ParseFields(text.substr(at))) {
      line.message = text.substr(0, at > 0 ? at - 1 : 0);
      line.fields = *std::move(fields);
      return;
    }
  }
  line.message = text;
}

std::optional<LogLine> ParseText(std::string_view line) {
  LogLine result;
  bool quoted = false;
  const std::string_view time = line.substr(0, std::min(line.find(' '), line.size()));
  result.time = ParseTime(time);
  if (!result.time) return std::nullopt;
  line.remove_prefix(std::min(time.size() + 1, line.size()));
  for (std::string* word : {&result.level, &result.component, &result.run}) {
    std::optional<std::string> taken = TakeWord(line, quoted);
    if (!taken) return std::nullopt;
    *word = *std::move(taken);
  }
  if (!IsLevel(result.level)) return std::nullopt;
  result.text = line;
  SplitMessage(result);
  return result;
}

std::string FieldText(const Json& value) {
  const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  if (!text.empty() && text.find_first_of(" \"=\\") == text.npos) return text;
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::optional<LogLine> ParseJson(std::string_view line) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  LogLine result;
  for (const auto& [name, into] :
       {std::pair("level", &result.level), std::pair("component", &result.component),
        std::pair("run", &result.run), std::pair("message", &result.message)}) {
    const auto found = json.find(name);
    if (found == json.end() || !found->is_string()) return std::nullopt;
    *into = found->get<std::string>();
  }
  const auto time = json.find("time");
  if (time == json.end() || !time->is_string()) return std::nullopt;
  result.time = ParseTime(time->get_ref<const std::string&>());
  if (!result.time || !IsLevel(result.level)) return std::nullopt;
  result.text = result.message;
  if (const auto fields = json.find("fields"); fields != json.end() && fields->is_object()) {
    result.fields = *fields;
    for (const auto& [key, value] : fields->items()) {
      absl::StrAppend(&result.text, " ", key, "=", FieldText(value));
    }
  }
  return result;
}

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

}  // namespace

LogLine ParseLogLine(std::string_view line) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  std::optional<LogLine> parsed = !line.empty() && line.front() == '{' ? ParseJson(line) : ParseText(line);
  if (parsed) return *std::move(parsed);
  LogLine result;
  result.text = line;
  return result;
}

absl::StatusOr<int> LogLevelRank(std::string_view level) {
  if (level == "warn") level = "warning";
  for (size_t rank = 0; rank < kLevels.size(); ++rank) {
    if (level == kLevels[rank]) return static_cast<int>(rank);
  }
  return absl::InvalidArgumentError(absl::StrCat("--level ", Printable(level, 100),
                                                 ": accepted are debug, info, warning, error"));
}

std::string LogLineText(const LogLine& line, const std::string& name, bool colours) {
  const Tint tint = line.level == "error"     ? Tint::kBad
                    : line.level == "warning" ? Tint::kWarning
                    : line.level == "info"    ? Tint::kNone
                                              : Tint::kQuiet;
  const std::string head =
      line.time ? absl::StrFormat("%s %-7s %-11s ", TimeText(*line.time), line.level, name)
                : absl::StrFormat("%24s %-7s %-11s ", "", "", name);
  return absl::StrCat(Tinted(absl::StrCat(head, Printable(line.text, kLongest)), tint, colours), "\n");
}

std::string LogLineJson(const LogLine& line, const std::string& name) {
  Json json = Json::object();
  if (line.time) {
    json = {{"time", TimeText(*line.time)}, {"level", line.level}, {"component", line.component},
            {"run", line.run},              {"file", name},        {"message", line.message},
            {"fields", line.fields}};
  } else {
    json = {{"file", name}, {"message", Printable(line.text, kLongest)}};
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace shoal
