#include "coordinator/cli/cluster_train.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "coordinator/cli/cluster_client.h"
#include "coordinator/cli/coordinator_silence.h"
#include "coordinator/cli/exit_codes.h"
#include "coordinator/cli/progress.h"
#include "coordinator/cli/run_watch.h"

namespace shoal {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(100);
constexpr absl::Duration kAsk = absl::Milliseconds(500);
// Of one answer about the line: Ctrl-C and the progress wait for it.
constexpr absl::Duration kAnswer = absl::Seconds(5);
// A coordinator that is started anew answers well within this time.
constexpr absl::Duration kPatience = absl::Minutes(2);
// The run is over and its report is being made; nobody has to wait for that for long.
constexpr absl::Duration kArtifactsPatience = absl::Minutes(2);

bool Ended(const v1::QueuedRun& run) {
  return run.state() == v1::QueuedRun::STATE_FINISHED ||
         run.state() == v1::QueuedRun::STATE_FAILED || run.state() == v1::QueuedRun::STATE_STOPPED;
}

bool Over(const v1::RunStatus& status) {
  return status.state() == v1::RunStatus::STATE_DONE ||
         status.state() == v1::RunStatus::STATE_STOPPED ||
         status.state() == v1::RunStatus::STATE_FAILED;
}

// Follows one run by two ways: its place in line by QueueService, its progress by RunService, which
// speaks of whatever run is on.
class Follower {
 public:
  Follower(ClusterClient* client, std::string name, const std::atomic<int>& interrupts)
      : client_(client), name_(std::move(name)), interrupts_(interrupts) {}

  // The run as it ended. Cancelled: interrupted; Unavailable: the coordinator has not answered for
  // long.
  absl::StatusOr<v1::QueuedRun> Follow() {
    auto watch = RunWatch::Start(client_->address());
    if (!watch.ok()) return watch.status();
    ProgressPrinter printer(isatty(STDOUT_FILENO) != 0);
    absl::Time ask_at = absl::InfinitePast();
    absl::Time answered = absl::Now();
    absl::Time ended = absl::InfiniteFuture();
    CoordinatorSilence silence(answered);
    while (true) {
      if (interrupts_ > 0) return absl::CancelledError("interrupted");
      v1::RunStatus status = (*watch)->WaitForStatus(absl::Now() + kPoll);
      silence.Look((*watch)->answers(), absl::Now());
      if (status.run_name() == name_ && status.total_iterations() > 0) {
        if (!Over(status)) silence.AddTo(status);
        printer.Show(status);
        // Its end is in the line at once.
        if (Over(status) && !over_seen_) ask_at = absl::InfinitePast();
        over_seen_ = Over(status);
      }
      if (absl::Now() < ask_at) continue;
      ask_at = absl::Now() + kAsk;
      auto run = client_->Get(name_);
      if (absl::IsUnavailable(run.status())) {
        if (absl::Now() - answered > kPatience) return run.status();
        if (!silent_) printer.Say(absl::StrCat(run.status().message(), "; trying again"));
        silent_ = true;
        continue;
      }
      if (!run.ok()) return run.status();
      answered = absl::Now();
      silent_ = false;
      SayPlace(*run, printer);
      if (!Ended(*run)) continue;
      ended = std::min(ended, absl::Now());
      if (run->artifacts() != v1::QueuedRun::ARTIFACTS_PENDING ||
          absl::Now() - ended > kArtifactsPatience) {
        return run;
      }
    }
  }

 private:
  void SayPlace(const v1::QueuedRun& run, ProgressPrinter& printer) {
    if (run.state() != v1::QueuedRun::STATE_QUEUED || run.ahead() == ahead_) return;
    ahead_ = run.ahead();
    printer.Say(absl::StrCat("in line: ", ahead_, ahead_ == 1 ? " run" : " runs", " before it"));
  }

  ClusterClient* const client_;
  const std::string name_;
  const std::atomic<int>& interrupts_;
  int64_t ahead_ = -1;
  bool over_seen_ = false;
  bool silent_ = false;
};

std::string FetchHint(const std::string& name, const std::string& coordinator) {
  return absl::StrCat("`shoal fetch ", name, " --coordinator ", coordinator, "` copies its files");
}

int PrintEnd(const v1::QueuedRun& run, const std::string& coordinator) {
  if (run.artifacts() == v1::QueuedRun::ARTIFACTS_FAILED) {
    std::fprintf(stderr, "warning: %s\n", run.message().c_str());
  } else if (run.artifacts() == v1::QueuedRun::ARTIFACTS_PENDING) {
    std::fprintf(stderr, "warning: report, plots and videos are still being made\n");
  }
  if (run.state() == v1::QueuedRun::STATE_FAILED) {
    return ReportError(absl::InternalError(
        absl::StrCat("the run failed: ", run.message(), " (", FetchHint(run.name(), coordinator), ")")));
  }
  std::printf("%s after iteration %lld; %s\n", QueuedRunStateName(run.state()),
              static_cast<long long>(run.iteration()), FetchHint(run.name(), coordinator).c_str());
  if (run.state() == v1::QueuedRun::STATE_STOPPED) {
    std::printf("`shoal train --resume %s --coordinator %s` continues\n", run.name().c_str(),
                coordinator.c_str());
  }
  if (!run.policy_sha256().empty()) std::printf("policy_sha256 %s\n", run.policy_sha256().c_str());
  return run.state() == v1::QueuedRun::STATE_FINISHED ? kExitDone : kExitInterrupted;
}

absl::StatusOr<v1::QueuedRun> Send(const RunRequest& request, const ClusterTrainOptions& options,
                                   ClusterClient& client) {
  if (!options.resume.empty()) {
    auto resumed = client.Resume(options.resume);
    // A finished one, and only that, is shown as it is.
    return absl::IsFailedPrecondition(resumed.status()) ? client.Get(options.resume) : resumed;
  }
  auto submission = MakeSubmission(request);
  if (!submission.ok()) return submission.status();
  return client.Submit(*submission);
}

}  // namespace

int TrainOnCluster(const RunRequest& request, const ClusterTrainOptions& options,
                   const std::atomic<int>& interrupts) {
  auto client = ClusterClient::Connect(options.coordinator, absl::Seconds(options.timeout));
  if (!client.ok()) return ReportError(client.status());
  auto run = Send(request, options, **client);
  if (!run.ok()) return ReportError(run.status());
  const std::string name = run->name();
  if (options.detach) {
    std::printf("%s\n", name.c_str());
    return kExitDone;
  }
  std::printf("run %s at %s\n", name.c_str(), options.coordinator.c_str());
  std::fflush(stdout);
  auto follow = ClusterClient::Connect(options.coordinator,
                                       std::min(absl::Seconds(options.timeout), kAnswer));
  if (!follow.ok()) return ReportError(follow.status());
  auto last = Follower(follow->get(), name, interrupts).Follow();
  if (last.ok()) return PrintEnd(*last, options.coordinator);
  const std::string again = absl::StrCat("`shoal train --resume ", name, " --coordinator ",
                                         options.coordinator, "` follows it again");
  if (absl::IsCancelled(last.status())) {
    std::printf("run %s goes on; %s, `shoal stop %s --coordinator %s` ends it\n", name.c_str(),
                again.c_str(), name.c_str(), options.coordinator.c_str());
    return kExitInterrupted;
  }
  if (!absl::IsUnavailable(last.status())) return ReportError(last.status());
  return ReportError(absl::UnavailableError(
      absl::StrCat(last.status().message(), "; the run is in its line: ", again)));
}

}  // namespace shoal
