// shoal-actor: computes rollouts and evaluations for a coordinator.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "actor/actor_loop.h"
#include "actor/actor_metrics.h"
#include "common/logging.h"
#include "common/metrics/metrics.h"
#include "common/rpc_options.h"
#include "common/shutdown.h"
#include "common/version.h"

namespace shoal {
namespace {

constexpr int kExitUsage = 2;

struct Arguments {
  ActorOptions actor;
  double patience = 600;
  MetricsOptions metrics;
  std::string log;
  std::string log_level = "info";
  std::string log_format = "text";
  SecurityOptions security;
  bool exit_with_parent = false;
};

// What the signal thread and main share.
struct StopTarget {
  absl::Mutex mutex;
  ActorLoop* loop ABSL_GUARDED_BY(mutex) = nullptr;
  bool stopped ABSL_GUARDED_BY(mutex) = false;
};

// To the standard error, and to the log where that is another place.
int Fail(const absl::Status& status, const Arguments& arguments, int code) {
  if (!arguments.log.empty()) LogError("shoal-actor ends", {{"error", status}});
  std::fprintf(stderr, "shoal-actor: %s\n", std::string(status.message()).c_str());
  return code;
}

std::string DefaultName() {
  char host[256] = "";
  gethostname(host, sizeof(host) - 1);
  return absl::StrCat(host, "-", getpid());
}

void AddArguments(CLI::App& app, Arguments& arguments) {
  app.add_option("--coordinator", arguments.actor.coordinator,
                 "where the coordinator listens: unix:/path or host:port")
      ->required()
      ->type_name("ADDRESS");
  app.add_option("--name", arguments.actor.name, "name for people (default: host and process)")
      ->type_name("NAME");
  app.add_option("--backend", arguments.actor.executor.backend, "inference: fused or torch")
      ->check(CLI::IsMember({"fused", "torch"}))
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
  AddSecurityOptions(app, arguments.security, /*serves=*/false);
  app.add_flag("--exit_with_parent", arguments.exit_with_parent,
               "end when the process that started this one ends");
  app.set_version_flag("--version", VersionLine("shoal-actor"));
}

// Runs to the end, and beyond any lease in work.
int Serve(const Arguments& arguments, StopTarget& target) {
  const auto metrics = MetricsServer::Start(
      arguments.metrics, "actor", ActorMetrics(), [&target](MetricValues& values) {
        absl::MutexLock lock(&target.mutex);
        if (target.loop != nullptr) target.loop->FillMetrics(values);
      });
  if (!metrics.ok()) return Fail(metrics.status(), arguments, kExitUsage);
  absl::StatusOr<std::unique_ptr<ActorLoop>> loop = ActorLoop::Create(arguments.actor);
  if (!loop.ok()) return Fail(loop.status(), arguments, kExitUsage);
  {
    absl::MutexLock lock(&target.mutex);
    target.loop = loop->get();
    if (target.stopped) (*loop)->Stop();
  }
  const absl::Status status = (*loop)->Run();
  const int code = status.ok() ? EXIT_SUCCESS : Fail(status, arguments, EXIT_FAILURE);
  LogInfo("actor ends", {{"code", code}});
  std::fflush(nullptr);
  // A rollout in progress cannot be interrupted, and nobody waits for its result: leave without
  // joining it. An actor has nothing to put in order.
  std::_Exit(code);
}

int Main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Computes rollouts and evaluations for a coordinator.", "shoal-actor");
  AddArguments(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? EXIT_SUCCESS : kExitUsage;
  }
  arguments.actor.link.patience = absl::Seconds(arguments.patience);
  if (arguments.actor.name.empty()) arguments.actor.name = DefaultName();
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
  log.component = "actor";
  log.run = arguments.actor.name;
  log.file = arguments.log;
  log.format = *ParseLogFormat(arguments.log_format);
  log.level = *ParseLogLevel(arguments.log_level);
  if (absl::Status status = SetUpLogging(log); !status.ok())
    return Fail(status, arguments, kExitUsage);
  constexpr Role kOwn[] = {Role::kActor};
  if (absl::Status status = SetUpSecurity(arguments.security, kOwn); !status.ok()) {
    return Fail(status, arguments, kExitUsage);
  }
  return Serve(arguments, target);
}

}  // namespace
}  // namespace shoal

int main(int argc, char** argv) { return shoal::Main(argc, argv); }
