// What those who ask a server for its health are told.
#include "common/health/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/rpc.h"

namespace shoal {
namespace {

using testing::HasSubstr;

// Generous: only a hang gets there.
constexpr double kPatience = 60;

class HealthTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "shoal-health-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    options_.address = absl::StrCat("unix:", folder_.string(), "/socket");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<RpcServer> Start() {
    ServerOptions options;
    options.listen = options_.address;
    auto server = StartServer(options, {});
    EXPECT_TRUE(server.ok()) << server.status();
    return server.ok() ? *std::move(server) : nullptr;
  }

  std::filesystem::path folder_;
  HealthOptions options_;
};

TEST_F(HealthTest, AServerThatServesIsHealthy) {
  const auto server = Start();
  EXPECT_EQ(CheckHealth(options_), absl::OkStatus());
  options_.wait = true;
  EXPECT_EQ(CheckHealth(options_), absl::OkStatus());
}

TEST_F(HealthTest, OneThatDoesNotServeIsNot) {
  const auto server = Start();
  server->SetServing(false);
  const absl::Status status = CheckHealth(options_);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr(options_.address));
  options_.wait = true;
  options_.timeout = 0.2;
  EXPECT_EQ(CheckHealth(options_).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(HealthTest, NobodyThereIsUnavailable) {
  options_.timeout = 0.2;
  EXPECT_EQ(CheckHealth(options_).code(), absl::StatusCode::kUnavailable);
  options_.wait = true;
  EXPECT_EQ(CheckHealth(options_).code(), absl::StatusCode::kUnavailable);
  options_.address = "nowhere";
  EXPECT_EQ(CheckHealth(options_).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(HealthTest, WaitsForAServerThatComes) {
  options_.wait = true;
  options_.timeout = kPatience;
  absl::Status status = absl::UnknownError("");
  std::thread asks([&] { status = CheckHealth(options_); });
  const auto server = Start();
  asks.join();
  EXPECT_EQ(status, absl::OkStatus());
}

TEST_F(HealthTest, WaitsUntilItServes) {
  const auto server = Start();
  server->SetServing(false);
  options_.wait = true;
  options_.timeout = kPatience;
  absl::Status status = absl::UnknownError("");
  std::thread asks([&] { status = CheckHealth(options_); });
  server->SetServing(true);
  asks.join();
  EXPECT_EQ(status, absl::OkStatus());
}

}  // namespace
}  // namespace shoal
