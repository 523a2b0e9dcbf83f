// A server of leases with nothing behind it: it answers every result with one more lease of the size
// that the coordinator's have. What it costs is what gRPC's streams cost, so nothing that speaks this
// protocol can do with less.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace shoal {

// Serves at `listen`, says "listening on ADDRESS" on stdout, and goes on until the process is ended.
absl::Status ServeBareLeases(const std::string& listen, int state_bytes);

}  // namespace shoal
