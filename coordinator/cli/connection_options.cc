#include "coordinator/cli/connection_options.h"

namespace shoal {
namespace {

SecurityOptions& Values() {
  static auto* const values = new SecurityOptions;
  return *values;
}

}  // namespace

void AddConnectionOptions(CLI::App& command) {
  AddSecurityOptions(command, Values(), /*serves=*/false);
}

absl::Status SetUpConnections() {
  constexpr Role kOwn[] = {Role::kOperator, Role::kReader};
  return SetUpSecurity(Values(), kOwn);
}

const SecurityOptions& ConnectionOptions() { return Values(); }

}  // namespace shoal
