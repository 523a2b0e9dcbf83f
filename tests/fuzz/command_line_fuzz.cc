// The command line of `shoal train` and of others with a run's options, and addresses to listen on.
// Input: the arguments behind the program's name, each ended by a line's end.
#include <CLI/CLI.hpp>
#include <sstream>

#include "absl/strings/str_split.h"
#include "common/command_line.h"
#include "common/rpc.h"
#include "tests/fuzz/check_options.h"
#include "tests/fuzz/fuzzing.h"

namespace shoal {
namespace {

using fuzzing::Require;
using fuzzing::RequireOk;
using fuzzing::RequireWords;

std::vector<std::string> Split(std::string_view text) {
  return absl::StrSplit(absl::string_view(text.data(), text.size()), '\n');
}

// Every option that was given, given again one by one, gives the same options.
void CheckSettingAgain(const v1::RunOptions& options) {
  v1::RunOptions again;
  for (const google::protobuf::FieldDescriptor* field : RunOptionFields()) {
    if (!options.GetReflection()->HasField(options, field)) continue;
    std::string text;
    switch (field->cpp_type()) {
      case google::protobuf::FieldDescriptor::CPPTYPE_BOOL:
        text = options.GetReflection()->GetBool(options, field) ? "on" : "off";
        break;
      case google::protobuf::FieldDescriptor::CPPTYPE_INT64:
        text = std::to_string(options.GetReflection()->GetInt64(options, field));
        break;
      case google::protobuf::FieldDescriptor::CPPTYPE_DOUBLE:
        text = ShortestDouble(options.GetReflection()->GetDouble(options, field));
        break;
      default:
        text = options.GetReflection()->GetString(options, field);
    }
    RequireOk(SetOption(field, text, again), "an option's own value sets it");
  }
  Require(again.SerializeAsString() == options.SerializeAsString(), "options set again");
}

// Made once: that takes a hundred times as long as a parse, and a parse forgets the one before.
struct Program {
  Program() {
    app.require_subcommand(1);
    CLI::App* train = app.add_subcommand("train", "trains");
    train->add_option("--preset", preset, "named set of options");
    AddRunOptions(*train, given);
    CLI::App* make = app.add_subcommand("make", "makes");
    make->add_option("--part", parts, "a part")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  }

  CLI::App app{"trains fish"};
  std::string preset;
  std::vector<std::string> parts;
  RunOptionsFromCommandLine given;
};

void ParseArguments(const std::vector<std::string>& words) {
  static Program* const program = new Program;
  program->given = RunOptionsFromCommandLine();
  std::vector<const char*> argv = {"shoal"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  std::ostringstream out;
  const auto outcome =
      ParseCommandLine(program->app, static_cast<int>(argv.size()), argv.data(), out);
  RequireWords(outcome.status());
  if (!outcome.ok() || *outcome != CommandLineOutcome::kRun) return;
  fuzzing::CheckOptions(program->given.options());
  CheckSettingAgain(program->given.options());
}

void TestOneInput(std::string_view text) {
  std::vector<std::string> words = Split(text);
  RequireWords(ParseListenAddress(words.front(), /*allow_insecure=*/false).status());
  // A zero byte ends an argument, so that there is none inside one.
  for (std::string& word : words) word = word.substr(0, word.find('\0'));
  ParseArguments(words);
}

}  // namespace
}  // namespace shoal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  shoal::TestOneInput(shoal::fuzzing::Input(data, size));
  return 0;
}
