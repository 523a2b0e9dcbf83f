// shoal train: a run from its options to its final policy, with all programs on this machine.

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/command_line.h"
#include "common/rpc.h"
#include "coordinator/cli/cluster_train.h"
#include "coordinator/cli/commands.h"
#include "coordinator/cli/connection_options.h"
#include "coordinator/cli/coordinator_silence.h"
#include "coordinator/cli/exit_codes.h"
#include "coordinator/cli/local_cluster.h"
#include "coordinator/cli/prepare_run.h"
#include "coordinator/schedule/presets.h"
#include "coordinator/cli/progress.h"
#include "coordinator/cli/run_end.h"
#include "coordinator/cli/run_summary.h"
#include "coordinator/cli/run_watch.h"

namespace shoal {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(100);
// A coordinator says something well within this time of its start.
constexpr absl::Duration kFirstStatus = absl::Seconds(30);

struct TrainArguments {
  RunRequest request;
  RunOptionsFromCommandLine given;
  std::string resume;
  bool continue_run = false;
  LocalClusterOptions cluster;
  int actors = 0;
  int learner_threads = 0;
  // "all" or "data".
  std::string artifacts = "all";
  ClusterTrainOptions standing;
};

// How a run is asked to end.
struct Interrupts {
  std::atomic<int> count{0};
  ShutdownSignal signal{{[this] { count = 1; }, [this] { count = 2; }}};
};

bool Over(const v1::RunStatus& status) {
  return status.state() == v1::RunStatus::STATE_DONE ||
         status.state() == v1::RunStatus::STATE_STOPPED ||
         status.state() == v1::RunStatus::STATE_FAILED;
}

int PrintSummary(const std::string& run_dir) {
  auto summary = RunSummary(run_dir);
  if (!summary.ok()) return ReportError(summary.status());
  std::fputs(summary->c_str(), stdout);
  return kExitDone;
}

// Hands the first interrupt on to the coordinator, and says what comes of it.
class StopOrder {
 public:
  StopOrder(RunWatch* watch, ProgressPrinter* printer) : watch_(watch), printer_(printer) {}

  void Send() {
    if (sent_) return;
    sent_ = watch_->SendStop().ok();
    if (sent_) {
      printer_->Say("finishing this iteration's commit; once more stops at once");
    } else if (!complained_) {
      printer_->Say(absl::StrCat(
          "the coordinator does not answer; if it does not within ",
          absl::ToInt64Seconds(CoordinatorSilence::kStopPatience),
          " s, all programs are ended and what is committed stays; once more stops at once"));
      complained_ = true;
    }
  }

 private:
  RunWatch* const watch_;
  ProgressPrinter* const printer_;
  bool sent_ = false;
  bool complained_ = false;
};

// Follows the run to its end. Returns its last status, or why it cannot be followed any more;
// Cancelled: interrupted twice, or once and the coordinator says nothing; Unavailable: it has not for
// long.
absl::StatusOr<v1::RunStatus> Follow(LocalCluster& cluster, RunWatch& watch,
                                     const Interrupts& interrupts, ProgressPrinter& printer) {
  const absl::Time begin = absl::Now();
  CoordinatorSilence silence(begin);
  StopOrder stop(&watch, &printer);
  while (true) {
    v1::RunStatus status = watch.WaitForStatus(absl::Now() + kPoll);
    const bool known = status.total_iterations() > 0;
    if (Over(status)) {
      printer.Show(status);
      return status;
    }
    silence.Look(watch.answers(), absl::Now());
    silence.AddTo(status);
    if (known) printer.Show(status);
    if (interrupts.count >= 2) return absl::CancelledError("stopped at once");
    if (interrupts.count == 1) {
      silence.StopOrdered();
      if (known) stop.Send();
    }
    if (absl::Status verdict = silence.Verdict(); !verdict.ok()) return verdict;
    std::vector<std::string> news;
    const absl::Status alive = cluster.Poll(absl::Now(), news);
    for (const std::string& text : news) printer.Say(text);
    if (!alive.ok()) return alive;
    if (!known && absl::Now() - begin > kFirstStatus) {
      return absl::UnavailableError(absl::StrCat("the coordinator at ", cluster.coordinator_address(),
                                                 " does not answer"));
    }
  }
}

int Train(const std::string& run_dir, const TrainArguments& arguments, Interrupts& interrupts) {
  LocalClusterOptions options = arguments.cluster;
  options.run_dir = run_dir;
  options.security = SecurityArguments(ConnectionOptions());
  const int cores = std::max(1u, std::thread::hardware_concurrency());
  options.actors = arguments.actors > 0 ? arguments.actors : cores;
  options.learner_threads =
      arguments.learner_threads > 0 ? arguments.learner_threads : std::min(cores, 4);
  std::printf("run %s: coordinator, learner (%d threads) and %d actors\n", run_dir.c_str(),
              options.learner_threads, options.actors);
  if (options.metrics_port > 0) {
    const int last = options.metrics_port + 1 + options.actors;
    if (last > 65535) {
      return ReportError(absl::InvalidArgumentError(
          absl::StrCat("--metrics_port ", options.metrics_port, ": the last of ", options.actors,
                       " actors would need port ", last, "; the greatest is 65535")));
    }
    std::printf("metrics: coordinator http://127.0.0.1:%d/metrics, learner :%d, actors :%d to :%d\n",
                options.metrics_port, options.metrics_port + 1, options.metrics_port + 2, last);
  }
  std::fflush(stdout);
  auto cluster = LocalCluster::Start(options);
  if (!cluster.ok()) return ReportError(cluster.status());
  auto watch = RunWatch::Start((*cluster)->coordinator_address());
  if (!watch.ok()) return ReportError(watch.status());

  absl::StatusOr<v1::RunStatus> last = absl::UnknownError("");
  {
    ProgressPrinter printer(isatty(STDOUT_FILENO) != 0);
    last = Follow(**cluster, **watch, interrupts, printer);
  }
  if (absl::IsCancelled(last.status())) {
    (*cluster)->Kill();
    std::printf("%s; `shoal train --resume %s` continues after the last commit\n",
                std::string(last.status().message()).c_str(), run_dir.c_str());
    return kExitInterrupted;
  }
  if (absl::IsUnavailable(last.status())) {
    return ReportError(absl::UnavailableError(
        absl::StrCat(last.status().message(), "; all programs are ended (logs: ", run_dir,
                     "/logs), and `shoal train --resume ", run_dir,
                     "` continues after the last commit")));
  }
  if (!last.ok()) return ReportError(last.status());
  (*cluster)->WaitForEnd(absl::Now() + absl::Seconds(10));
  if (arguments.artifacts == "all") {
    // A run that was stopped has one interrupt behind it.
    const int before = interrupts.count;
    MakeEndViews(run_dir, last->state() == v1::RunStatus::STATE_DONE && before == 0,
                 [&interrupts, before] { return interrupts.count > before; });
  }
  if (last->state() == v1::RunStatus::STATE_FAILED) {
    return ReportError(absl::InternalError(absl::StrCat("the run failed: ", last->message(),
                                                        " (logs: ", run_dir, "/logs)")));
  }
  if (const int code = PrintSummary(run_dir); code != kExitDone) return code;
  if (last->state() == v1::RunStatus::STATE_DONE) return kExitDone;
  std::printf("stopped; `shoal train --resume %s` continues\n", run_dir.c_str());
  return kExitInterrupted;
}

// Whether the coordinator will be able to listen where the user wants it to, before a run is made.
absl::Status CheckListen(const std::string& listen) {
  if (listen.empty()) return absl::OkStatus();
  auto address = ParseListenAddress(listen, /*allow_insecure=*/false);
  if (!address.ok()) return address.status();
  if (address->unix_path.empty() && address->port == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("--listen ", listen, ": others must know the port; give one from 1 to 65535"));
  }
  ServerOptions probe;
  probe.listen = listen;
  return StartServer(probe, {}).status();
}

absl::Status CheckResumeAlone(const TrainArguments& arguments) {
  if (arguments.resume.empty() ||
      (arguments.request.command_line.ByteSizeLong() == 0 && arguments.request.preset.empty() &&
       arguments.request.config_file.empty())) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("--resume ", arguments.resume,
                                                 " goes on with the run's own options: give neither "
                                                 "--preset, --config nor options of the run with it"));
}

// The folder of the run to train, made or found; `finished`: there is nothing left to do.
absl::StatusOr<std::string> ChooseRun(TrainArguments& arguments, bool& finished) {
  arguments.request.command_line = arguments.given.options();
  const bool resume = !arguments.resume.empty();
  if (absl::Status s = CheckResumeAlone(arguments); !s.ok()) return s;
  absl::StatusOr<std::string> folder = absl::NotFoundError("");
  if (resume) {
    folder = FindRun(arguments.request.out, arguments.resume);
    if (!folder.ok()) return folder.status();
  } else if (arguments.continue_run) {
    auto options = CombineOptions(arguments.request);
    if (!options.ok()) return options.status();
    folder = FindRun(arguments.request.out, options->run_name());
  }
  if (!folder.ok()) return PrepareRun(arguments.request);
  auto info = ReadRunInfo(*folder);
  finished = info.ok() && info->status == RunState::kDone;
  return folder;
}

int RunTrain(TrainArguments& arguments) {
  // Signals are taken over before any thread starts.
  Interrupts interrupts;
  if (!arguments.standing.coordinator.empty()) {
    arguments.request.command_line = arguments.given.options();
    if (absl::Status s = CheckResumeAlone(arguments); !s.ok()) return ReportError(s);
    arguments.standing.resume = arguments.resume;
    return TrainOnCluster(arguments.request, arguments.standing, interrupts.count);
  }
  absl::Status listen = CheckListen(arguments.cluster.listen);
  if (!listen.ok()) return ReportError(listen);
  bool finished = false;
  auto run_dir = ChooseRun(arguments, finished);
  if (!run_dir.ok()) return ReportError(run_dir.status());
  if (finished) {
    std::printf("run %s is done\n", run_dir->c_str());
    return PrintSummary(*run_dir);
  }
  return Train(*run_dir, arguments, interrupts);
}

}  // namespace

Command AddTrainCommand(CLI::App& app) {
  auto arguments = std::make_shared<TrainArguments>();
  CLI::App* train = app.add_subcommand(
      "train", "train a school: starts a coordinator, a learner and actors on this machine");
  train->add_option("--preset", arguments->request.preset, "named set of options: dev_v33 or school")
      ->type_name("NAME");
  train->add_option("--config", arguments->request.config_file,
                    "options from a file in config.textproto's format; the command line wins")
      ->type_name("FILE");
  train->add_option("--out", arguments->request.out, "folder of all runs")
      ->type_name("DIR")
      ->capture_default_str();
  train->add_option("--resume", arguments->resume, "go on with this run (its name or folder)")
      ->type_name("RUN");
  train->add_flag("--continue", arguments->continue_run,
                  "if there is a run of this name, resume it or show that it is done");
  CLI::Option* coordinator =
      train->add_option("--coordinator", arguments->standing.coordinator,
                        "send the run to the standing coordinator there (shoal-coordinator --runs), "
                        "instead of starting programs on this machine; options of programs do not apply")
          ->type_name("ADDRESS");
  train->add_flag("--detach", arguments->standing.detach,
                  "with --coordinator: print the run's name once it is in line, and return")
      ->needs(coordinator);
  train->add_option("--timeout", arguments->standing.timeout,
                    "with --coordinator: wait so long for an answer, seconds")
      ->check(CLI::Range(0.01, 3600.0))
      ->capture_default_str();
  train->add_option("--actors", arguments->actors, "actors to start (default: from the cores)")
      ->check(CLI::Range(1, 1024));
  train->add_option("--learner_threads", arguments->learner_threads,
                    "threads of the learner; no result depends on it (default: from the cores)")
      ->check(CLI::Range(1, 256));
  train->add_option("--listen", arguments->cluster.listen,
                    "host:port of the coordinator on the loopback interface, so that further actors of this machine "
                    "can join (default: a Unix socket)")
      ->type_name("ADDRESS");
  train->add_option("--backend", arguments->cluster.backend, "inference of the actors: fused or torch")
      ->check(CLI::IsMember({"fused", "torch"}))
      ->capture_default_str();
  train->add_option("--log_format", arguments->cluster.log_format,
                    "of the programs' logs: text, or json (one object a line)")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  train->add_option("--artifacts", arguments->artifacts,
                    "what is made at the end: all, or data, which leaves videos, plots and report to "
                    "`shoal finish`")
      ->check(CLI::IsMember({"all", "data"}))
      ->excludes(coordinator)
      ->capture_default_str();
  train->add_option("--metrics_port", arguments->cluster.metrics_port,
                    "serve Prometheus metrics of the coordinator at this port, of the learner and the "
                    "actors at those that follow; 0: none")
      ->check(CLI::Range(0, 65535))
      ->type_name("PORT")
      ->capture_default_str();
  AddConnectionOptions(*train);
  AddRunOptions(*train, arguments->given);
  return Command{train, [arguments] { return RunTrain(*arguments); }};
}

}  // namespace shoal
