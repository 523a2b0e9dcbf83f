#include "tests/network/small_run.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "coordinator/cli/prepare_run.h"
#include "tests/network/lab.h"

namespace shoal {
namespace {

v1::RunOptions Options(const SmallRun& run, const std::string& tail) {
  v1::RunOptions options;
  options.set_curriculum(run.curriculum);
  options.set_n_steps(run.n_steps);
  options.set_num_envs(12);
  options.set_envs_per_shard(5);
  options.set_batch_size(100);
  options.set_n_epochs(2);
  options.set_policy_hidden_sizes("32,16");
  options.set_multi_eval_interval(2);
  options.set_multi_eval_probe_episodes(2);
  options.set_eval_multi_fish(12);
  options.set_eval_multi_episodes(3);
  options.set_eval_episodes(1);
  options.set_best_checkpoint_eval_episodes(2);
  options.set_gate_delay(0);
  options.set_episode_limit(60);
  options.set_tail_seed_stage_spec(absl::StrCat("3:", tail));
  options.set_tail_inject("every_rollout");
  options.set_tail_inject_fraction(0.5);
  options.set_seed(11);
  return options;
}

}  // namespace

SmallRuns::SmallRuns() {
  std::string pattern = (std::filesystem::temp_directory_path() / "shoal-runs-XXXXXX").string();
  if (mkdtemp(pattern.data()) != nullptr) folder_ = pattern;
}

SmallRuns::~SmallRuns() {
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

absl::StatusOr<std::string> SmallRuns::Prepare(const std::string& name, const SmallRun& run) {
  const std::string tail = folder_ / "tail.json";
  if (!std::filesystem::exists(tail)) {
    auto made = RunTool({absl::StrCat(ProgramFolder(), "/shoal"), "tail", "make", "--sector", "180-270",
                         "--speed", "0.2-1.35", "--count", "40", "--seed", "7", "--out", tail});
    if (!made.ok()) return made.status();
  }
  RunRequest request;
  request.out = folder_ / "runs";
  request.command_line = Options(run, tail);
  request.command_line.set_run_name(name);
  return PrepareRun(request);
}

absl::StatusOr<RunRecord> SmallRuns::Reference(const SmallRun& run) {
  const std::string key = absl::StrCat(run.curriculum, " ", run.n_steps);
  if (const auto found = references_.find(key); found != references_.end()) return found->second;
  auto folder = Prepare(absl::StrCat("reference-", references_.size()), run);
  if (!folder.ok()) return folder.status();
  LabRun train(*folder);
  absl::Status status = train.Start(
      "train", [](std::vector<std::string> command) { return command; }, "shoal",
      {"train", "--resume", *folder, "--actors", "2", "--learner_threads", "2", "--artifacts", "data"});
  if (status.ok()) status = train.WaitForEnd("train");
  if (!status.ok()) return status;
  auto result = RecordOf(*folder);
  if (result.ok()) references_[key] = *result;
  return result;
}

}  // namespace shoal
