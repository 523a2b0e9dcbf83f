// Writes the seed corpora of the fuzz targets from what the programs themselves write: records of
// a small run, its policy and optimizer state, the presets' options and tail files.
//
//   cmake --build --preset fuzz --target fuzz_seeds && build-fuzz/fuzz/fuzz_seeds tests/fuzz/corpus
//
// Files of the same names are replaced; others (inputs that once found a bug) stay. Text seeds
// beside them that no program writes are made by hand.
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "actor/evaluation/evaluation.h"
#include "actor/rollout/rollout.h"
#include "common/files.h"
#include "common/hash.h"
#include "common/options.h"
#include "coordinator/evaluation/summary.h"
#include "coordinator/gate/penalty_gate.h"
#include "coordinator/schedule/presets.h"
#include "coordinator/tail/make_mix.h"
#include "learner/checkpoint/manifest.h"
#include "learner/ppo/optimizer_state.h"
#include "nlohmann/json.hpp"
#include "shoal/v1/queue.pb.h"
#include "shoal/v1/records.pb.h"
#include "shoal/v1/run.pb.h"
#include "tests/fuzz/fuzzing.h"
#include "tests/fuzz/seed_corpus.h"
#include "tests/fuzz/small_run.h"
#include "tests/policy/random_policy.h"

namespace shoal {
namespace {

using fuzzing::Byte;
using fuzzing::Corpus;
using fuzzing::MakeFrame;
using fuzzing::Require;
using fuzzing::RequireOk;
using fuzzing::WithoutLength;

// --- Two iterations of the small run -------------------------------------------------------------

std::string RowStream(int flags, const v1::RolloutItem& item, const RolloutResult& result) {
  v1::PushRowsRequest request;
  v1::RowsHeader* header = request.mutable_header();
  header->set_run_id("run");
  header->set_iteration(4);
  header->set_shard(item.shard());
  header->set_obs_dim(result.rows.obs_dim);
  header->set_rows(result.rows.size());
  header->set_rows_checksum(RowsChecksum(result.rows));
  std::string bytes = Byte(flags) + MakeFrame(request.SerializeAsString());
  const int64_t half = (result.rows.size() + 1) / 2;
  for (int64_t first = 0; first < result.rows.size(); first += half) {
    FillChunk(result.rows, first, std::min(half, result.rows.size() - first),
              request.mutable_chunk());
    bytes += MakeFrame(request.SerializeAsString());
  }
  return bytes;
}

// The item with episodes that go on: those that are cut are not looked at again.
v1::RolloutItem GoingOn(v1::RolloutItem item) {
  for (v1::EnvironmentPlan& environment : *item.mutable_environments()) {
    environment.clear_force_reset();
  }
  return item;
}

// A worker's frames: its hello and the record for lease 7.
std::string Answer(const v1::RolloutRecord& record) {
  v1::WorkerHello hello;
  hello.set_name("actor 1");
  hello.set_build("0.1.0");
  hello.set_cpu("x86-64");
  hello.set_kernel_id("shoal-fused-1");
  v1::WorkRequest request;
  request.mutable_result()->set_fencing(7);
  request.mutable_result()->set_rollout(record.SerializeAsString());
  request.mutable_result()->set_learner_session("session");
  request.mutable_result()->set_compute_seconds(0.25);
  return MakeFrame(hello.SerializeAsString()) + MakeFrame(request.SerializeAsString());
}

void AddRun(const Corpus& corpus, int choice, const std::string& name) {
  const v1::RunOptions options = fuzzing::SmallOptions(static_cast<uint8_t>(choice));
  const auto planner = fuzzing::SmallPlanner(options);
  const auto policy = fuzzing::SmallPolicy(options);
  std::vector<std::string> states(fuzzing::kShards);
  for (int64_t iteration = 1; iteration <= 2; ++iteration) {
    const PlannedIteration planned = planner->Plan(iteration);
    std::vector<v1::RolloutRecord> records;
    std::string frames;
    for (int shard = 0; shard < fuzzing::kShards; ++shard) {
      const v1::RolloutItem item = fuzzing::SmallItem(planned, shard, "");
      v1::RolloutItem with_state = item;
      with_state.set_state(states[shard]);
      const auto result = ComputeRollout(options, with_state, *policy);
      RequireOk(result.status(), "the small run");
      if (shard == 0 && iteration == 2) {
        corpus.Add("rollout_item_fuzz", name,
                   Byte(choice) + MakeFrame(GoingOn(item).SerializeAsString()) + states[shard]);
      }
      // The stream's target has observations without neighbours and at most 2 rows a step.
      if (result->rows.obs_dim == 11 && shard == 0 && iteration == 1 && (choice & 3) != 0) {
        corpus.Add("row_stream_fuzz", name, RowStream(0, item, *result));
        corpus.Add("row_stream_fuzz", name + "_made_right", RowStream(7, item, *result));
      }
      frames += MakeFrame(result->record.SerializeAsString());
      states[shard] = result->record.next_state();
      records.push_back(result->record);
    }
    if (iteration == 1) {
      corpus.Add("rollout_records_fuzz", name, Byte(choice) + frames);
      corpus.Add("peer_messages_fuzz", name, Byte(choice) + Answer(records[0]));
    }
    RequireOk(planner->Fold(planned.plan, records).status(), "the small run's records");
    auto gate = PenaltyGate::Create(options);
    GateInput input;
    input.iteration = iteration;
    input.p10 = 80;
    RequireOk(gate->OnEvaluation(input).status(), "the small run's gate");
    if (iteration == 2) {
      corpus.Add(
          "planner_state_fuzz", name,
          Byte(choice) + MakeFrame(gate->State().SerializeAsString()) + planner->SaveState());
    }
  }
}

// A shard of which one environment goes on and one has just lost its last fish, and records of
// episodes that ended: the small run is too short for them.
void AddEnds(const Corpus& corpus) {
  v1::RunOptions options = fuzzing::SmallOptions(0);
  options.set_n_steps(60);
  const auto planner = fuzzing::SmallPlanner(options);
  const auto policy = fuzzing::SmallPolicy(options);
  const PlannedIteration planned = planner->Plan(1);
  std::string frames;
  for (int shard = 0; shard < fuzzing::kShards; ++shard) {
    const auto result = ComputeRollout(options, fuzzing::SmallItem(planned, shard, ""), *policy);
    RequireOk(result.status(), "the longer run");
    Require(result->record.episodes_size() > 0, "episodes end in the longer run");
    v1::RolloutRecord record = result->record;
    v1::EpisodeRecord& episode = *record.mutable_episodes(0);
    episode.set_first_death_step(1);
    v1::StepOneDeath* death = episode.add_step_one_deaths();
    death->set_fish_index(2);
    death->mutable_predator_velocity()->set_x(-0.5);
    death->mutable_predator_velocity()->set_y(1.25);
    frames += MakeFrame(record.SerializeAsString());
    if (shard == 0) {
      const v1::RolloutItem item = GoingOn(fuzzing::SmallItem(planner->Plan(2), 0, ""));
      corpus.Add("rollout_item_fuzz", "later",
                 Byte(0) + MakeFrame(item.SerializeAsString()) + record.next_state());
    }
  }
  corpus.Add("rollout_records_fuzz", "ends", Byte(0) + frames);
}

void AddLearner(const Corpus& corpus) {
  std::string bytes = Byte(0) + MakeFrame("") + MakeFrame("");
  v1::LearnRequest request;
  request.mutable_ready()->set_policy_sha256(Sha256Hex("policy"));
  bytes += MakeFrame(request.SerializeAsString());
  request.mutable_update_done()->set_iteration(1);
  request.mutable_update_done()->set_policy_sha256(Sha256Hex("policy 1"));
  bytes += MakeFrame(request.SerializeAsString());
  request.mutable_update_failed()->set_message("shards 0 and 1 are missing\n");
  request.mutable_update_failed()->add_missing_shards(1);
  bytes += MakeFrame(request.SerializeAsString());
  v1::CheckpointName* name = request.mutable_checkpoint_damaged()->add_intact();
  name->set_policy_sha256(Sha256Hex("policy"));
  bytes += MakeFrame(request.SerializeAsString());
  corpus.Add("peer_messages_fuzz", "learner", bytes);
}

// --- Evaluations ---------------------------------------------------------------------------------

void AddEvaluations(const Corpus& corpus) {
  const v1::RunOptions options = fuzzing::SmallOptions(0);
  const auto policy = fuzzing::SmallPolicy(options);
  std::string bytes;
  std::string history;
  std::vector<v1::EvaluationEpisode> episodes;
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    v1::EvaluationItem item;
    item.set_seed(seed);
    item.set_num_fish(12);
    item.set_escape_boost_speed(0.2);
    const auto episode = ComputeEvaluation(options, item, *policy);
    RequireOk(episode.status(), "a scene");
    bytes += MakeFrame(episode->SerializeAsString());
    if (seed == 1) {
      v1::WorkRequest request;
      request.mutable_result()->set_fencing(8);
      request.mutable_result()->set_evaluation(episode->SerializeAsString());
      corpus.Add("peer_messages_fuzz", "scene",
                 Byte(0) + MakeFrame("") + MakeFrame(request.SerializeAsString()));
    }
    episodes.push_back(*episode);
    const auto summary = SummarizeEvaluation(episodes);
    RequireOk(summary.status(), "an evaluation");
    nlohmann::ordered_json line = ToJson(*summary);
    line["iteration"] = static_cast<int64_t>(16 * seed);
    line["multi_eval_num_fish"] = 12;
    line["multi_eval_episodes"] = static_cast<int64_t>(seed);
    history += line.dump() + "\n";
  }
  corpus.Add("evaluation_fuzz", "scenes", bytes);
  corpus.Add("gate_history_fuzz", "history", Byte('_') + history);
  corpus.Add("gate_history_fuzz", "history_other_gate", Byte(8) + history);
  corpus.Add("mix_file_fuzz", "eval_multi_history.jsonl", history);
}

// --- Files ---------------------------------------------------------------------------------------

void AddTensors(const Corpus& corpus) {
  for (const bool neighbors : {false, true}) {
    PolicyWeights weights = RandomPolicy({2}, neighbors, Activation::kTanh, 5);
    if (neighbors) weights.activation = Activation::kRelu;
    const auto file = SerializePolicy(weights);
    RequireOk(file.status(), "a policy");
    const std::string name = neighbors ? "policy_neighbors" : "policy";
    corpus.Add("safetensors_fuzz", name, WithoutLength(*file));
    corpus.Add("safetensors_fuzz", name + "_file", Byte(1) + *file);
  }
  OptimizerMoments moments;
  moments.first = {0.5, -0.25, 0, 1};
  moments.second = {0.25, 0.125, 0, 2};
  moments.steps = 12;
  const auto state = SerializeOptimizerState(moments);
  RequireOk(state.status(), "an optimizer's state");
  corpus.Add("safetensors_fuzz", "optimizer", WithoutLength(*state));
  corpus.Add("safetensors_fuzz", "optimizer_file", Byte(1) + *state);

  Manifest manifest;
  manifest.iteration = 12;
  manifest.files["policy.safetensors"] = {state->size(), Sha256Hex(*state)};
  manifest.files["optimizer.safetensors"] = {0, Sha256Hex("")};
  corpus.Add("manifest_fuzz", "manifest.json", SerializeManifest(manifest));
}

void AddOptions(const Corpus& corpus) {
  corpus.Add("options_text_fuzz", "defaults.textproto", WriteOptions(v1::RunOptions(), "A run."));
  for (const std::string& name : PresetNames()) {
    const auto options = PresetOptions(name);
    RequireOk(options.status(), name);
    std::string text;
    std::string line = "train\n";
    for (const auto* field : RunOptionFields()) {
      if (!options->GetReflection()->HasField(*options, field)) continue;
      v1::RunOptions one;
      const std::string whole = WriteOptions(*options, "");
      const size_t begin = whole.find(absl::StrCat("\n", field->name(), ": ")) + 1;
      const std::string entry = whole.substr(begin, whole.find('\n', begin) - begin);
      absl::StrAppend(&text, entry, "\n");
      std::string value = entry.substr(entry.find(": ") + 2);
      absl::StrAppend(&line, "--", field->name(), "=", absl::StrReplaceAll(value, {{"\"", ""}}),
                      "\n");
    }
    corpus.Add("options_text_fuzz", name + ".textproto", text);
    line.pop_back();
    corpus.Add("command_line_fuzz", name, line);
  }
  const std::pair<const char*, const char*> letters[] = {
      {"c", "curriculum"},
      {"e", "entropy_coef_schedule"},
      {"t", "density_penalty_phase_targets"},
      {"r", "density_penalty_ramp_phases"},
      {"p", "density_penalty_phase_plateaus"},
      {"s", "escape_boost_phase_speeds"},
      {"f", "escape_boost_phase_floors"},
      {"k", "escape_boost_penalty_caps"},
      {"a", "penalty_gate_phase_allowance"},
      {"h", "policy_hidden_sizes"},
      {"b", "predator_heading_bias"},
      {"v", "predator_pre_roll_speed_bias"},
  };
  for (const auto& [letter, name] : letters) {
    const auto field = FindRunOption(name);
    RequireOk(field.status(), name);
    corpus.Add("schedule_strings_fuzz", name, absl::StrCat(letter, DefaultText(*field)));
  }
}

void AddTailFiles(const Corpus& corpus) {
  MixRequest request;
  request.count = 6;
  request.parts = {MixPart()};
  const auto mix = MakeMix(request);
  RequireOk(mix.status(), "a mix");
  corpus.Add("mix_file_fuzz", "mix.json", *mix);
}

// --- What people send ------------------------------------------------------------------------------

void AddSubmissions(const Corpus& corpus) {
  v1::SubmitRunRequest request;
  request.set_token("0123456789abcdef");
  request.mutable_options()->set_run_name("one");
  request.mutable_options()->set_curriculum("9:4,12:4");
  corpus.Add("submission_fuzz", "plain", request.SerializeAsString());
  request.mutable_options()->set_run_name("with-tail.2");
  request.mutable_options()->set_tail_seed_stage_spec("3:tail/a.json,2:tail/b.json");
  request.mutable_options()->set_tail_inject("every_rollout");
  for (const char* path : {"tail/a.json", "tail/b.json"}) {
    v1::TailFile* file = request.add_tail_files();
    file->set_path(path);
    file->set_content("{\"velocities\": [[-0.5, 1]]}");
  }
  corpus.Add("submission_fuzz", "tail", request.SerializeAsString());
  for (const std::string& name : PresetNames()) {
    const auto options = PresetOptions(name);
    RequireOk(options.status(), name);
    v1::SubmitRunRequest preset;
    preset.set_token("a");
    *preset.mutable_options() = *options;
    preset.mutable_options()->set_run_name(name);
    corpus.Add("submission_fuzz", name, preset.SerializeAsString());
  }
}

// All kinds, and options of different types, at once and later.
void AddOrders(const Corpus& corpus) {
  std::string bytes = Byte(0);
  int number = 0;
  const auto add = [&](v1::Order::Kind kind, const std::string& name, const std::string& value,
                       int64_t at) {
    v1::Order order;
    order.set_request_id(absl::StrCat("r", ++number));
    order.set_kind(kind);
    order.set_name(name);
    order.set_value(value);
    order.set_at_iteration(at);
    bytes += MakeFrame(order.SerializeAsString());
  };
  for (const auto kind : {v1::Order::KIND_PAUSE, v1::Order::KIND_RESUME, v1::Order::KIND_CHECKPOINT,
                          v1::Order::KIND_TAIL_REFILL, v1::Order::KIND_EVALUATE, v1::Order::KIND_STOP}) {
    add(kind, "", "", 0);
  }
  corpus.Add("orders_fuzz", "kinds", bytes);
  bytes = Byte(9);
  add(v1::Order::KIND_SET, "learning_rate", "0.001", 0);
  add(v1::Order::KIND_SET, "tail_inject_fraction", "0.5", 2);
  add(v1::Order::KIND_SET, "tail_on_exhausted", "loop_stage", 3);
  add(v1::Order::KIND_SET, "checkpoint_interval", "5", 3);
  add(v1::Order::KIND_SET, "entropy_coef_schedule", "1:0.01,9:0.001", 0);
  add(v1::Order::KIND_EVALUATE, "", "", 3);
  corpus.Add("orders_fuzz", "set", bytes);
}

int Main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: fuzz_seeds FOLDER\n");
    return 2;
  }
  const Corpus corpus(argv[1]);
  const char* modes[] = {"every_fish", "two_fish", "focal", "broadcast"};
  for (int mode = 0; mode < 4; ++mode) {
    AddRun(corpus, mode | 8, modes[mode]);
    if (mode != 3) continue;
    AddRun(corpus, mode | 4 | 16, absl::StrCat(modes[mode], "_neighbors"));
  }
  AddEnds(corpus);
  AddLearner(corpus);
  AddEvaluations(corpus);
  AddTensors(corpus);
  AddOptions(corpus);
  AddTailFiles(corpus);
  AddSubmissions(corpus);
  AddOrders(corpus);
  fuzzing::AddFound(corpus, argv[1]);
  return 0;
}

}  // namespace
}  // namespace shoal

int main(int argc, char** argv) { return shoal::Main(argc, argv); }
