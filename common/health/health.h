// Asks a server how it is, by grpc.health.v1, which every server of shoal answers.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "absl/status/status.h"

namespace shoal {

struct HealthOptions {
  std::string address;  // unix:/path or host:port
  // What its certificate must say it is, where there are any: "coordinator" or "learner".
  std::string server = "coordinator";
  double timeout = 5;   // seconds
  // Wait for a server that is not there, or not ready, yet; until the timeout.
  bool wait = false;
};

// Registers ADDRESS, --server, --timeout and --wait. The options must outlive parsing.
void AddHealthOptions(CLI::App& app, HealthOptions& options);

// OK: it serves. Thread safe.
// - kInvalidArgument: not an address. kPermissionDenied: plain text to another machine, and it is not
//   allowed (SetRpcSecurity).
// - kUnavailable: nobody answers there within the timeout.
// - kFailedPrecondition: it answers that it does not serve, as one that is about to end does.
// - Others are the server's own.
absl::Status CheckHealth(const HealthOptions& options);

}  // namespace shoal
