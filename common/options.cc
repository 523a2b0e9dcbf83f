#include "common/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

namespace shoal {
namespace {

using google::protobuf::FieldDescriptor;

const v1::OptionSpec& Spec(const FieldDescriptor* field) {
  return field->options().GetExtension(v1::option);
}

// The groups of config.proto by their first field numbers.
struct Group {
  int first_number;
  const char* title;
};
constexpr Group kGroups[] = {
    {1, "General"},        {40, "PPO"},           {60, "World"},
    {90, "Curriculum"},    {100, "Evaluation"},   {130, "Density penalty"},
    {150, "Escape boost"}, {180, "Penalty gate"}, {220, "Tail seeds"},
};

std::string LimitText(const FieldDescriptor* field, double limit) {
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_INT64) {
    return absl::StrCat(static_cast<int64_t>(limit));
  }
  return ShortestDouble(limit);
}

std::string RangeText(const FieldDescriptor* field) {
  const v1::OptionSpec& spec = Spec(field);
  const std::string min = LimitText(field, spec.min());
  const std::string max = LimitText(field, spec.max());
  if (spec.has_min() && spec.above_min()) {
    return absl::StrCat(" greater than ", min, spec.has_max() ? " and at most " + max : "");
  }
  if (spec.has_min() && spec.has_max()) return absl::StrCat(" from ", min, " to ", max);
  if (spec.has_min()) return absl::StrCat(" of at least ", min);
  if (spec.has_max()) return absl::StrCat(" of at most ", max);
  return "";
}

absl::Status NotAccepted(const FieldDescriptor* field, const std::string& value) {
  return absl::InvalidArgumentError(absl::StrCat("--", field->name(), " ",
                                                 value.empty() ? "\"\"" : value, ": accepted are ",
                                                 AcceptedValues(field)));
}

bool InRange(const v1::OptionSpec& spec, double value) {
  if (!std::isfinite(value)) return false;
  if (spec.has_min() && (value < spec.min() || (spec.above_min() && value == spec.min()))) {
    return false;
  }
  return !spec.has_max() || value <= spec.max();
}

// The length of the shortest way from one word to the other by inserting, removing and replacing
// letters.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

const std::vector<const FieldDescriptor*>& RunOptionFields() {
  static const auto* const fields = [] {
    auto* made = new std::vector<const FieldDescriptor*>;
    const google::protobuf::Descriptor* descriptor = v1::RunOptions::descriptor();
    for (int i = 0; i < descriptor->field_count(); ++i) {
      if (!Spec(descriptor->field(i)).record_only()) made->push_back(descriptor->field(i));
    }
    std::sort(made->begin(), made->end(), [](const FieldDescriptor* a, const FieldDescriptor* b) {
      return a->number() < b->number();
    });
    return made;
  }();
  return *fields;
}

absl::StatusOr<const FieldDescriptor*> FindRunOption(std::string_view given) {
  const std::string name(absl::StripPrefix(absl::string_view(given.data(), given.size()), "--"));
  std::vector<std::string> names;
  for (const FieldDescriptor* field : RunOptionFields()) {
    if (field->name() == name) return field;
    names.push_back(field->name());
  }
  const std::string nearest = NearestName(name, names);
  return absl::InvalidArgumentError(
      absl::StrCat("there is no option --", name,
                   nearest.empty() ? "" : absl::StrCat("; did you mean --", nearest, "?")));
}

const char* OptionGroup(const FieldDescriptor* field) {
  const char* title = kGroups[0].title;
  for (const Group& group : kGroups) {
    if (field->number() >= group.first_number) title = group.title;
  }
  return title;
}

std::string AcceptedValues(const FieldDescriptor* field) {
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return "on, off, true, false, 1, 0";
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat("whole numbers", RangeText(field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return absl::StrCat("numbers", RangeText(field));
    default:
      return Spec(field).one_of_size() > 0 ? absl::StrJoin(Spec(field).one_of(), ", ") : "any text";
  }
}

std::string DefaultText(const FieldDescriptor* field) {
  if (!field->has_default_value()) return Spec(field).default_text();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return field->default_value_bool() ? "true" : "false";
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(field->default_value_int64());
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return ShortestDouble(field->default_value_double());
    default:
      return field->default_value_string();
  }
}

bool IsSwitchWord(std::string_view text) {
  for (const char* word : {"on", "off", "true", "false", "1", "0"}) {
    if (text == word) return true;
  }
  return false;
}

absl::Status SetOption(const FieldDescriptor* field, std::string_view given,
                       v1::RunOptions& options) {
  const std::string text(given);
  v1::RunOptions changed;
  const google::protobuf::Reflection* reflection = changed.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL: {
      if (!IsSwitchWord(text)) return NotAccepted(field, text);
      reflection->SetBool(&changed, field, text == "on" || text == "true" || text == "1");
      break;
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      int64_t value;
      if (!absl::SimpleAtoi(text, &value)) return NotAccepted(field, text);
      reflection->SetInt64(&changed, field, value);
      break;
    }
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      double value;
      if (!absl::SimpleAtod(text, &value)) return NotAccepted(field, text);
      reflection->SetDouble(&changed, field, value);
      break;
    }
    default:
      reflection->SetString(&changed, field, text);
  }
  if (absl::Status status = CheckOptionValue(changed, field); !status.ok()) return status;
  options.MergeFrom(changed);
  return absl::OkStatus();
}

absl::Status CheckOptionValue(const v1::RunOptions& options, const FieldDescriptor* field) {
  const google::protobuf::Reflection* reflection = options.GetReflection();
  if (!reflection->HasField(options, field)) return absl::OkStatus();
  const v1::OptionSpec& spec = Spec(field);
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_INT64: {
      const int64_t value = reflection->GetInt64(options, field);
      return InRange(spec, static_cast<double>(value)) ? absl::OkStatus()
                                                       : NotAccepted(field, absl::StrCat(value));
    }
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      const double value = reflection->GetDouble(options, field);
      return InRange(spec, value) ? absl::OkStatus() : NotAccepted(field, ShortestDouble(value));
    }
    default: {
      const std::string value = reflection->GetString(options, field);
      const auto& words = spec.one_of();
      const bool accepted =
          words.empty() || std::find(words.begin(), words.end(), value) != words.end();
      return accepted ? absl::OkStatus() : NotAccepted(field, value);
    }
  }
}

absl::Status CheckOptionValues(const v1::RunOptions& options) {
  for (const FieldDescriptor* field : RunOptionFields()) {
    if (absl::Status status = CheckOptionValue(options, field); !status.ok()) return status;
  }
  return absl::OkStatus();
}

std::string ShortestDouble(double value) {
  char buffer[32];
  // Left to itself, to_chars writes 3e-04 and 1e+06.
  const double size = std::abs(value);
  const bool plain = value == 0 || (size >= 1e-4 && size < 1e15);
  const std::to_chars_result result =
      std::to_chars(buffer, buffer + sizeof(buffer), value,
                    plain ? std::chars_format::fixed : std::chars_format::scientific);
  return std::string(buffer, result.ptr);
}

std::string NearestName(std::string_view name, const std::vector<std::string>& candidates) {
  // A third of the letters wrong is as far as a slip goes.
  size_t best = std::max<size_t>(2, name.size() / 3) + 1;
  std::string nearest;
  for (const std::string& candidate : candidates) {
    const size_t distance = EditDistance(name, candidate);
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace shoal
