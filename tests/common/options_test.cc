#include "common/options.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>

#include "tests/common/temporary_directory.h"

namespace shoal {
namespace {

using google::protobuf::util::MessageDifferencer;
using testing::HasSubstr;

std::string SetError(const std::string& name, const std::string& text) {
  v1::RunOptions options;
  const absl::Status status = SetOption(FindRunOption(name).value(), text, options);
  EXPECT_FALSE(status.ok()) << name << " " << text;
  // Nothing is set where something is wrong.
  EXPECT_TRUE(MessageDifferencer::Equals(options, v1::RunOptions()));
  return std::string(status.message());
}

void Set(const std::string& name, const std::string& text, v1::RunOptions& options) {
  const absl::Status status = SetOption(FindRunOption(name).value(), text, options);
  EXPECT_TRUE(status.ok()) << status;
}

std::string ParseError(const std::string& text) {
  return std::string(ParseOptions(text, "my.textproto").status().message());
}

TEST(SetOption, ReadsEveryKindOfValue) {
  v1::RunOptions options;
  Set("learning_rate", "2.5e-4", options);
  Set("--seed", "9007199254740993", options);
  Set("penalty_gate_success_step_one", "-1", options);
  Set("curriculum", "", options);
  Set("skip_final_eval", "on", options);
  Set("include_neighbor_features", "0", options);
  Set("run_name", "my run", options);
  EXPECT_EQ(options.learning_rate(), 2.5e-4);
  EXPECT_EQ(options.seed(), 9007199254740993);
  EXPECT_EQ(options.penalty_gate_success_step_one(), -1);
  EXPECT_TRUE(options.has_curriculum());
  EXPECT_EQ(options.curriculum(), "");
  EXPECT_TRUE(options.skip_final_eval());
  EXPECT_TRUE(options.has_include_neighbor_features());
  EXPECT_FALSE(options.include_neighbor_features());
  EXPECT_EQ(options.run_name(), "my run");
  EXPECT_FALSE(options.has_num_envs());
}

TEST(SetOption, SaysWhatIsAccepted) {
  EXPECT_EQ(SetError("lr_schedule", "wobble"),
            "--lr_schedule wobble: accepted are constant, linear, cosine, warm_cosine");
  EXPECT_EQ(SetError("activation", ""), "--activation \"\": accepted are tanh, relu");
  EXPECT_EQ(SetError("num_envs", "3.5"),
            "--num_envs 3.5: accepted are whole numbers from 1 to 1000000");
  EXPECT_EQ(SetError("num_envs", "0"),
            "--num_envs 0: accepted are whole numbers from 1 to 1000000");
  EXPECT_EQ(SetError("seed", "-1"), "--seed -1: accepted are whole numbers of at least 0");
  EXPECT_EQ(SetError("learning_rate", "0"),
            "--learning_rate 0: accepted are numbers greater than 0 and at most 1");
  EXPECT_EQ(SetError("learning_rate", "fast"),
            "--learning_rate fast: accepted are numbers greater than 0 and at most 1");
  EXPECT_EQ(SetError("penalty_gate_success_p10", "501"),
            "--penalty_gate_success_p10 501: accepted are numbers of at most 500");
  EXPECT_EQ(SetError("skip_final_eval", "maybe"),
            "--skip_final_eval maybe: accepted are on, off, true, false, 1, 0");
}

TEST(SetOption, RefusesNumbersThatAreNone) {
  for (const char* text : {"nan", "inf", "-inf", "1e999", "", "1.2.3", "0.5x"}) {
    SetError("gamma", text);
  }
  for (const char* text : {"", "1e3", "99999999999999999999", "0x10", "1 2"}) {
    SetError("seed", text);
  }
}

TEST(FindRunOption, OffersTheNearestName) {
  EXPECT_EQ(FindRunOption("--seed").value()->name(), "seed");
  EXPECT_EQ(FindRunOption("leaning_rate").status().message(),
            "there is no option --leaning_rate; did you mean --learning_rate?");
  EXPECT_EQ(FindRunOption("xyzzy").status().message(), "there is no option --xyzzy");
  // Written for the record only, so nobody gives it.
  EXPECT_FALSE(FindRunOption("written_by").ok());
}

TEST(RunOptionFields, AllHaveHelpGroupAndADefaultOrWhatStandsForIt) {
  int64_t last = 0;
  for (const google::protobuf::FieldDescriptor* field : RunOptionFields()) {
    EXPECT_GT(field->number(), last);
    last = field->number();
    EXPECT_FALSE(field->options().GetExtension(v1::option).help().empty()) << field->name();
    EXPECT_TRUE(field->has_default_value() || !DefaultText(field).empty()) << field->name();
  }
  EXPECT_GT(RunOptionFields().size(), 100u);
  EXPECT_STREQ(OptionGroup(FindRunOption("device").value()), "General");
  EXPECT_STREQ(OptionGroup(FindRunOption("gamma").value()), "PPO");
  EXPECT_STREQ(OptionGroup(FindRunOption("tail_on_exhausted").value()), "Tail seeds");
}

// The defaults must satisfy what is asked of everybody.
TEST(CheckOptionValues, AcceptsTheDefaults) {
  const absl::StatusOr<v1::RunOptions> defaults =
      ParseOptions(WriteOptions(v1::RunOptions(), ""), "defaults");
  ASSERT_TRUE(defaults.ok()) << defaults.status();
  EXPECT_TRUE(CheckOptionValues(*defaults).ok());
}

TEST(CheckOptionValues, FindsTheWrongOne) {
  v1::RunOptions options;
  options.set_gamma(1.5);
  EXPECT_EQ(CheckOptionValues(options).message(), "--gamma 1.5: accepted are numbers from 0 to 1");
  options.set_gamma(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(CheckOptionValues(options).code(), absl::StatusCode::kInvalidArgument);
  options.clear_gamma();
  options.set_device("anything is the learner's to judge");
  EXPECT_TRUE(CheckOptionValues(options).ok());
}

TEST(ParseOptions, NamesThePlace) {
  EXPECT_EQ(ParseError("seed: 3\nleaning_rate: 1e-3\n").substr(0, 15), "my.textproto:2:");
  EXPECT_THAT(ParseError("seed: 3\nleaning_rate: 1e-3\n"),
              HasSubstr("there is no option --leaning_rate; did you mean --learning_rate?"));
  EXPECT_EQ(ParseError("# comment\n  lr_schedule: \"wobble\"\n"),
            "my.textproto:2:3: --lr_schedule wobble: accepted are constant, linear, cosine, "
            "warm_cosine");
  EXPECT_THAT(ParseError("seed: 3.5"), HasSubstr("my.textproto:1:7: "));
  EXPECT_THAT(ParseError("seed: 3\nseed: 4"), HasSubstr("my.textproto:2:"));
  EXPECT_THAT(ParseError("seed 3"), HasSubstr("my.textproto:1:"));
  EXPECT_THAT(ParseError("learning_rate: nan"), HasSubstr("my.textproto:1:1: --learning_rate nan"));
}

TEST(ReadOptionsFile, ReadsWhatWasWritten) {
  const TemporaryDirectory folder;
  Spill(folder / "c.textproto", "seed: 5  # of the file\nlearning_rate: 2.5e-4\n");
  const absl::StatusOr<v1::RunOptions> options = ReadOptionsFile(folder / "c.textproto");
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->seed(), 5);
  EXPECT_EQ(options->learning_rate(), 2.5e-4);
  EXPECT_FALSE(options->has_gamma());
  EXPECT_EQ(ReadOptionsFile(folder / "none").status().code(), absl::StatusCode::kNotFound);
}

TEST(Options, LaterOnesWin) {
  v1::RunOptions options, file, command_line;
  options.set_seed(1);
  options.set_num_envs(10);
  options.set_curriculum("25:8");
  file.set_seed(2);
  file.set_curriculum("");
  command_line.set_seed(0);
  options.MergeFrom(file);
  options.MergeFrom(command_line);
  EXPECT_EQ(options.seed(), 0);
  EXPECT_EQ(options.num_envs(), 10);
  EXPECT_EQ(options.curriculum(), "");
}

TEST(WriteOptions, GivesTheSameOptionsBack) {
  v1::RunOptions options;
  options.set_written_by("0.1.0 (\"x\", GCC)");
  options.set_learning_rate(0.1 + 0.2);
  options.set_adam_epsilon(5e-324);
  options.set_vf_coef(100);
  options.set_seed(std::numeric_limits<int64_t>::max());
  options.set_curriculum("");
  options.set_run_name("quote \" backslash \\ newline \n grün");
  options.set_penalty_gate_success_step_one(-1);
  options.set_skip_final_eval(true);
  const std::string text = WriteOptions(options, "");
  const absl::StatusOr<v1::RunOptions> read = ParseOptions(text, "written");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(WriteOptions(*read, ""), text);
  // What was set is the same, and what was not is now set to its default.
  v1::RunOptions both = *read;
  both.MergeFrom(options);
  EXPECT_TRUE(MessageDifferencer::Equals(both, *read));
  EXPECT_EQ(read->num_envs(), 128);
  EXPECT_TRUE(read->has_num_envs());
  EXPECT_FALSE(read->has_total_iterations());
}

TEST(WriteOptions, IsReadable) {
  v1::RunOptions options;
  options.set_learning_rate(2.5e-4);
  const std::string text = WriteOptions(options, "first line\n\nthird");
  EXPECT_THAT(text, testing::StartsWith("# first line\n#\n# third\n\n# General\n"));
  EXPECT_THAT(text, HasSubstr("\nlearning_rate: 0.00025\n"));
  EXPECT_THAT(text, HasSubstr("\nadam_epsilon: 1e-05\n"));
  EXPECT_THAT(text, HasSubstr("\ngamma: 0.99\n"));
  EXPECT_THAT(text, HasSubstr("\nskip_final_eval: false\n"));
  EXPECT_THAT(text, HasSubstr("\npolicy_hidden_sizes: \"384,384\"\n"));
  EXPECT_THAT(text, HasSubstr("\n# total_iterations: the curriculum's sum\n"));
  EXPECT_THAT(text, HasSubstr("\n\n# Penalty gate\npenalty_gate_phase_allowance: \"4,5,6\"\n"));
  EXPECT_THAT(text, testing::Not(HasSubstr("written_by")));
}

TEST(ShortestDouble, IsShortAndLosesNothing) {
  EXPECT_EQ(ShortestDouble(0), "0");
  EXPECT_EQ(ShortestDouble(3e-4), "0.0003");
  EXPECT_EQ(ShortestDouble(-0.5), "-0.5");
  EXPECT_EQ(ShortestDouble(1e6), "1000000");
  EXPECT_EQ(ShortestDouble(1e-5), "1e-05");
  EXPECT_EQ(ShortestDouble(1e100), "1e+100");
  for (const double value : {0.1 + 0.2, 1.0 / 3, 5e-324, 1.7976931348623157e308, 123456789.123}) {
    EXPECT_EQ(std::strtod(ShortestDouble(value).c_str(), nullptr), value);
  }
}

TEST(NearestName, IsNearEnough) {
  const std::vector<std::string> names = {"seed", "n_steps", "n_epochs"};
  EXPECT_EQ(NearestName("sed", names), "seed");
  EXPECT_EQ(NearestName("n_step", names), "n_steps");
  EXPECT_EQ(NearestName("learning_rate", names), "");
}

}  // namespace
}  // namespace shoal
