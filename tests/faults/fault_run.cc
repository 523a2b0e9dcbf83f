#include "tests/faults/fault_run.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/files.h"
#include "common/options.h"
#include "coordinator/schedule/options.h"

namespace shoal {
namespace {

// How often the cluster and the run are looked at.
constexpr absl::Duration kLook = absl::Milliseconds(15);
// How long an armed rule, or an evaluation to come, is waited for.
constexpr absl::Duration kPatience = absl::Seconds(4);

// A run of some seconds with everything in it: two phases, evaluations that the gate waits for, a tail
// queue with forced resets and a row filter, checkpoints that go and stay, a best one.
absl::Status MakeRun(const std::string& run_dir, int policy_lag) {
  absl::Status status = CreateDirectories(run_dir + "/tail");
  if (!status.ok()) return status;
  std::string velocities;
  for (int i = 0; i < 40; ++i) {
    absl::StrAppend(&velocities, i == 0 ? "" : ",", "[-0.", 20 + i, ",-0.", 90 - i, "]");
  }
  status = WriteFileAtomically(run_dir + "/tail/t.json",
                               absl::StrCat("{\"velocities\": [", velocities, "]}"));
  if (!status.ok()) return status;
  auto options = ParseOptions(
      absl::StrCat("run_name: 'disturbed' seed: 11 curriculum: '9:80,12:80' num_envs: 12 "
                   "envs_per_shard: 5 n_steps: 24 batch_size: 100 n_epochs: 2 "
                   "policy_hidden_sizes: '32,16' multi_eval_interval: 4 "
                   "multi_eval_probe_episodes: 8 eval_multi_fish: 30 eval_multi_episodes: 3 "
                   "eval_episodes: 1 best_checkpoint_eval_episodes: 2 episode_limit: 60 "
                   "best_checkpoint_max_step_one: -1 best_checkpoint_max_early_death: 1 "
                   "row_filter: 'quiet' row_filter_keep: 0.5 train_fish_per_env: 0 "
                   "tail_seed_stage_spec: '60:tail/t.json' tail_inject: 'every_rollout' "
                   "tail_inject_fraction: 0.5 checkpoint_interval: 7 gate_delay: ",
                   policy_lag, " policy_lag: ", policy_lag),
      "the configuration of the fault tests");
  if (!options.ok()) return options.status();
  if (absl::Status s = ResolveOptions(*options); !s.ok()) return s;
  return WriteFileAtomically(run_dir + "/config.textproto", WriteOptions(*options, ""));
}

class Disturber {
 public:
  Disturber(const std::string& run_dir, const FaultRunOptions& options, FaultTally& tally,
            std::vector<std::string>& story)
      : run_dir_(run_dir),
        options_(options),
        tally_(tally),
        story_(story),
        deadline_(absl::Now() + options.limit) {}

  absl::Status Run() {
    ClusterOptions cluster;
    cluster.run_dir = run_dir_;
    cluster.programs = options_.programs;
    auto started = Cluster::Start(cluster);
    if (!started.ok()) return started.status();
    cluster_ = *std::move(started);
    FaultSequence sequence(options_.seed);
    for (int i = 0; i < options_.faults && !cluster_->done(); ++i) {
      const Fault fault = sequence.Next();
      absl::Status status = Watch(absl::Milliseconds(fault.wait_ms));
      if (status.ok() && !cluster_->done()) status = Inject(fault);
      if (!status.ok()) return status;
    }
    absl::Status status = Watch(absl::InfiniteDuration());
    if (!status.ok()) return status;
    tally_.restarts += cluster_->restarts();
    return cluster_->WaitForOthers(absl::Seconds(10));
  }

 private:
  // Keeps the cluster going for a while, or until `until` holds or the run is done.
  template <class Condition>
  absl::Status WatchUntil(absl::Duration time, const Condition& until) {
    const absl::Time end = absl::Now() + time;
    while (true) {
      if (absl::Status status = cluster_->Poll(); !status.ok()) return status;
      if (cluster_->done()) return absl::OkStatus();
      NoteProgress();
      if (until() || absl::Now() >= end) return absl::OkStatus();
      if (absl::Now() > deadline_) {
        return absl::DeadlineExceededError(absl::StrCat("the run hangs: ", last_.ShortDebugString()));
      }
      cluster_->AwaitEnd(std::min(kLook, end - absl::Now()));
    }
  }
  absl::Status Watch(absl::Duration time) {
    return WatchUntil(time, [] { return false; });
  }

  void NoteProgress() {
    auto status = cluster_->Status();
    if (!status.ok()) return;
    last_ = *std::move(status);
    if (disturbed_at_ && last_.committed_iteration() > committed_then_) {
      tally_.recovery_seconds.push_back(absl::ToDoubleSeconds(absl::Now() - *disturbed_at_));
      disturbed_at_.reset();
    }
  }

  void Happened(const Fault& fault, const std::string& whom) {
    ++tally_.injected[FaultName(fault.kind)];
    story_.push_back(absl::StrCat(FaultName(fault.kind), ": ", whom, fault.rule.empty() ? "" : " ",
                                  fault.rule, ", at iteration ", last_.committed_iteration()));
    if (!disturbed_at_) disturbed_at_ = absl::Now();
    committed_then_ = last_.committed_iteration();
  }

  std::string PickActor(const Fault& fault) const {
    const std::vector<std::string> actors = cluster_->actors();
    return actors[fault.pick % actors.size()];
  }

  absl::Status KillOne(const Fault& fault, const std::string& member) {
    Happened(fault, member);
    return cluster_->Restart(member);
  }

  absl::Status Freeze(const Fault& fault, const std::string& member) {
    Happened(fault, absl::StrCat(member, " for ", fault.freeze_ms, " ms"));
    absl::Status status = cluster_->Freeze(member);
    if (status.ok()) status = Watch(absl::Milliseconds(fault.freeze_ms));
    return status.ok() ? cluster_->Thaw(member) : status;
  }

  // Starts a member again with a rule, and waits until the rule has fired or found nothing.
  absl::Status Arm(const Fault& fault, const std::string& member) {
    const std::string report = absl::StrCat(run_dir_, "/../fired-", options_.seed, "-", ++armed_);
    Environment environment = {
        {"LD_PRELOAD", options_.file_layer},
        {"SHOAL_FILE_FAULTS", fault.rule},
        {"SHOAL_FILE_FAULTS_REPORT", report},
        {"SHOAL_FILE_FAULTS_ROOT", std::filesystem::absolute(run_dir_).string()}};
#ifdef __SANITIZE_ADDRESS__
    // The layer comes before its run-time library, and calls nothing of it.
    environment.emplace_back("ASAN_OPTIONS", "verify_asan_link_order=0");
#endif
    absl::Status status = cluster_->Restart(member, environment);
    if (!status.ok()) return status;
    const auto fired = [&] { return std::filesystem::exists(report); };
    status = WatchUntil(kPatience, fired);
    if (!status.ok()) return status;
    if (fired()) {
      Happened(fault, member);
    } else {
      ++tally_.missed[FaultName(fault.kind)];
      story_.push_back(absl::StrCat(FaultName(fault.kind), ": ", fault.rule, " found nothing"));
    }
    return absl::OkStatus();
  }

  absl::Status KillInEvaluation(const Fault& fault) {
    const auto playing = [&] { return last_.state() == v1::RunStatus::STATE_EVALUATION; };
    if (absl::Status status = WatchUntil(kPatience, playing); !status.ok()) return status;
    if (cluster_->done()) return absl::OkStatus();
    if (playing()) return KillOne(fault, PickActor(fault));
    ++tally_.missed[FaultName(fault.kind)];
    return absl::OkStatus();
  }

  absl::Status KillAll(const Fault& fault) {
    Happened(fault, "everything");
    for (const std::string& actor : cluster_->actors()) {
      if (absl::Status status = cluster_->Restart(actor); !status.ok()) return status;
    }
    absl::Status status = cluster_->Restart("learner");
    return status.ok() ? cluster_->Restart("coordinator") : status;
  }

  absl::Status RemoveActor(const Fault& fault) {
    // The last one must stay, or nothing goes on.
    if (cluster_->actors().size() < 2) return KillOne(fault, PickActor(fault));
    const std::string actor = PickActor(fault);
    Happened(fault, actor);
    return cluster_->RemoveActor(actor);
  }

  absl::Status AddActor(const Fault& fault) {
    Happened(fault, absl::StrCat("to ", cluster_->actors().size()));
    // Few cores: more than four actors would only slow the test down.
    return cluster_->actors().size() < 4 ? cluster_->AddActor() : RemoveActor(fault);
  }

  absl::Status Inject(const Fault& fault) {
    switch (fault.kind) {
      case FaultKind::kKillActor:
        return KillOne(fault, PickActor(fault));
      case FaultKind::kKillLearner:
        return KillOne(fault, "learner");
      case FaultKind::kKillCoordinator:
        return KillOne(fault, "coordinator");
      case FaultKind::kKillAll:
        return KillAll(fault);
      case FaultKind::kFreezeActor:
        return Freeze(fault, PickActor(fault));
      case FaultKind::kFreezeLearner:
        return Freeze(fault, "learner");
      case FaultKind::kFreezeCoordinator:
        return Freeze(fault, "coordinator");
      case FaultKind::kAddActor:
        return AddActor(fault);
      case FaultKind::kRemoveActor:
        return RemoveActor(fault);
      case FaultKind::kKillInEvaluation:
        return KillInEvaluation(fault);
      case FaultKind::kKillInCommit:
      case FaultKind::kKillInView:
      case FaultKind::kPowerLossInCommit:
        return Arm(fault, "coordinator");
      case FaultKind::kKillInCheckpoint:
      case FaultKind::kKillReceivingRows:
      case FaultKind::kPowerLossInCheckpoint:
        return Arm(fault, "learner");
      case FaultKind::kKillSendingRows:
        return Arm(fault, PickActor(fault));
    }
    return absl::InternalError("no such fault");
  }

  const std::string run_dir_;
  const FaultRunOptions& options_;
  FaultTally& tally_;
  std::vector<std::string>& story_;
  const absl::Time deadline_;
  std::unique_ptr<Cluster> cluster_;
  v1::RunStatus last_;
  std::optional<absl::Time> disturbed_at_;
  int64_t committed_then_ = 0;
  int armed_ = 0;
};

}  // namespace

int FaultTally::total() const {
  int sum = 0;
  for (const auto& [kind, count] : injected) sum += count;
  return sum;
}

void FaultTally::Add(const FaultTally& other) {
  for (const auto& [kind, count] : other.injected) injected[kind] += count;
  for (const auto& [kind, count] : other.missed) missed[kind] += count;
  restarts += other.restarts;
  recovery_seconds.insert(recovery_seconds.end(), other.recovery_seconds.begin(),
                          other.recovery_seconds.end());
}

absl::Status RunWithFaults(const std::string& run_dir, const FaultRunOptions& options,
                           FaultTally& tally, std::vector<std::string>& story) {
  if (absl::Status status = MakeRun(run_dir, options.policy_lag); !status.ok()) return status;
  return Disturber(run_dir, options, tally, story).Run();
}

}  // namespace shoal
