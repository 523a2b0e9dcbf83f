#include "common/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

namespace shoal {
namespace {

using testing::HasSubstr;

// A program with commands, options of its own and the run's options.
class CommandLineTest : public testing::Test {
 protected:
  CommandLineTest() {
    app_.add_option("--out", out_, "folder");
    app_.add_flag("-v,--verbose", verbose_, "say more");
    app_.require_subcommand(1);
    train_ = app_.add_subcommand("train", "trains");
    train_->fallthrough();
    AddRunOptions(*train_, given_);
    CLI::App* tail = app_.add_subcommand("tail", "tail seeds");
    CLI::App* make = tail->add_subcommand("make", "writes mixes");
    make->add_option("--seed", tail_seed_, "seed of the mix");
    make->add_option("--part", parts_, "a part of the mix");
    make->add_option("--weight,-w", weights_, "weights")->expected(1, 10);
    make->add_option("name", name_, "name of the mix");
  }

  absl::StatusOr<CommandLineOutcome> Parse(std::vector<std::string> arguments) {
    std::vector<const char*> argv = {"shoal"};
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    return ParseCommandLine(app_, static_cast<int>(argv.size()), argv.data(), output_);
  }

  void ExpectRun(const std::vector<std::string>& arguments) {
    const absl::StatusOr<CommandLineOutcome> outcome = Parse(arguments);
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    EXPECT_EQ(*outcome, CommandLineOutcome::kRun);
  }

  std::string Error(const std::vector<std::string>& arguments) {
    const absl::StatusOr<CommandLineOutcome> outcome = Parse(arguments);
    EXPECT_EQ(outcome.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(outcome.status().message());
  }

  CLI::App app_{"trains fish"};
  CLI::App* train_;
  RunOptionsFromCommandLine given_;
  std::string out_;
  bool verbose_ = false;
  int tail_seed_ = 0;
  std::vector<std::string> parts_;
  std::vector<double> weights_;
  std::string name_;
  std::ostringstream output_;
};

// The original's main experiment, word for word.
TEST_F(CommandLineTest, ReadsTheMainExperiment) {
  ExpectRun({"train",
             "--run_name",
             "dev_v33_tail_refuel_stage3",
             "--total_iterations",
             "60",
             "--num_envs",
             "128",
             "--n_steps",
             "128",
             "--batch_size",
             "1024",
             "--n_epochs",
             "5",
             "--learning_rate",
             "2.5e-4",
             "--curriculum",
             "15:9,20:10,25:9,25:8,25:8,25:8,25:8",
             "--multi_eval_interval",
             "12",
             "--multi_eval_probe_episodes",
             "12",
             "--multi_eval_seed_base",
             "411232",
             "--eval_multi_fish",
             "96",
             "--eval_multi_episodes",
             "24",
             "--penalty_gate_phase_allowance",
             "4,5,6",
             "--penalty_gate_required_successes",
             "2",
             "--penalty_gate_success_step_one",
             "18",
             "--penalty_gate_success_step_one_ratio",
             "0.02",
             "--penalty_gate_freeze_iterations",
             "5",
             "--penalty_gate_success_freeze_iterations",
             "2",
             "--penalty_gate_success_median_window",
             "2",
             "--penalty_gate_failure_tolerance",
             "2",
             "--tail_seed_stage_spec",
             "24:stage1.json;16:stage1.json;20:stage2.json;20:stage3.json",
             "--tail_replay_count",
             "2",
             "--video_num_fish",
             "48",
             "--skip_final_eval",
             "--seed",
             "411232"});
  const absl::StatusOr<v1::RunOptions> expected = ParseOptions(R"(
      run_name: "dev_v33_tail_refuel_stage3" total_iterations: 60 num_envs: 128 n_steps: 128
      batch_size: 1024 n_epochs: 5 learning_rate: 2.5e-4
      curriculum: "15:9,20:10,25:9,25:8,25:8,25:8,25:8" multi_eval_interval: 12
      multi_eval_probe_episodes: 12 multi_eval_seed_base: 411232 eval_multi_fish: 96
      eval_multi_episodes: 24 penalty_gate_phase_allowance: "4,5,6"
      penalty_gate_required_successes: 2 penalty_gate_success_step_one: 18
      penalty_gate_success_step_one_ratio: 0.02 penalty_gate_freeze_iterations: 5
      penalty_gate_success_freeze_iterations: 2 penalty_gate_success_median_window: 2
      penalty_gate_failure_tolerance: 2
      tail_seed_stage_spec: "24:stage1.json;16:stage1.json;20:stage2.json;20:stage3.json"
      tail_replay_count: 2 video_num_fish: 48 skip_final_eval: true seed: 411232)",
                                                               "expected");
  ASSERT_TRUE(expected.ok()) << expected.status();
  EXPECT_EQ(given_.options().DebugString(), expected->DebugString());
}

TEST_F(CommandLineTest, TakesBothSpellings) {
  ExpectRun({"train", "--seed=3", "--learning_rate=2.5e-4", "--run_name=a=b", "--n_steps", "64"});
  EXPECT_EQ(given_.options().seed(), 3);
  EXPECT_EQ(given_.options().learning_rate(), 2.5e-4);
  EXPECT_EQ(given_.options().run_name(), "a=b");
  EXPECT_EQ(given_.options().n_steps(), 64);
}

TEST_F(CommandLineTest, TakesEmptyValues) {
  ExpectRun({"train", "--curriculum", "", "--entropy_coef_schedule=", "--seed", "1"});
  EXPECT_TRUE(given_.options().has_curriculum());
  EXPECT_EQ(given_.options().curriculum(), "");
  EXPECT_TRUE(given_.options().has_entropy_coef_schedule());
  EXPECT_EQ(given_.options().entropy_coef_schedule(), "");
  EXPECT_EQ(given_.options().seed(), 1);
}

TEST_F(CommandLineTest, TakesNegativeNumbers) {
  ExpectRun({"train", "--penalty_gate_success_step_one", "-1", "--divergence_reward_coef", "-.5",
             "--penalty_gate_success_p10=-2"});
  EXPECT_EQ(given_.options().penalty_gate_success_step_one(), -1);
  EXPECT_EQ(given_.options().divergence_reward_coef(), -0.5);
  EXPECT_EQ(given_.options().penalty_gate_success_p10(), -2);
}

TEST_F(CommandLineTest, TakesTextAsItIs) {
  ExpectRun({"train", "--run_name", "[a,b]", "--tail_seed_stage_spec", "train"});
  EXPECT_EQ(given_.options().run_name(), "[a,b]");
  EXPECT_EQ(given_.options().tail_seed_stage_spec(), "train");
}

TEST_F(CommandLineTest, SwitchesTakeAValueOnlyIfItIsOne) {
  ExpectRun({"train", "--skip_final_eval", "--seed", "3", "--disable_adaptive_boost", "on",
             "--include_neighbor_features=off", "--initial_escape_boost", "0",
             "--adaptive_boost_use_mean"});
  EXPECT_TRUE(given_.options().skip_final_eval());
  EXPECT_EQ(given_.options().seed(), 3);
  EXPECT_TRUE(given_.options().disable_adaptive_boost());
  EXPECT_TRUE(given_.options().has_include_neighbor_features());
  EXPECT_FALSE(given_.options().include_neighbor_features());
  EXPECT_TRUE(given_.options().has_initial_escape_boost());
  EXPECT_FALSE(given_.options().initial_escape_boost());
  EXPECT_TRUE(given_.options().adaptive_boost_use_mean());
}

TEST_F(CommandLineTest, RefusesBadSwitches) {
  EXPECT_EQ(Error({"train", "--skip_final_eval=maybe"}),
            "--skip_final_eval maybe: accepted are on, off, true, false, 1, 0");
  EXPECT_THAT(Error({"train", "--skip_final_eval="}), HasSubstr("--skip_final_eval= has no value"));
  EXPECT_THAT(Error({"train", "--skip_final_eval", "maybe"}),
              HasSubstr("\"maybe\" does not belong to any option"));
}

TEST_F(CommandLineTest, RefusesValuesThatAreNotAccepted) {
  EXPECT_EQ(Error({"train", "--lr_schedule", "wobble"}),
            "--lr_schedule wobble: accepted are constant, linear, cosine, warm_cosine");
  EXPECT_EQ(Error({"train", "--seed=3.5"}), "--seed 3.5: accepted are whole numbers of at least 0");
  EXPECT_EQ(Error({"train", "--seed="}), "--seed \"\": accepted are whole numbers of at least 0");
}

TEST_F(CommandLineTest, OffersTheNearestName) {
  EXPECT_EQ(Error({"train", "--leaning_rate", "1"}),
            "there is no option --leaning_rate; did you mean --learning_rate?");
  EXPECT_EQ(Error({"train", "--skip-final-eval"}),
            "there is no option --skip-final-eval; did you mean --skip_final_eval?");
  EXPECT_EQ(Error({"train", "--xyzzy=1"}),
            "there is no option --xyzzy; --help lists what there is");
  EXPECT_EQ(Error({"trian"}), "there is no command \"trian\"; did you mean train?");
  EXPECT_THAT(Error({"train", "64"}), HasSubstr("\"64\" does not belong to any option"));
  // Options belong to their command.
  EXPECT_THAT(Error({"tail", "make", "--n_steps", "3"}), HasSubstr("there is no option --n_steps"));
  // Nobody gives what is written for the record.
  EXPECT_THAT(Error({"train", "--written_by", "me"}), HasSubstr("there is no option --written_by"));
}

TEST_F(CommandLineTest, RefusesTheSameOptionTwice) {
  EXPECT_EQ(Error({"train", "--seed", "1", "--n_steps", "3", "--seed=2"}),
            "--seed is given twice, as 1 and as 2; give it once");
  EXPECT_EQ(Error({"train", "--skip_final_eval", "--skip_final_eval", "off"}),
            "--skip_final_eval is given twice, as true and as off; give it once");
  EXPECT_EQ(Error({"train", "--curriculum", "", "--curriculum", "25:1"}),
            "--curriculum is given twice, as \"\" and as 25:1; give it once");
}

TEST_F(CommandLineTest, MissesValues) {
  EXPECT_EQ(Error({"train", "--seed"}), "--seed needs a value, and the command line ends there");
  EXPECT_EQ(Error({"train", "--run_name", "--seed", "3"}),
            "--run_name needs a value, and --seed follows; if that is meant, write "
            "--run_name=--seed");
  EXPECT_THAT(Error({"train", "--run_name", "-h"}), HasSubstr("--run_name needs a value"));
  ExpectRun({"train", "--run_name=--seed"});
  EXPECT_EQ(given_.options().run_name(), "--seed");
}

TEST_F(CommandLineTest, LeavesOtherOptionsToTheirCommands) {
  ExpectRun({"-v", "--out=", "tail", "make", "--part", "a", "--part", "b", "--weight", "1", "-2",
             "0.5", "--seed", "7", "--", "--mix"});
  EXPECT_TRUE(verbose_);
  EXPECT_EQ(tail_seed_, 7);
  EXPECT_EQ(parts_, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(weights_, (std::vector<double>{1, -2, 0.5}));
  EXPECT_EQ(name_, "--mix");
  EXPECT_EQ(given_.options().DebugString(), "");
}

TEST_F(CommandLineTest, CommandsMayUseTheOptionsAboveThem) {
  ExpectRun({"train", "--out", "runs", "--seed", "3"});
  EXPECT_EQ(out_, "runs");
  EXPECT_EQ(given_.options().seed(), 3);
}

TEST_F(CommandLineTest, HelpShowsEveryOption) {
  const absl::StatusOr<CommandLineOutcome> outcome = Parse({"train", "--help"});
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(*outcome, CommandLineOutcome::kShown);
  for (const google::protobuf::FieldDescriptor* field : RunOptionFields()) {
    EXPECT_THAT(output_.str(), HasSubstr("--" + field->name() + " "));
    EXPECT_THAT(output_.str(), HasSubstr(std::string("\n") + OptionGroup(field) + ":\n"));
  }
  EXPECT_THAT(output_.str(), HasSubstr("[0.0003]"));
  EXPECT_THAT(output_.str(), HasSubstr("[the curriculum's sum]"));
  EXPECT_THAT(output_.str(), HasSubstr("constant, linear, cosine, warm_cosine [warm_cosine]"));
}

TEST_F(CommandLineTest, CLIsOwnErrorsAreStatusesToo) {
  EXPECT_THAT(Error({}), HasSubstr("subcommand is required"));
  EXPECT_THAT(Error({"tail", "make", "--seed", "seven"}), HasSubstr("seven"));
}

}  // namespace
}  // namespace shoal
