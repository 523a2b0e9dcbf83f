// How `shoal` proves to a coordinator who it is: the options of all commands that connect to one.
#pragma once

#include <CLI/App.hpp>

#include "absl/status/status.h"
#include "common/rpc_options.h"

namespace shoal {

// Registers them with a command; all commands share the values, and one runs.
void AddConnectionOptions(CLI::App& command);

// After parsing, before the command runs: loads the certificate, if options name one. An operator's or
// a reader's. Errors: SetUpSecurity's.
absl::Status SetUpConnections();

// What was parsed, to be given to programs that are started.
const SecurityOptions& ConnectionOptions();

}  // namespace shoal
