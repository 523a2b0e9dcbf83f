#include "common/command_line.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace shoal {
namespace {

using google::protobuf::FieldDescriptor;

const char* TypeName(const FieldDescriptor* field) {
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return "[on|off]";
    case FieldDescriptor::CPPTYPE_INT64:
      return "INT";
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return "NUMBER";
    default:
      return "TEXT";
  }
}

std::string Description(const FieldDescriptor* field) {
  const v1::OptionSpec& spec = field->options().GetExtension(v1::option);
  std::string text = spec.help();
  const bool is_string = field->cpp_type() == FieldDescriptor::CPPTYPE_STRING;
  if (is_string ? spec.one_of_size() > 0 : spec.has_min() || spec.has_max()) {
    absl::StrAppend(&text, "; ", AcceptedValues(field));
  }
  const std::string standard = DefaultText(field);
  return absl::StrCat(text, " [", standard.empty() ? "\"\"" : standard, "]");
}

absl::Status Invalid(const std::string& message) { return absl::InvalidArgumentError(message); }

// Brings the arguments into a form that CLI11 2.1 reads as they are meant: it takes `--name=` for
// an option without a value, and lets an optional value swallow the next argument.
class ArgumentReader {
 public:
  ArgumentReader(CLI::App& app, int argc, const char* const* argv) : app_(&app) {
    for (int i = 1; i < argc; ++i) arguments_.emplace_back(argv[i]);
  }

  // The arguments in their new form, in order.
  absl::StatusOr<std::vector<std::string>> Read() {
    while (next_ < arguments_.size()) {
      const std::string argument = arguments_[next_++];
      if (argument == "--") {
        result_.push_back(argument);
        result_.insert(result_.end(), arguments_.begin() + next_, arguments_.end());
        break;
      }
      absl::Status status = absl::StartsWith(argument, "-") && argument.size() > 1
                                ? ReadOption(argument)
                                : ReadWord(argument);
      if (!status.ok()) return status;
    }
    return std::move(result_);
  }

 private:
  // A command, which changes what options are known, or a positional argument.
  absl::Status ReadWord(const std::string& word) {
    for (CLI::App* app = app_; app != nullptr; app = app->get_parent()) {
      for (CLI::App* command : Commands(app)) {
        if (!command->check_name(word)) continue;
        app_ = command;
        result_.push_back(word);
        return absl::OkStatus();
      }
    }
    const bool takes_words =
        app_->get_allow_extras() ||
        !app_->get_options([](const CLI::Option* o) { return o->get_positional(); }).empty();
    if (!takes_words && !last_takes_more_) return UnknownWord(word);
    result_.push_back(word);
    return absl::OkStatus();
  }

  absl::Status ReadOption(const std::string& argument) {
    last_takes_more_ = false;
    const bool is_long = absl::StartsWith(argument, "--");
    const size_t equals = is_long ? argument.find('=') : std::string::npos;
    const std::string name = argument.substr(0, equals);
    CLI::Option* option = Find(name);
    if (option == nullptr) {
      if (is_long && !app_->get_allow_extras()) return UnknownOption(name);
      result_.push_back(argument);  // A group of short flags, or a negative number.
      return absl::OkStatus();
    }
    const int min = option->get_items_expected_min();
    const int max = option->get_items_expected_max();
    const bool has_value = equals != std::string::npos;
    std::string value = has_value ? argument.substr(equals + 1) : "";
    if (max == 1 && min == 0 && is_long)
      return ReadSwitch(option, name, has_value, std::move(value));
    if (max == 1 && min == 1) return ReadSingle(option, name, has_value, std::move(value));
    // Flags, and lists of values, are CLI11's own.
    result_.push_back(argument);
    if (max > 1 && !has_value) CopyValues(min);
    last_takes_more_ = max > 1;
    return absl::OkStatus();
  }

  absl::Status ReadSwitch(CLI::Option* option, const std::string& name, bool has_value,
                          std::string value) {
    if (!has_value) {
      const bool follows = next_ < arguments_.size() && IsSwitchWord(arguments_[next_]);
      value = follows ? arguments_[next_++] : "true";
    } else if (value.empty()) {
      return Invalid(absl::StrCat(name, "= has no value; give on or off, or ", name, " alone"));
    }
    if (absl::Status status = CheckOnce(option, name, value); !status.ok()) return status;
    result_.push_back(absl::StrCat(name, "=", value));
    return absl::OkStatus();
  }

  absl::Status ReadSingle(CLI::Option* option, const std::string& name, bool has_value,
                          std::string value) {
    if (!has_value) {
      if (next_ == arguments_.size()) {
        return Invalid(absl::StrCat(name, " needs a value, and the command line ends there"));
      }
      value = arguments_[next_];
      const bool is_option = absl::StartsWith(value, "-") && Find(value) != nullptr;
      if (absl::StartsWith(value, "--") || is_option) {
        return Invalid(absl::StrCat(name, " needs a value, and ", value,
                                    " follows; if that is meant, write ", name, "=", value));
      }
      ++next_;
    }
    if (absl::Status status = CheckOnce(option, name, value); !status.ok()) return status;
    // As two arguments: CLI11 takes the second one whatever it looks like.
    result_.push_back(name);
    result_.push_back(std::move(value));
    return absl::OkStatus();
  }

  void CopyValues(int count) {
    for (; count > 0 && next_ < arguments_.size(); --count) {
      result_.push_back(arguments_[next_++]);
    }
  }

  absl::Status CheckOnce(CLI::Option* option, const std::string& name, const std::string& value) {
    const auto [entry, first] = seen_.emplace(option, value);
    if (first || option->get_multi_option_policy() != CLI::MultiOptionPolicy::Throw) {
      return absl::OkStatus();
    }
    const auto shown = [](const std::string& text) { return text.empty() ? "\"\"" : text; };
    return Invalid(absl::StrCat(name, " is given twice, as ", shown(entry->second), " and as ",
                                shown(value), "; give it once"));
  }

  // The option of the current command, or of one above it that lets its commands use its options.
  CLI::Option* Find(const std::string& name) const {
    for (CLI::App* app = app_; app != nullptr; app = app->get_parent()) {
      if (CLI::Option* option = app->get_option_no_throw(name); option != nullptr) return option;
      if (!app->get_fallthrough()) break;
    }
    return nullptr;
  }

  static std::vector<CLI::App*> Commands(CLI::App* app) {
    return app->get_subcommands([](const CLI::App* command) {
      return !command->get_name().empty() && !command->get_disabled();
    });
  }

  absl::Status UnknownOption(const std::string& name) const {
    std::vector<std::string> names;
    for (CLI::App* app = app_; app != nullptr; app = app->get_parent()) {
      for (const CLI::Option* option : app->get_options()) {
        for (const std::string& known : option->get_lnames()) names.push_back("--" + known);
      }
      if (!app->get_fallthrough()) break;
    }
    return Invalid(absl::StrCat("there is no option ", name, Suggest(name, names)));
  }

  absl::Status UnknownWord(const std::string& word) const {
    std::vector<std::string> names;
    for (const CLI::App* command : Commands(app_)) names.push_back(command->get_name());
    if (!names.empty()) {
      return Invalid(absl::StrCat("there is no command \"", word, "\"", Suggest(word, names)));
    }
    return Invalid(absl::StrCat("\"", word, "\" does not belong to any option",
                                result_.empty() ? "" : " (it follows " + result_.back() + ")"));
  }

  static std::string Suggest(const std::string& name, const std::vector<std::string>& names) {
    const std::string nearest = NearestName(name, names);
    return nearest.empty() ? "; --help lists what there is"
                           : absl::StrCat("; did you mean ", nearest, "?");
  }

  CLI::App* app_;
  std::vector<std::string> arguments_;
  size_t next_ = 0;
  std::vector<std::string> result_;
  std::map<const CLI::Option*, std::string> seen_;
  // Whether the last option may take the words that follow it.
  bool last_takes_more_ = false;
};

}  // namespace

void AddRunOptions(CLI::App& app, RunOptionsFromCommandLine& given) {
  for (const FieldDescriptor* field : RunOptionFields()) {
    const auto set = [field, &given](const CLI::results_t& values) {
      const absl::Status status = SetOption(field, values.back(), given.options_);
      // CLI11's way to refuse a value; ParseCommandLine makes a status of it again.
      if (!status.ok()) {
        throw CLI::ValidationError(std::string(status.message()), CLI::ExitCodes::ValidationError);
      }
      return true;
    };
    CLI::Option* option = app.add_option("--" + field->name(), set, Description(field));
    option->group(OptionGroup(field));
    option->type_name(TypeName(field));
    option->expected(field->cpp_type() == FieldDescriptor::CPPTYPE_BOOL ? 0 : 1, 1);
  }
}

absl::StatusOr<CommandLineOutcome> ParseCommandLine(CLI::App& app, int argc,
                                                    const char* const* argv, std::ostream& out) {
  absl::StatusOr<std::vector<std::string>> arguments = ArgumentReader(app, argc, argv).Read();
  if (!arguments.ok()) return arguments.status();
  // CLI11 takes the arguments from the end.
  std::reverse(arguments->begin(), arguments->end());
  try {
    app.parse(*std::move(arguments));
  } catch (const CLI::Success& shown) {
    app.exit(shown, out, out);
    return CommandLineOutcome::kShown;
  } catch (const CLI::Error& error) {
    return Invalid(error.what());
  }
  return CommandLineOutcome::kRun;
}

}  // namespace shoal
