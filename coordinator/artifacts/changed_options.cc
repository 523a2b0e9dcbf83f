#include "coordinator/artifacts/changed_options.h"

#include <utility>

#include "absl/strings/str_split.h"
#include "common/options.h"
#include "coordinator/schedule/options.h"

namespace shoal {

std::map<std::string, std::string> OptionValues(const v1::RunOptions& options) {
  std::map<std::string, std::string> values;
  const std::string text = WriteOptions(options, "");
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits(": ", 1));
    if (!line.empty() && line[0] != '#') {
      values[std::string(parts.first)] = std::string(parts.second);
    }
  }
  return values;
}

namespace {

// Defaults as they would be for this run's phases, since lists are fitted to those.
v1::RunOptions DefaultsFor(const v1::RunOptions& options) {
  v1::RunOptions defaults;
  defaults.set_curriculum(options.curriculum());
  defaults.set_total_iterations(options.total_iterations());
  defaults.set_seed(options.seed());
  if (!ResolveOptions(defaults).ok()) return v1::RunOptions();
  defaults.clear_curriculum();
  defaults.clear_seed();
  defaults.clear_total_iterations();
  return defaults;
}

}  // namespace

std::vector<ChangedOption> ChangedOptions(const v1::RunOptions& options) {
  const auto defaults = OptionValues(DefaultsFor(options));
  const auto values = OptionValues(options);
  std::vector<ChangedOption> changed;
  for (const google::protobuf::FieldDescriptor* field : RunOptionFields()) {
    const auto value = values.find(field->name());
    if (value == values.end() || field->name() == "run_name") continue;
    const auto standard = defaults.find(field->name());
    if (standard != defaults.end() && standard->second == value->second) continue;
    changed.push_back({field->name(), value->second, DefaultText(field)});
  }
  return changed;
}

}  // namespace shoal
