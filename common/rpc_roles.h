// Who may call what. A certificate says its holder's roles as URIs in the subject's alternative names,
// "shoal://role/actor"; this table says which of them each method takes. A method that is not in the
// table is refused to everybody.
//
// Where there is no TLS there are no roles: whoever reaches the server may call everything.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace shoal {

enum class Role {
  kCoordinator,  // Serves runs.
  kLearner,      // Serves rows and policies, and learns for a coordinator.
  kActor,        // Takes leases, pushes rows.
  kOperator,     // Gives orders, and looks.
  kReader,       // Only looks.
};

inline constexpr Role kAllRoles[] = {Role::kCoordinator, Role::kLearner, Role::kActor,
                                     Role::kOperator, Role::kReader};

// "actor".
const char* RoleName(Role role);
// "shoal://role/actor".
std::string RoleUri(Role role);
// "actor, reader"; "none".
std::string RoleNames(std::span<const Role> roles);
// What the URIs of a certificate make of its holder, in kAllRoles' order; URIs of other kinds count
// for nothing.
std::vector<Role> RolesOf(std::span<const std::string> uris);

struct MethodRoles {
  const char* method;  // as on the wire: "/shoal.v1.RunService/StopRun"
  std::vector<Role> roles;
};

// Every method of every service that a program of shoal serves.
std::span<const MethodRoles> MethodTable();

// kPermissionDenied, with what the caller is and what the method takes.
absl::Status MayCall(std::string_view method, std::span<const Role> roles);

}  // namespace shoal
