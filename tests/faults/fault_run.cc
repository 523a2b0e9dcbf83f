#include "tests/faults/fault_run.h"

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
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
// How long a program may take to be loaded, with sanitizers and on a busy machine too.
constexpr absl::Duration kLoadPatience = absl::Seconds(60);

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
  Disturber(const std::string& run_dir, const FaultRunOptions& options, FaultSequence& sequence,
            FaultTally& tally, std::vector<std::string>& story)
      : run_dir_(run_dir),
        options_(options),
        sequence_(sequence),
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
    absl::Status status = Disturb();
    if (status.ok()) status = Watch(absl::InfiniteDuration());
    CountLate();
    tally_.restarts += cluster_->restarts();
    return status.ok() ? cluster_->WaitForOthers(absl::Seconds(10)) : status;
  }

 private:
  // An armed rule that had found nothing when its time was over.
  struct Armed {
    Fault fault;
    std::string report;
  };

  absl::Status Disturb() {
    for (int i = 0; i < options_.faults && !cluster_->done(); ++i) {
      while (!options_.only.empty() && options_.only.count(sequence_.Current().kind) == 0) {
        sequence_.Advance();
      }
      const Fault fault = sequence_.Current();
      if (absl::Status status = Watch(absl::Milliseconds(fault.wait_ms)); !status.ok()) return status;
      // What a run is too short for is the next one's.
      if (cluster_->done()) break;
      sequence_.Advance();
      if (absl::Status status = Inject(fault); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

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
    ++tally_.injected[fault.kind];
    story_.push_back(absl::StrCat(FaultName(fault.kind), ": ", whom, fault.rule.empty() ? "" : " ",
                                  fault.rule, ", at iteration ", last_.committed_iteration()));
    if (!disturbed_at_) disturbed_at_ = absl::Now();
    committed_then_ = last_.committed_iteration();
  }

  void Missed(const Fault& fault, const std::string& why) {
    ++tally_.missed[fault.kind];
    story_.push_back(absl::StrCat(FaultName(fault.kind), ": ", why));
  }

  // A rule stays with its program, and may find something after all.
  void CountLate() {
    for (const Armed& armed : late_) {
      if (!std::filesystem::exists(armed.report)) continue;
      --tally_.missed[armed.fault.kind];
      ++tally_.injected[armed.fault.kind];
      story_.push_back(absl::StrCat(FaultName(armed.fault.kind), ": ", armed.fault.rule, " later on"));
    }
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
    const std::string report = absl::StrCat(run_dir_, "/../fired-", sequence_.number());
    const std::string loaded = report + ".loaded";
    for (const std::string& file : {report, loaded}) std::filesystem::remove(file);
    Environment environment = {
        {"LD_PRELOAD", options_.file_layer},
        {"SHOAL_FILE_FAULTS", fault.rule},
        {"SHOAL_FILE_FAULTS_REPORT", report},
        {"SHOAL_FILE_FAULTS_LOADED", loaded},
        {"SHOAL_FILE_FAULTS_ROOT", std::filesystem::absolute(run_dir_).string()}};
#ifdef __SANITIZE_ADDRESS__
    // The layer comes before its run-time library. What tests/sanitizers/run.sh asks for stays.
    const char* const given = getenv("ASAN_OPTIONS");
    environment.emplace_back("ASAN_OPTIONS", absl::StrCat(given == nullptr ? "" : given,
                                                          ":verify_asan_link_order=0"));
#endif
    absl::Status status = cluster_->Restart(member, environment);
    if (status.ok()) status = AwaitLoaded(member, loaded);
    if (!status.ok()) return status;
    const auto fired = [&] { return std::filesystem::exists(report); };
    status = WatchUntil(kPatience, fired);
    if (!status.ok()) return status;
    if (fired()) {
      Happened(fault, member);
    } else {
      Missed(fault, absl::StrCat(fault.rule, " found nothing"));
      late_.push_back({fault, report});
    }
    return absl::OkStatus();
  }

  // A rule of a program without the layer would find nothing for ever.
  absl::Status AwaitLoaded(const std::string& member, const std::string& file) {
    const auto loaded = [&] { return std::filesystem::exists(file); };
    if (absl::Status status = WatchUntil(kLoadPatience, loaded); !status.ok()) return status;
    if (loaded() || cluster_->done()) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat(
        member, " has not loaded ", options_.file_layer, " by LD_PRELOAD, so no fault of files can be "
        "put into it; ", run_dir_, "/logs/", member, ".out may say why"));
  }

  absl::Status KillInEvaluation(const Fault& fault) {
    const auto playing = [&] { return last_.state() == v1::RunStatus::STATE_EVALUATION; };
    if (absl::Status status = WatchUntil(kPatience, playing); !status.ok()) return status;
    if (playing() && !cluster_->done()) return KillOne(fault, PickActor(fault));
    Missed(fault, "no evaluation is being played");
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
    if (cluster_->actors().size() < 2) {
      Missed(fault, "there is one actor");
      return absl::OkStatus();
    }
    const std::string actor = PickActor(fault);
    Happened(fault, actor);
    return cluster_->RemoveActor(actor);
  }

  absl::Status AddActor(const Fault& fault) {
    // Few cores: more would only slow the test down.
    if (cluster_->actors().size() >= 4) {
      Missed(fault, "there are four actors");
      return absl::OkStatus();
    }
    Happened(fault, absl::StrCat("to ", cluster_->actors().size()));
    return cluster_->AddActor();
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
  FaultSequence& sequence_;
  FaultTally& tally_;
  std::vector<std::string>& story_;
  const absl::Time deadline_;
  std::unique_ptr<Cluster> cluster_;
  v1::RunStatus last_;
  std::optional<absl::Time> disturbed_at_;
  int64_t committed_then_ = 0;
  std::vector<Armed> late_;
};

}  // namespace

int FaultTally::total() const {
  int sum = 0;
  for (const auto& [kind, count] : injected) sum += count;
  return sum;
}

std::set<FaultKind> FaultTally::never_injected() const {
  std::set<FaultKind> never(std::begin(kFaultKinds), std::end(kFaultKinds));
  for (const auto& [kind, count] : injected) {
    if (count > 0) never.erase(kind);
  }
  return never;
}

void FaultTally::Add(const FaultTally& other) {
  for (const auto& [kind, count] : other.injected) injected[kind] += count;
  for (const auto& [kind, count] : other.missed) missed[kind] += count;
  restarts += other.restarts;
  recovery_seconds.insert(recovery_seconds.end(), other.recovery_seconds.begin(),
                          other.recovery_seconds.end());
}

absl::Status RunWithFaults(const std::string& run_dir, const FaultRunOptions& options,
                           FaultSequence& sequence, FaultTally& tally,
                           std::vector<std::string>& story) {
  if (absl::Status status = MakeRun(run_dir, options.policy_lag); !status.ok()) return status;
  return Disturber(run_dir, options, sequence, tally, story).Run();
}

}  // namespace shoal
