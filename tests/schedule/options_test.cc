#include "coordinator/schedule/options.h"

#include <limits>

#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "tests/schedule/main_experiment.h"

namespace shoal {
namespace {

using google::protobuf::util::MessageDifferencer;
using testing::AllOf;
using testing::HasSubstr;

v1::RunOptions Resolved(v1::RunOptions options) {
  const absl::Status status = ResolveOptions(options);
  EXPECT_TRUE(status.ok()) << status;
  return options;
}

// The refusal of options given as text; they must be left as they were.
std::string Refusal(const std::string& text) {
  v1::RunOptions options;
  Merge(text, options);
  const v1::RunOptions before = options;
  const absl::Status status = ResolveOptions(options);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
  EXPECT_EQ(options.SerializeAsString(), before.SerializeAsString()) << text;
  return std::string(status.message());
}

void ExpectAccepted(const std::string& text) {
  v1::RunOptions options;
  Merge(text, options);
  const absl::Status status = ResolveOptions(options);
  EXPECT_TRUE(status.ok()) << text << ": " << status;
}

TEST(ResolveOptions, ResolvedOptionsResolveToThemselves) {
  v1::RunOptions few_phases;
  Merge(R"(curriculum: "10:3, 12:4" total_iterations: 7)", few_phases);
  v1::RunOptions one_phase;
  Merge(R"(curriculum: "" total_iterations: 4 num_fish: 30 ent_coef_final: 0)", one_phase);
  v1::RunOptions short_run;
  short_run.set_total_iterations(3);
  v1::RunOptions focal;
  focal.set_training_mode("focal");
  for (const v1::RunOptions& options : {v1::RunOptions(), MainExperiment(), DevPreset(),
                                        SchoolPreset(), few_phases, one_phase, short_run, focal}) {
    const v1::RunOptions once = Resolved(options);
    std::string text;
    ASSERT_TRUE(google::protobuf::TextFormat::PrintToString(once, &text));
    v1::RunOptions read;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &read));
    const v1::RunOptions twice = Resolved(read);
    EXPECT_TRUE(MessageDifferencer::Equals(once, twice)) << text;
  }
}

TEST(ResolveOptions, FillsWhatHasNoDefault) {
  v1::RunOptions options;
  options.set_seed(99);
  options = Resolved(options);
  EXPECT_EQ(options.total_iterations(), 60);
  EXPECT_EQ(options.multi_eval_seed_base(), 99);
  EXPECT_EQ(Resolved(MainExperiment()).multi_eval_seed_base(), 411232);
  EXPECT_FALSE(options.has_run_name());
  EXPECT_FALSE(options.has_written_by());
  EXPECT_FALSE(options.has_ent_coef_final());
}

TEST(ResolveOptions, WritesEveryDefaultAndEveryListInFull) {
  v1::RunOptions options;
  options.set_total_iterations(30);  // three phases of the default curriculum
  options = Resolved(options);
  EXPECT_EQ(options.curriculum(), "15:12,20:14,25:4");
  EXPECT_EQ(options.density_penalty_phase_targets(), "0,0.02,0.04");
  EXPECT_EQ(options.density_penalty_phase_plateaus(), "0,0,6");
  EXPECT_EQ(options.density_penalty_ramp_phases(), "");
  EXPECT_EQ(options.escape_boost_phase_speeds(), "3:0.76");
  EXPECT_EQ(options.escape_boost_phase_floors(), "3:0.76");
  EXPECT_EQ(options.penalty_gate_phase_allowance(), "4,5,6");
  const auto& descriptor = *v1::RunOptions::descriptor();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const auto* field = descriptor.field(i);
    if (!field->has_default_value()) continue;
    EXPECT_TRUE(options.GetReflection()->HasField(options, field)) << field->name();
  }
  v1::RunOptions final_entropy;
  final_entropy.set_ent_coef_final(0.001);
  EXPECT_EQ(Resolved(final_entropy).entropy_coef_schedule(), "");
}

TEST(ResolveOptions, SingleValuesAgainstTheirSpecs) {
  EXPECT_EQ(Refusal("learning_rate: 0"),
            "--learning_rate 0: accepted are numbers greater than 0 and at most 1");
  EXPECT_THAT(Refusal("seed: -1"), HasSubstr("--seed -1: "));
  EXPECT_THAT(Refusal("gamma: 1.5"), HasSubstr("--gamma 1.5: "));
  EXPECT_THAT(Refusal("reward: \"best\""), HasSubstr("shaped, survival, death_only"));
  EXPECT_THAT(Refusal("gamma: nan"), HasSubstr("--gamma nan: "));
  EXPECT_THAT(Refusal("penalty_gate_success_p10: -inf"), HasSubstr("success_p10 -inf: "));
  ExpectAccepted("gamma: 1 gae_lambda: 0 penalty_gate_success_p10: -5 policy_lag: 1");
}

TEST(ResolveOptions, Contradictions) {
  EXPECT_THAT(Refusal("ent_coef_final: 0 entropy_coef_schedule: \"1:0.1\""),
              HasSubstr("excludes a schedule"));
  EXPECT_THAT(Refusal("total_iterations: 60 curriculum: \"15:59\""), HasSubstr("adds up to 59"));
  EXPECT_THAT(Refusal("num_fish: 30"), AllOf(HasSubstr("num_fish"), HasSubstr("curriculum")));
  EXPECT_THAT(Refusal("curriculum: \"5:9\" train_fish_per_env: 6"), HasSubstr("fish, 5;"));
  EXPECT_THAT(Refusal("training_mode: \"focal\" train_fish_per_env: 2"),
              HasSubstr("training_mode focal"));
  EXPECT_THAT(Refusal("training_mode: \"broadcast\" train_fish_per_env: 0"),
              HasSubstr("training_mode broadcast"));
  ExpectAccepted("training_mode: \"broadcast\" train_fish_per_env: 1");
  EXPECT_THAT(Refusal("penalty_gate_phase_allowance: \"\""), HasSubstr("at least one phase"));
  EXPECT_THAT(Refusal("penalty_gate_phase_allowance: \"5,4\""), HasSubstr("less than an earlier"));
  EXPECT_THAT(Refusal("penalty_gate_phase_allowance: \"0\""), HasSubstr("0 is not within 1 to"));
  ExpectAccepted("curriculum: \"15:9\" penalty_gate_phase_allowance: \"4,5,6\"");
  EXPECT_THAT(Refusal("curriculum: \"15:9\" density_penalty_phase_targets: \"0.1,0.2\""),
              HasSubstr("1 phase;"));
}

TEST(ResolveOptions, HiddenSizes) {
  v1::RunOptions options;
  options.set_policy_hidden_sizes(" 64, 32");
  EXPECT_EQ(Resolved(options).policy_hidden_sizes(), "64,32");
  ExpectAccepted("policy_hidden_sizes: \"4096,1,1,1,1,1,1,1\"");
  for (const char* text : {"", "0", "4097", "64,", "64,x", "1,1,1,1,1,1,1,1,1", "64.5"}) {
    EXPECT_THAT(Refusal(std::string("policy_hidden_sizes: \"") + text + "\""),
                HasSubstr("policy_hidden_sizes"));
  }
}

TEST(ResolveOptions, Devices) {
  for (const char* text : {"auto", "cpu", "cuda", "cuda:0", "cuda:7"}) {
    ExpectAccepted(std::string("device: \"") + text + "\"");
  }
  for (const char* text : {"", "gpu", "CUDA", "cuda:", "cuda:-1", "cuda:x", "cuda:128", "cuda: 1",
                           "cpu:0", "cuda:99999999999"}) {
    EXPECT_THAT(Refusal(std::string("device: \"") + text + "\""),
                HasSubstr("auto, cpu, cuda and cuda:n"));
  }
}

TEST(ResolveOptions, Tail) {
  EXPECT_THAT(Refusal("tail_seed_stage_spec: \"1:a\" tail_seed_replay_path: \"b\""),
              HasSubstr("excludes tail_seed_stage_spec"));
  EXPECT_THAT(Refusal("tail_seed_replay_path: \"b\""), HasSubstr("tail_seed_prewarm_iterations"));
  EXPECT_THAT(Refusal("tail_seed_prewarm_iterations: 3"), HasSubstr("tail_seed_replay_path"));
  EXPECT_THAT(Refusal("tail_seed_stage_spec: \"a\""), HasSubstr("iterations:path"));
  ExpectAccepted("tail_seed_replay_path: \"b\" tail_seed_prewarm_iterations: 3");
  for (const char* text :
       {"tail_force_reset_steps: 9", "tail_inject: \"every_rollout\"", "tail_inject_fraction: 0.5",
        "tail_seed_stage_refill_interval: 2", "tail_on_exhausted: \"loop_all\""}) {
    const std::string refusal = Refusal(text);
    EXPECT_THAT(refusal, HasSubstr("needs a tail queue")) << text;
    EXPECT_THAT(text, testing::StartsWith(refusal.substr(2, refusal.find(' ') - 2)));
    ExpectAccepted(std::string(text) + " tail_seed_stage_spec: \"1:a\"");
  }
}

}  // namespace
}  // namespace shoal
