// Options of a run in protobuf's text format; the file part of options.h.

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/files.h"
#include "common/options.h"

namespace shoal {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::TextFormat;

// Far above any real file; whoever names a checkpoint by mistake gets an answer at once.
constexpr size_t kMaxOptionsBytes = 1 << 20;

// Protobuf counts from 0, people from 1.
std::string At(const std::string& name, int line, int column) {
  return absl::StrCat(name, ":", line + 1, ":", column + 1, ": ");
}

// The first error of a parse.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  explicit FirstError(const std::string& name) : name_(name) {}

  void AddError(int line, google::protobuf::io::ColumnNumber column,
                const std::string& message) override {
    if (!text_.empty()) return;
    text_ = absl::StrCat(At(name_, line, column), Explain(message));
  }

  const std::string& text() const { return text_; }

 private:
  // Protobuf's text for an unknown name has it in quotation marks and goes on about C++ types; ours
  // offers the nearest name. Any other text stays.
  static std::string Explain(const std::string& message) {
    const std::string marker = "has no field named \"";
    const size_t start = message.find(marker);
    if (start == std::string::npos) return message;
    const size_t begin = start + marker.size();
    const std::string name = message.substr(begin, message.find('"', begin) - begin);
    return std::string(FindRunOption(name).status().message());
  }

  const std::string name_;
  std::string text_;
};

std::string Quoted(const std::string& text) {
  return absl::StrCat("\"", absl::Utf8SafeCEscape(text), "\"");
}

// The value, or the default of an option that is not set.
std::string ValueText(const v1::RunOptions& options, const FieldDescriptor* field) {
  const google::protobuf::Reflection* reflection = options.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection->GetBool(options, field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(reflection->GetInt64(options, field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return ShortestDouble(reflection->GetDouble(options, field));
    default:
      return Quoted(reflection->GetString(options, field));
  }
}

}  // namespace

absl::StatusOr<v1::RunOptions> ReadOptionsFile(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path, kMaxOptionsBytes);
  if (!text.ok()) return text.status();
  return ParseOptions(*text, path);
}

absl::StatusOr<v1::RunOptions> ParseOptions(const std::string& text, const std::string& name) {
  FirstError error(name);
  TextFormat::ParseInfoTree locations;
  TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  parser.WriteLocationsTo(&locations);
  v1::RunOptions options;
  if (!parser.ParseFromString(text, &options)) {
    return absl::InvalidArgumentError(
        error.text().empty() ? absl::StrCat(name, ": not a file of options") : error.text());
  }
  for (const FieldDescriptor* field : RunOptionFields()) {
    const absl::Status status = CheckOptionValue(options, field);
    if (status.ok()) continue;
    const TextFormat::ParseLocation at = locations.GetLocation(field, -1);
    return absl::InvalidArgumentError(absl::StrCat(At(name, at.line, at.column), status.message()));
  }
  return options;
}

std::string WriteOptions(const v1::RunOptions& options, std::string_view header) {
  std::string text;
  if (!header.empty()) {
    for (const auto& line : absl::StrSplit(absl::string_view(header.data(), header.size()), '\n')) {
      absl::StrAppend(&text, line.empty() ? "#" : "# ", line, "\n");
    }
  }
  if (options.has_written_by()) {
    absl::StrAppend(&text, "written_by: ", Quoted(options.written_by()), "\n");
  }
  std::string group;
  for (const FieldDescriptor* field : RunOptionFields()) {
    if (group != OptionGroup(field)) {
      group = OptionGroup(field);
      absl::StrAppend(&text, text.empty() ? "" : "\n", "# ", group, "\n");
    }
    if (!field->has_default_value() && !options.GetReflection()->HasField(options, field)) {
      absl::StrAppend(&text, "# ", field->name(), ": ", DefaultText(field), "\n");
    } else {
      absl::StrAppend(&text, field->name(), ": ", ValueText(options, field), "\n");
    }
  }
  return text;
}

}  // namespace shoal
