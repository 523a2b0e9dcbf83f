#include "coordinator/schedule/presets.h"

#include <google/protobuf/text_format.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace shoal {
namespace {

// The original main experiment, word for word.
constexpr char kOriginal[] = R"(
  total_iterations: 60
  num_envs: 128
  n_steps: 128
  batch_size: 1024
  n_epochs: 5
  learning_rate: 2.5e-4
  curriculum: "15:9,20:10,25:9,25:8,25:8,25:8,25:8"
  multi_eval_interval: 12
  multi_eval_probe_episodes: 12
  multi_eval_seed_base: 411232
  eval_multi_fish: 96
  eval_multi_episodes: 24
  penalty_gate_phase_allowance: "4,5,6"
  penalty_gate_required_successes: 2
  penalty_gate_success_step_one: 18
  penalty_gate_success_step_one_ratio: 0.02
  penalty_gate_freeze_iterations: 5
  penalty_gate_success_freeze_iterations: 2
  penalty_gate_success_median_window: 2
  penalty_gate_failure_tolerance: 2
  tail_seed_stage_spec: "24:stage1.json;16:stage1.json;20:stage2.json;20:stage3.json"
  tail_replay_count: 2
  video_num_fish: 48
  skip_final_eval: true
  seed: 411232
)";

// What meets the targets that the original missed: see docs/LEARNING.md.
constexpr char kDevV33[] = R"(
  multi_eval_interval: 10
  penalty_gate_lock_iteration: 1
  penalty_gate_success_step_one: -1
  penalty_gate_success_step_one_ratio: 0
  penalty_gate_success_avoidable_step_one_ratio: 0.005
  penalty_gate_success_early_death: 0.115
  penalty_gate_success_early_death_window: 2
  best_checkpoint_max_step_one: -1
  best_checkpoint_max_avoidable_step_one_ratio: 0.005
  tail_inject: "every_rollout"
  tail_inject_fraction: 0.3
  tail_on_exhausted: "loop_stage"
  reward: "survival"
  learning_rate: 1e-3
  lr_schedule: "linear"
  train_fish_per_env: 8
  row_filter: "quiet"
)";

// The best policy for this world: neither penalty nor tail seeds, which cost survival here.
constexpr char kSchool[] = R"(
  density_penalty_lock_value: 0
  density_penalty_lock_until: 1000000
  tail_seed_stage_spec: ""
  tail_inject: "reset"
  tail_inject_fraction: 1
  tail_on_exhausted: "stop"
  train_fish_per_env: 0
  reward: "death_only"
  include_neighbor_features: false
  policy_hidden_sizes: "64,64"
  activation: "relu"
  episode_limit: 250
  row_filter: "quiet"
  batch_size: 512
  n_epochs: 4
  learning_rate: 2e-3
  lr_schedule: "linear"
  ent_coef: 0.01
  ent_coef_final: 0
  entropy_coef_schedule: ""
)";

void Apply(const char* text, v1::RunOptions& options) {
  v1::RunOptions parsed;
  if (google::protobuf::TextFormat::ParseFromString(text, &parsed)) options.MergeFrom(parsed);
}

}  // namespace

std::vector<std::string> PresetNames() { return {"dev_v33", "school"}; }

absl::StatusOr<v1::RunOptions> PresetOptions(std::string_view name) {
  v1::RunOptions options;
  Apply(kOriginal, options);
  Apply(kDevV33, options);
  if (name == "dev_v33") return options;
  Apply(kSchool, options);
  if (name == "school") return options;
  return absl::NotFoundError(absl::StrCat("--preset ", std::string(name), ": there is no such preset; there are ",
                                          absl::StrJoin(PresetNames(), " and ")));
}

}  // namespace shoal
