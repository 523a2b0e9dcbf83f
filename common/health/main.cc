// shoal-health: asks a server how it is. What containers and service managers run, so it is small and
// takes the certificate of any role; people have `shoal health`.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <string>

#include "common/command_line.h"
#include "common/health/health.h"
#include "common/logging.h"
#include "common/rpc_options.h"
#include "common/rpc_roles.h"
#include "common/version.h"

namespace shoal {
namespace {

// Docker reserves 2 of a health check's exit codes.
constexpr int kFailed = 1;

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "shoal-health: %s\n", std::string(status.message()).c_str());
  return kFailed;
}

int Main(int argc, char** argv) {
  LogOptions log;
  log.component = "health";
  log.level = LogLevel::kWarning;
  if (absl::Status status = SetUpLogging(log); !status.ok()) return Fail(status);
  CLI::App app("shoal-health: ends with 0 if the server there serves, by grpc.health.v1");
  app.name("shoal-health");
  app.set_version_flag("--version", VersionLine("shoal-health"));
  HealthOptions options;
  AddHealthOptions(app, options);
  SecurityOptions security;
  AddSecurityOptions(app, security, /*serves=*/false);
  const auto outcome = ParseCommandLine(app, argc, argv, std::cout);
  if (!outcome.ok()) return Fail(outcome.status());
  if (*outcome == CommandLineOutcome::kShown) return 0;
  if (absl::Status status = SetUpSecurity(security, kAllRoles); !status.ok()) return Fail(status);
  if (absl::Status status = CheckHealth(options); !status.ok()) return Fail(status);
  return 0;
}

}  // namespace
}  // namespace shoal

int main(int argc, char** argv) { return shoal::Main(argc, argv); }
