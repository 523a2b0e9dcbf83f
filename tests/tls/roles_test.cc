// Who may call what, and that nothing was forgotten.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/rpc_roles.h"
#include "shoal/v1/learner.pb.h"
#include "shoal/v1/queue.pb.h"
#include "shoal/v1/rows.pb.h"
#include "shoal/v1/run.pb.h"
#include "shoal/v1/worker.pb.h"

namespace shoal {
namespace {

using testing::HasSubstr;

// Of every service in proto/: a file that is not listed here has none, or the last test fails.
std::set<std::string> MethodsOfProto() {
  std::set<std::string> methods;
  for (const google::protobuf::FileDescriptor* file :
       {v1::RunStatus::descriptor()->file(), v1::WorkRequest::descriptor()->file(),
        v1::LearnRequest::descriptor()->file(), v1::PushRowsRequest::descriptor()->file(),
        v1::QueuedRun::descriptor()->file()}) {
    for (int s = 0; s < file->service_count(); ++s) {
      const google::protobuf::ServiceDescriptor* service = file->service(s);
      for (int m = 0; m < service->method_count(); ++m) {
        methods.insert(absl::StrCat("/", service->full_name(), "/", service->method(m)->name()));
      }
    }
  }
  return methods;
}

bool May(const std::string& method, Role role) {
  return MayCall(method, std::vector<Role>{role}).ok();
}

TEST(Roles, EveryMethodOfEveryServiceIsInTheTableOnce) {
  std::set<std::string> table;
  for (const MethodRoles& row : MethodTable()) {
    EXPECT_TRUE(table.insert(row.method).second) << row.method << " is there twice";
    EXPECT_FALSE(row.roles.empty()) << row.method;
  }
  const std::set<std::string> methods = MethodsOfProto();
  EXPECT_GE(methods.size(), 7u);
  for (const std::string& method : methods) {
    EXPECT_TRUE(table.contains(method))
        << method << " is not in MethodTable() of common/rpc_roles.cc, so nobody may call it";
  }
  for (const std::string& method : table) {
    EXPECT_TRUE(!absl::StartsWith(method, "/shoal.") || methods.contains(method)) << method;
  }
}

TEST(Roles, OrdersAreTheOperatorsAlone) {
  for (const Role role : kAllRoles) {
    EXPECT_EQ(May("/shoal.v1.RunService/StopRun", role), role == Role::kOperator) << RoleName(role);
    EXPECT_EQ(May("/shoal.v1.WorkerService/Work", role), role == Role::kActor) << RoleName(role);
    EXPECT_EQ(May("/shoal.v1.RowService/PushRows", role), role == Role::kActor) << RoleName(role);
    EXPECT_EQ(May("/shoal.v1.LearnerService/Learn", role), role == Role::kLearner);
    EXPECT_EQ(May("/shoal.v1.RunService/GetStatus", role),
              role == Role::kOperator || role == Role::kReader);
    EXPECT_TRUE(May("/grpc.health.v1.Health/Check", role));
  }
}

TEST(Roles, ARefusalSaysWhoAskedForWhat) {
  const std::vector<Role> actor = {Role::kActor};
  const absl::Status status = MayCall("/shoal.v1.RunService/StopRun", actor);
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(status.message(),
            "/shoal.v1.RunService/StopRun takes the roles operator; the caller's certificate has "
            "actor");
  EXPECT_FALSE(MayCall("/shoal.v1.RunService/GetStatus", {}).ok());
}

TEST(Roles, AMethodThatNobodyKnowsIsRefusedToAll) {
  const std::vector<Role> all(std::begin(kAllRoles), std::end(kAllRoles));
  for (const std::string method : {"", "/", "/shoal.v1.RunService/", "/shoal.v1.RunService/StopRun/",
                                   "shoal.v1.RunService/StopRun", "/shoal.v1.runservice/StopRun"}) {
    EXPECT_EQ(MayCall(method, all).code(), absl::StatusCode::kPermissionDenied) << method;
  }
  const absl::Status status = MayCall(std::string(100000, 'x') + "\n", all);
  EXPECT_LT(status.message().size(), 200u);
}

TEST(Roles, AreReadFromUris) {
  EXPECT_EQ(RoleUri(Role::kActor), "shoal://role/actor");
  for (const Role role : kAllRoles) {
    EXPECT_THAT(RolesOf(std::vector<std::string>{RoleUri(role)}), testing::ElementsAre(role));
  }
  EXPECT_THAT(RolesOf(std::vector<std::string>{"shoal://role/reader", "https://x/", "shoal://role/learner"}),
              testing::ElementsAre(Role::kLearner, Role::kReader));
  for (const std::string uri : {"shoal://role/", "shoal://role/king", "SHOAL://role/actor", "actor",
                                "shoal://role/actor/", "shoal://role/actor\n", "spiffe://role/actor"}) {
    EXPECT_TRUE(RolesOf(std::vector<std::string>{uri}).empty()) << uri;
  }
}

}  // namespace
}  // namespace shoal
