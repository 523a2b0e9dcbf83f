#include "learner/learner_program.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/logging.h"
#include "common/metrics/metrics.h"
#include "common/rpc_options.h"
#include "common/shutdown.h"
#include "common/version.h"
#include "learner/learner_loop.h"
#include "learner/learner_metrics.h"

namespace shoal {
namespace {

constexpr char kName[] = "shoal-learner";
constexpr int kExitUsage = 2;
// How long the end waits for calls of actors and for an update in progress.
constexpr absl::Duration kDrainLimit = absl::Seconds(3);

struct Arguments {
  LearnerOptions learner;
  double patience = 600;
  MetricsOptions metrics;
  SecurityOptions security;
  std::string log;
  std::string log_level = "info";
  std::string log_format = "text";
  bool exit_with_parent = false;
};

// What the signal thread and main share.
struct StopTarget {
  absl::Mutex mutex;
  LearnerLoop* loop ABSL_GUARDED_BY(mutex) = nullptr;
  bool stopped ABSL_GUARDED_BY(mutex) = false;
};

// To the standard error, and to the log where that is another place.
int Fail(const absl::Status& status, const Arguments& arguments, int code) {
  if (!arguments.log.empty()) LogError(absl::StrCat(kName, " ends"), {{"error", status}});
  std::fprintf(stderr, "%s: %s\n", kName, std::string(status.message()).c_str());
  return code;
}

void AddArguments(CLI::App& app, Arguments& arguments) {
  LearnerOptions& learner = arguments.learner;
  learner.threads = std::max(1u, std::thread::hardware_concurrency());
  app.add_option("--coordinator", learner.coordinator,
                 "where the coordinator listens: unix:/path or host:port")
      ->required()
      ->type_name("ADDRESS");
  app.add_option("--listen", learner.server.listen,
                 "where actors push rows and fetch policies: unix:/path or host:port")
      ->type_name("ADDRESS")
      ->capture_default_str();
  app.add_option("--advertise", learner.advertise,
                 "what actors are told to connect to (default: where it listens)")
      ->type_name("ADDRESS");
  CLI::Option* run_dir =
      app.add_option("--run_dir", learner.run_dir, "folder of the run; checkpoints/ is made in it")
          ->type_name("DIR");
  app.add_option("--runs", learner.runs,
                 "folder of all runs, instead of --run_dir: serve whatever run the coordinator has, "
                 "one after another")
      ->excludes(run_dir)
      ->type_name("DIR");
  app.add_option("--threads", learner.threads, "threads that learn; not part of the result")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--patience", arguments.patience,
                 "end when no coordinator has answered for so long, seconds; 0: wait for ever")
      ->check(CLI::Range(0.0, 1e7))
      ->type_name("SECONDS")
      ->capture_default_str();
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
  app.set_version_flag("--version", VersionLine(kName));
}

// What would learn here, in words. Making the smallest trainer also shows at the start, rather than
// in the first update, whether what it is made of works.
absl::StatusOr<std::string> DescribeDevice(const TrainerFactory& factory, int threads) {
  TrainerOptions smallest;
  smallest.hidden_sizes = {1};
  smallest.batch_size = 2;
  smallest.threads = threads;
  const absl::StatusOr<std::unique_ptr<PpoTrainer>> trainer = factory(smallest);
  if (!trainer.ok()) return trainer.status();
  return (*trainer)->device_description();
}

int Serve(Arguments& arguments, TrainerFactory factory, StopTarget& target) {
  const auto metrics = MetricsServer::Start(
      arguments.metrics, "learner", LearnerMetrics(), [&target](MetricValues& values) {
        absl::MutexLock lock(&target.mutex);
        if (target.loop != nullptr) target.loop->FillMetrics(values);
      });
  if (!metrics.ok()) return Fail(metrics.status(), arguments, kExitUsage);
  absl::StatusOr<std::string> device = DescribeDevice(factory, arguments.learner.threads);
  if (!device.ok()) return Fail(device.status(), arguments, EXIT_FAILURE);
  arguments.learner.device = *std::move(device);
  absl::StatusOr<std::unique_ptr<LearnerLoop>> loop =
      LearnerLoop::Create(arguments.learner, std::move(factory));
  if (!loop.ok()) return Fail(loop.status(), arguments, kExitUsage);
  LogInfo("serving", {{"address", (*loop)->address()}, {"device", arguments.learner.device}});
  {
    absl::MutexLock lock(&target.mutex);
    target.loop = loop->get();
    if (target.stopped) (*loop)->Stop();
  }
  const absl::Status status = (*loop)->Run();
  const int code = status.ok() ? EXIT_SUCCESS : Fail(status, arguments, EXIT_FAILURE);
  if (!(*loop)->Drain(kDrainLimit)) {
    LogWarning("leaving in the middle of an update: it is done again by the next learner");
  }
  LogInfo("learner ends", {{"code", code}});
  std::fflush(nullptr);
  // Not by returning: an update cannot be interrupted, and a checkpoint gets its name only when it
  // is whole.
  std::_Exit(code);
}

}  // namespace

int LearnerMain(int argc, char** argv, TrainerFactory factory) {
  Arguments arguments;
  CLI::App app("Receives rows, learns, writes checkpoints and hands out policies.", kName);
  AddArguments(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? EXIT_SUCCESS : kExitUsage;
  }
  if (arguments.learner.run_dir.empty() && arguments.learner.runs.empty()) {
    return Fail(absl::InvalidArgumentError("--run_dir DIR or --runs DIR is required"), arguments,
                kExitUsage);
  }
  arguments.learner.link.patience = absl::Seconds(arguments.patience);
  if (arguments.exit_with_parent) DieWithParent();

  StopTarget target;
  ShutdownSignal::Callbacks callbacks;
  callbacks.first = [&target] {
    absl::MutexLock lock(&target.mutex);
    target.stopped = true;
    if (target.loop != nullptr) target.loop->Stop();
  };
  const ShutdownSignal signal(callbacks);

  LogOptions log;
  log.component = "learner";
  log.run = std::filesystem::path(arguments.learner.run_dir).filename().string();
  log.file = arguments.log;
  log.format = *ParseLogFormat(arguments.log_format);
  log.level = *ParseLogLevel(arguments.log_level);
  if (absl::Status status = SetUpLogging(log); !status.ok())
    return Fail(status, arguments, kExitUsage);
  constexpr Role kOwn[] = {Role::kLearner};
  if (absl::Status status = SetUpSecurity(arguments.security, kOwn); !status.ok()) {
    return Fail(status, arguments, kExitUsage);
  }
  return Serve(arguments, std::move(factory), target);
}

}  // namespace shoal
