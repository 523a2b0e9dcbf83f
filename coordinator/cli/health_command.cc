// shoal health: whether a server serves.

#include <cstdio>
#include <memory>

#include "common/health/health.h"
#include "coordinator/cli/commands.h"
#include "coordinator/cli/connection_options.h"
#include "coordinator/cli/exit_codes.h"

namespace shoal {
namespace {

int RunHealthCommand(const HealthOptions& options) {
  if (absl::Status status = CheckHealth(options); !status.ok()) return ReportError(status);
  std::puts("serving");
  return kExitDone;
}

}  // namespace

Command AddHealthCommand(CLI::App& app) {
  auto options = std::make_shared<HealthOptions>();
  CLI::App* health =
      app.add_subcommand("health", "whether a coordinator or learner serves, by grpc.health.v1");
  AddHealthOptions(*health, *options);
  AddConnectionOptions(*health);
  return Command{health, [options] { return RunHealthCommand(*options); }};
}

}  // namespace shoal
