// shoal-coordinator: decides, hands out work and remembers everything of a run, or of one after another.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "common/command_line.h"
#include "common/logging.h"
#include "common/metrics/metrics.h"
#include "common/rpc.h"
#include "common/rpc_options.h"
#include "common/shutdown.h"
#include "common/version.h"
#include "coordinator/run/address_file.h"
#include "coordinator/service/peer_services.h"
#include "coordinator/service/run_host.h"
#include "coordinator/service/run_metrics.h"
#include "coordinator/service/run_service.h"
#include "coordinator/service/serve_runs.h"

namespace shoal {
namespace {

// Exit codes, the same for all programs of shoal.
constexpr int kFailed = 1;
constexpr int kUsage = 2;

struct Arguments {
  RunLoopOptions run;
  std::string runs;
  std::string begin_with;
  ServerOptions server;
  SecurityOptions security;
  MetricsOptions metrics;
  double lease_seconds = 10;
  std::string log;
  std::string log_level = "info";
  std::string log_format = "text";
  bool exit_with_parent = false;
};

void AddArguments(CLI::App& app, Arguments& arguments) {
  CLI::Option* run_dir = app.add_option("--run_dir", arguments.run.run_dir,
                                        "the run's folder, with config.textproto in it")
                             ->type_name("DIR");
  CLI::Option* runs =
      app.add_option("--runs", arguments.runs,
                     "folder of all runs, instead of --run_dir: stand by, and run what `shoal train "
                     "--coordinator` sends, one after another")
          ->excludes(run_dir)
          ->type_name("DIR");
  app.add_option("--begin_with", arguments.begin_with,
                 "with --runs: a run that `shoal init` has made in that folder, put in line at the "
                 "start; one that was in line before stays what it is")
      ->needs(runs)
      ->type_name("RUN");
  app.add_option("--listen", arguments.server.listen, "unix:/path or host:port; port 0: any free one")
      ->type_name("ADDRESS")
      ->capture_default_str();
  app.add_option("--lease_seconds", arguments.lease_seconds,
                 "an actor or learner silent for so long is given up")
      ->check(CLI::Range(1.0, 3600.0))
      ->capture_default_str();
  app.add_flag("--any_build", arguments.run.any_build,
               "let actors and learners of other builds in; results could differ");
  AddMetricsOptions(app, arguments.metrics);
  app.add_option("--log", arguments.log, "append the log to this file (default: standard error)")
      ->type_name("FILE");
  app.add_option("--log_level", arguments.log_level, "debug, info, warning, error or off")
      ->check(CLI::IsMember({"debug", "info", "warning", "error", "off"}))
      ->capture_default_str();
  app.add_option("--log_format", arguments.log_format, "text or json: one object a line")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  AddSecurityOptions(app, arguments.security, /*serves=*/true);
  app.add_flag("--exit_with_parent", arguments.exit_with_parent,
               "end when the process that started this one ends");
  app.set_version_flag("--version", VersionLine("shoal-coordinator"));
}

int Fail(const absl::Status& status) {
  LogError("shoal-coordinator ends", {{"error", status}});
  std::fprintf(stderr, "shoal-coordinator: %s\n", std::string(status.message()).c_str());
  return absl::IsInvalidArgument(status) || absl::IsAlreadyExists(status) ? kUsage : kFailed;
}

int Serve(const Arguments& arguments, ShutdownSignal& signal) {
  auto loop = RunLoop::Open(arguments.run, absl::Now());
  if (!loop.ok()) return Fail(loop.status());
  RunHost host(*std::move(loop));
  auto metrics = MetricsServer::Start(
      arguments.metrics, "coordinator", RunMetrics(), [&host](MetricValues& values) {
        const RunNumbers numbers =
            host.With([](RunLoop& run, absl::Time now) { return run.Numbers(now); });
        FillRunMetrics(numbers, values);
      });
  if (!metrics.ok()) return Fail(metrics.status());
  WorkerServiceImpl workers(&host);
  LearnerServiceImpl learners(&host);
  RunServiceImpl runs(&host);
  auto server = StartServer(arguments.server, {&workers, &learners, &runs});
  if (!server.ok()) return Fail(server.status());
  LogInfo("listening", {{"address", (*server)->address()}});
  // Destroyed before the host, and so removed while the run is still locked.
  auto address_file = AddressFile::Write(arguments.run.run_dir, (*server)->address());
  if (!address_file.ok()) return Fail(address_file.status());
  std::printf("listening on %s\n", (*server)->address().c_str());
  std::fflush(stdout);

  bool stopping = false;
  while (!host.WaitUntilOver(absl::Now() + absl::Milliseconds(100))) {
    if (!stopping && signal.count() > 0) {
      stopping = true;
      host.With([](RunLoop& run, absl::Time now) { run.Stop(now); });
    }
  }
  // Dismissed peers and watchers leave by themselves.
  (*server)->Drain(absl::Now() + absl::Seconds(2));
  return host.failed() ? kFailed : 0;
}

int Main(int argc, char** argv) {
  // A second signal ends the program at once: run.db holds everything that is committed.
  ShutdownSignal signal;
  CLI::App app("shoal-coordinator: decides, hands out work and remembers everything of a run");
  app.name("shoal-coordinator");
  Arguments arguments;
  arguments.run.any_build = false;
  AddArguments(app, arguments);
  auto outcome = ParseCommandLine(app, argc, argv, std::cout);
  if (!outcome.ok()) {
    std::fprintf(stderr, "shoal-coordinator: %s\n", std::string(outcome.status().message()).c_str());
    return kUsage;
  }
  if (*outcome == CommandLineOutcome::kShown) return 0;
  if (arguments.exit_with_parent) DieWithParent();
  arguments.run.lease_time = absl::Seconds(arguments.lease_seconds);
  if (arguments.run.run_dir.empty() && arguments.runs.empty()) {
    std::fprintf(stderr, "shoal-coordinator: --run_dir DIR or --runs DIR is required\n");
    return kUsage;
  }
  // Several within a lease, so that one that is late costs nobody a lease.
  arguments.run.heartbeat_interval = std::min(absl::Seconds(1), arguments.run.lease_time / 4);
  LogOptions log;
  log.component = "coordinator";
  log.run = std::filesystem::path(arguments.run.run_dir).filename().string();
  log.file = arguments.log;
  log.format = *ParseLogFormat(arguments.log_format);
  auto level = ParseLogLevel(arguments.log_level);
  if (!level.ok()) return Fail(level.status());
  log.level = *level;
  if (absl::Status status = SetUpLogging(log); !status.ok()) return Fail(status);
  constexpr Role kOwn[] = {Role::kCoordinator};
  if (absl::Status s = SetUpSecurity(arguments.security, kOwn); !s.ok()) return Fail(s);
  if (arguments.runs.empty()) return Serve(arguments, signal);
  ServeRunsOptions standing;
  standing.runs = arguments.runs;
  standing.begin_with = arguments.begin_with;
  standing.run = arguments.run;
  standing.server = arguments.server;
  standing.metrics = arguments.metrics;
  absl::Status status = ServeRuns(standing, signal);
  return status.ok() ? 0 : Fail(status);
}

}  // namespace
}  // namespace shoal

int main(int argc, char** argv) { return shoal::Main(argc, argv); }
