// The line of a standing coordinator with certificates: who may look at it, and who may change it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/service/queue_server.h"
#include "tests/tls/certificates.h"

namespace shoal {
namespace {

using testing::HasSubstr;

class QueueTls : public testing::Test {
 protected:
  QueueTls() {
    ServerOptions options;
    options.tls = certificates_.Load("coordinator");
    server_ = std::make_unique<QueueServer>(QueueServiceOptions(), options);
  }
  QueueCaller As(const std::string& name) {
    ChannelOptions options;
    options.tls = certificates_.Load(name);
    auto channel = ConnectChannel(server_->address(), options);
    EXPECT_TRUE(channel.ok()) << channel.status();
    return QueueCaller(*channel);
  }

  const Certificates certificates_;
  std::unique_ptr<QueueServer> server_;
};

TEST_F(QueueTls, AnOperatorChangesAndLooks) {
  QueueCaller caller = As("operator");
  EXPECT_EQ(caller.Submit("run"), absl::OkStatus());
  EXPECT_EQ(caller.Cancel("run"), absl::OkStatus());
  EXPECT_EQ(caller.Resume("run"), absl::OkStatus());
  EXPECT_EQ(caller.Get("run"), absl::OkStatus());
  EXPECT_EQ(caller.List(), absl::OkStatus());
  EXPECT_EQ(*caller.Files("run"), "config.textproto ");
  EXPECT_TRUE(caller.Fetch("run", "config.textproto").ok());
}

TEST_F(QueueTls, AReaderOnlyLooks) {
  ASSERT_EQ(As("operator").Submit("run"), absl::OkStatus());
  QueueCaller caller = As("reader");
  EXPECT_EQ(caller.Get("run"), absl::OkStatus());
  EXPECT_EQ(caller.List(), absl::OkStatus());
  EXPECT_EQ(*caller.Files("run"), "config.textproto ");
  EXPECT_TRUE(caller.Fetch("run", "config.textproto").ok());
  const absl::Status submitted = caller.Submit("another");
  EXPECT_EQ(submitted.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(submitted.message()),
              HasSubstr("SubmitRun takes the roles operator; the caller's certificate has reader"));
  EXPECT_EQ(caller.Resume("run").code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(caller.Cancel("run").code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(server_->keeper().Get("another").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(server_->keeper().Get("run")->state(), v1::QueuedRun::STATE_QUEUED);
}

TEST_F(QueueTls, ActorsLearnersAndCoordinatorsDoNeither) {
  ASSERT_EQ(As("operator").Submit("run"), absl::OkStatus());
  for (const std::string role : {"actor", "learner", "coordinator"}) {
    QueueCaller caller = As(role);
    for (const absl::Status& status :
         {caller.Submit("another"), caller.Resume("run"), caller.Cancel("run"), caller.Get("run"),
          caller.List(), caller.Files("run").status(),
          caller.Fetch("run", "config.textproto").status()}) {
      EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << role << ": " << status;
    }
  }
  EXPECT_EQ(server_->keeper().Get("another").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace shoal
