// The options of the original main experiment as its command line gives them, and the presets made
// from it.
#pragma once

#include <string>

#include "coordinator/schedule/presets.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "shoal/v1/config.pb.h"

namespace shoal {

inline void Merge(const std::string& text, v1::RunOptions& options) {
  v1::RunOptions more;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &more)) << text;
  options.MergeFrom(more);
}

inline v1::RunOptions MainExperiment() {
  v1::RunOptions options;
  Merge(R"(
    run_name: "dev_v33_tail_refuel_stage3" total_iterations: 60 num_envs: 128 n_steps: 128
    batch_size: 1024 n_epochs: 5 learning_rate: 2.5e-4
    curriculum: "15:9,20:10,25:9,25:8,25:8,25:8,25:8"
    multi_eval_interval: 12 multi_eval_probe_episodes: 12 multi_eval_seed_base: 411232
    eval_multi_fish: 96 eval_multi_episodes: 24
    penalty_gate_phase_allowance: "4,5,6" penalty_gate_required_successes: 2
    penalty_gate_success_step_one: 18 penalty_gate_success_step_one_ratio: 0.02
    penalty_gate_freeze_iterations: 5 penalty_gate_success_freeze_iterations: 2
    penalty_gate_success_median_window: 2 penalty_gate_failure_tolerance: 2
    tail_seed_stage_spec: "24:stage1.json;16:stage1.json;20:stage2.json;20:stage3.json"
    tail_replay_count: 2 video_num_fish: 48 skip_final_eval: true seed: 411232)",
        options);
  return options;
}

// The command's options as a preset lays its own over them.
inline v1::RunOptions DevPreset() { return PresetOptions("dev_v33").value(); }
inline v1::RunOptions SchoolPreset() { return PresetOptions("school").value(); }

}  // namespace shoal
