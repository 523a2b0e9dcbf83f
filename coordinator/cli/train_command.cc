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
#include "common/files.h"
#include "common/options.h"
#include "common/rpc.h"
#include "coordinator/cli/commands.h"
#include "coordinator/cli/connection_options.h"
#include "coordinator/cli/exit_codes.h"
#include "coordinator/cli/local_cluster.h"
#include "coordinator/cli/prepare_run.h"
#include "coordinator/schedule/presets.h"
#include "coordinator/cli/progress.h"
#include "coordinator/cli/report.h"
#include "coordinator/cli/run_plots.h"
#include "coordinator/cli/run_summary.h"
#include "coordinator/cli/run_videos.h"
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

// The videos that a run ends with. They are views of a run that is done: where one cannot be made,
// the run is no worse for it.
void MakeVideos(const std::string& run_dir, const Interrupts& interrupts) {
  const auto warn = [](const std::string& text) { std::fprintf(stderr, "shoal: %s\n", text.c_str()); };
  auto info = ReadRunInfo(run_dir);
  if (!info.ok()) return warn(absl::StrCat("no videos: ", info.status().message()));
  auto options = ParseOptions(info->options, absl::StrCat(run_dir, "/run.db"));
  if (!options.ok()) return warn(absl::StrCat("no videos: ", options.status().message()));
  RunVideoOptions videos;
  videos.run_dir = run_dir;
  videos.skipped = warn;
  videos.cancelled = [&interrupts] { return interrupts.count > 0; };
  if (options->tail_replay_count() > 0 && options->multi_eval_interval() > 0) {
    auto made = MakeWorstVideos(videos);
    if (!made.ok() && !absl::IsNotFound(made.status())) {
      warn(absl::StrCat("videos of the worst scenes: ", made.status().message()));
    }
  }
  if (options->skip_final_eval()) return;
  PolicyScene scene;
  scene.out = absl::StrCat(run_dir, "/media/eval.mp4");
  absl::Status status = CreateDirectories(DirectoryOf(scene.out));
  if (status.ok()) status = MakePolicyVideo(videos, scene);
  if (!status.ok()) warn(absl::StrCat("video of the policy: ", status.message()));
}

// What explains a run that has ended: without it the run is no less complete.
void MakeViews(const std::string& run_dir, bool done, const Interrupts& interrupts) {
  if (done) MakeVideos(run_dir, interrupts);
  RunPlotOptions plots;
  plots.run_dir = run_dir;
  // A run that was stopped has one interrupt behind it.
  plots.cancelled = [&interrupts, before = interrupts.count.load()] { return interrupts.count > before; };
  auto files = MakePlots(plots);
  if (!files.ok() && !absl::IsFailedPrecondition(files.status())) {
    std::fprintf(stderr, "shoal: no plots: %s\n", std::string(files.status().message()).c_str());
  }
  // The page shows the videos, so it comes last.
  if (auto report = WriteReport(run_dir); !report.ok()) {
    std::fprintf(stderr, "shoal: no report.html: %s\n", std::string(report.status().message()).c_str());
  }
}

// Follows the run to its end. Returns its last status, or why it cannot be followed any more;
// Cancelled: interrupted twice.
absl::StatusOr<v1::RunStatus> Follow(LocalCluster& cluster, RunWatch& watch,
                                     const Interrupts& interrupts, ProgressPrinter& printer) {
  const absl::Time begin = absl::Now();
  bool stop_sent = false;
  while (true) {
    const v1::RunStatus status = watch.WaitForStatus(absl::Now() + kPoll);
    const bool known = status.total_iterations() > 0;
    if (known) printer.Show(status);
    if (Over(status)) return status;
    if (interrupts.count >= 2) return absl::CancelledError("stopped at once");
    if (interrupts.count == 1 && !stop_sent && known) {
      stop_sent = watch.SendStop().ok();
      if (stop_sent) {
        printer.Say("finishing this iteration's commit; once more stops at once");
      }
    }
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
    std::printf("stopped at once; `shoal train --resume %s` continues after the last commit\n",
                run_dir.c_str());
    return kExitInterrupted;
  }
  if (!last.ok()) return ReportError(last.status());
  (*cluster)->WaitForEnd(absl::Now() + absl::Seconds(10));
  MakeViews(run_dir, last->state() == v1::RunStatus::STATE_DONE, interrupts);
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

// The folder of the run to train, made or found; `finished`: there is nothing left to do.
absl::StatusOr<std::string> ChooseRun(TrainArguments& arguments, bool& finished) {
  arguments.request.command_line = arguments.given.options();
  const bool resume = !arguments.resume.empty();
  if (resume && (arguments.request.command_line.ByteSizeLong() > 0 ||
                 !arguments.request.preset.empty() || !arguments.request.config_file.empty())) {
    return absl::InvalidArgumentError(absl::StrCat("--resume ", arguments.resume,
                                                   " goes on with the run's own options: give neither "
                                                   "--preset, --config nor options of the run with it"));
  }
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
