#include "common/rpc_roles.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/printable.h"

namespace shoal {
namespace {

constexpr char kUriPrefix[] = "shoal://role/";
// Of a method's name in an error.
constexpr size_t kLongestMethod = 100;

std::vector<Role> Everybody() { return {std::begin(kAllRoles), std::end(kAllRoles)}; }

}  // namespace

const char* RoleName(Role role) {
  switch (role) {
    case Role::kCoordinator:
      return "coordinator";
    case Role::kLearner:
      return "learner";
    case Role::kActor:
      return "actor";
    case Role::kOperator:
      return "operator";
    case Role::kReader:
      return "reader";
  }
  return "";
}

std::string RoleUri(Role role) { return absl::StrCat(kUriPrefix, RoleName(role)); }

std::string RoleNames(std::span<const Role> roles) {
  if (roles.empty()) return "none";
  return absl::StrJoin(roles, ", ", [](std::string* out, Role role) {
    absl::StrAppend(out, RoleName(role));
  });
}

std::vector<Role> RolesOf(std::span<const std::string> uris) {
  std::vector<Role> roles;
  for (const Role role : kAllRoles) {
    if (std::find(uris.begin(), uris.end(), RoleUri(role)) != uris.end()) roles.push_back(role);
  }
  return roles;
}

std::span<const MethodRoles> MethodTable() {
  static const auto* const table = new std::vector<MethodRoles>{
      {"/shoal.v1.WorkerService/Work", {Role::kActor}},
      {"/shoal.v1.LearnerService/Learn", {Role::kLearner}},
      {"/shoal.v1.RowService/PushRows", {Role::kActor}},
      {"/shoal.v1.PolicyService/GetPolicy", {Role::kActor, Role::kOperator, Role::kReader}},
      {"/shoal.v1.RunService/GetStatus", {Role::kOperator, Role::kReader}},
      {"/shoal.v1.RunService/WatchRun", {Role::kOperator, Role::kReader}},
      {"/shoal.v1.RunService/GetGate", {Role::kOperator, Role::kReader}},
      {"/shoal.v1.RunService/GetTail", {Role::kOperator, Role::kReader}},
      {"/shoal.v1.RunService/DescribeRun", {Role::kOperator, Role::kReader}},
      {"/shoal.v1.RunService/ListOrders", {Role::kOperator, Role::kReader}},
      {"/shoal.v1.RunService/StopRun", {Role::kOperator}},
      {"/shoal.v1.RunService/GiveOrder", {Role::kOperator}},
      {"/shoal.v1.QueueService/SubmitRun", {Role::kOperator}},
      {"/shoal.v1.QueueService/ResumeRun", {Role::kOperator}},
      {"/shoal.v1.QueueService/CancelRun", {Role::kOperator}},
      {"/shoal.v1.QueueService/GetRun", {Role::kOperator, Role::kReader}},
      {"/shoal.v1.QueueService/ListRuns", {Role::kOperator, Role::kReader}},
      {"/shoal.v1.QueueService/ListRunFiles", {Role::kOperator, Role::kReader}},
      {"/shoal.v1.QueueService/FetchRunFile", {Role::kOperator, Role::kReader}},
      // gRPC's own services.
      {"/grpc.health.v1.Health/Check", Everybody()},
      {"/grpc.health.v1.Health/Watch", Everybody()},
      {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
       {Role::kOperator, Role::kReader}},
  };
  return *table;
}

absl::Status MayCall(std::string_view method, std::span<const Role> roles) {
  for (const MethodRoles& row : MethodTable()) {
    if (method != row.method) continue;
    for (const Role role : row.roles) {
      if (std::find(roles.begin(), roles.end(), role) != roles.end()) return absl::OkStatus();
    }
    return absl::PermissionDeniedError(
        absl::StrCat(row.method, " takes the roles ", RoleNames(row.roles),
                     "; the caller's certificate has ", RoleNames(roles)));
  }
  return absl::PermissionDeniedError(
      absl::StrCat(Printable(std::string(method), kLongestMethod), " is open to no role"));
}

}  // namespace shoal
