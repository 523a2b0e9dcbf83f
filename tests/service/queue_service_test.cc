// What a caller of QueueService may not do: name a file outside a run's folder, or take all of the
// server.
#include "coordinator/service/queue_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/service/queue_server.h"
#include "tests/service/raw_call.h"

namespace shoal {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr char kFetch[] = "/shoal.v1.QueueService/FetchRunFile";

class Queue : public testing::Test {
 protected:
  void Serve(const QueueServiceOptions& options = {}) {
    server_ = std::make_unique<QueueServer>(options);
    caller_ = std::make_unique<QueueCaller>(*ConnectChannel(server_->address()));
  }
  std::string InRun(const std::string& path) const {
    return absl::StrCat(server_->runs(), "/run/", path);
  }

  std::unique_ptr<QueueServer> server_;
  std::unique_ptr<QueueCaller> caller_;
};

TEST_F(Queue, NoPathLeadsOutOfTheRunsFolder) {
  Serve();
  ASSERT_EQ(caller_->Submit("run"), absl::OkStatus());
  ASSERT_EQ(caller_->Submit("other"), absl::OkStatus());
  Spill(server_->folder() + "/secret", "secret");
  fs::create_directory(server_->folder() + "/outside");
  Spill(server_->folder() + "/outside/file", "secret");
  fs::create_symlink(server_->folder() + "/secret", InRun("link"));
  fs::create_symlink("../other/config.textproto", InRun("near"));
  fs::create_directory_symlink(server_->folder() + "/outside", InRun("folder"));
  Spill(InRun("logs/log"), "a log");
  EXPECT_EQ(*caller_->Files("run"), "config.textproto logs/log ");
  EXPECT_EQ(*caller_->Fetch("run", "logs/log"), "a log");
  const std::vector<std::string> paths = {"../other/config.textproto",
                                          "logs/../../other/config.textproto",
                                          "logs/..",
                                          "..",
                                          ".",
                                          "",
                                          "/etc/passwd",
                                          server_->folder() + "/secret",
                                          InRun("logs/log"),
                                          "//etc/passwd",
                                          "link",
                                          "near",
                                          "folder/file",
                                          "folder",
                                          "logs",
                                          "logs//log",
                                          "./logs/log",
                                          ".lock",
                                          std::string("logs/log\0x", 10),
                                          std::string(2000, 'a')};
  for (const std::string& path : paths) {
    const auto fetched = caller_->Fetch("run", path);
    EXPECT_EQ(fetched.status().code(), absl::StatusCode::kInvalidArgument)
        << path << ": " << fetched.status();
  }
  EXPECT_EQ(caller_->Fetch("run", "none").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(Queue, NoNameLeadsOutOfTheFolderOfRuns) {
  Serve();
  Spill(server_->runs() + "/config.textproto", "secret");
  fs::create_directory(server_->folder() + "/outside");
  Spill(server_->folder() + "/outside/config.textproto", "secret");
  fs::create_directory(server_->runs() + "/foreign");
  Spill(server_->runs() + "/foreign/config.textproto", "secret");
  for (const std::string name : {"", ".", "..", "../outside", "/etc", "foreign", "a/b"}) {
    EXPECT_EQ(caller_->Files(name).status().code(), absl::StatusCode::kNotFound) << name;
    EXPECT_EQ(caller_->Fetch(name, "config.textproto").status().code(), absl::StatusCode::kNotFound)
        << name;
    EXPECT_EQ(caller_->Get(name).code(), absl::StatusCode::kNotFound) << name;
    EXPECT_EQ(caller_->Resume(name).code(), absl::StatusCode::kNotFound) << name;
    EXPECT_EQ(caller_->Cancel(name).code(), absl::StatusCode::kNotFound) << name;
  }
  for (const std::string name : {"", ".", "..", "../outside", "/etc", "a/b", ".hidden"}) {
    EXPECT_EQ(caller_->Submit(name).code(), absl::StatusCode::kInvalidArgument) << name;
  }
  EXPECT_EQ(caller_->Submit("foreign").code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(Queue, AHostThatAsksTooOftenIsRefusedByMethod) {
  QueueServiceOptions options;
  options.asked_burst = 3;
  options.ordered_burst = options.fetched_burst = 2;
  options.asked_per_second = options.ordered_per_second = options.fetched_per_second = 0;
  Serve(options);
  const auto refused = [](const absl::Status& status) { return absl::IsResourceExhausted(status); };
  ASSERT_EQ(caller_->Submit("run"), absl::OkStatus());
  ASSERT_EQ(caller_->Submit("second"), absl::OkStatus());
  EXPECT_TRUE(refused(caller_->Submit("third")));
  EXPECT_EQ(server_->keeper().Get("third").status().code(), absl::StatusCode::kNotFound);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(caller_->Get("run"), absl::OkStatus());
  const absl::Status status = caller_->Get("run");
  EXPECT_TRUE(refused(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("more often than it may"));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(caller_->List(), absl::OkStatus()) << "another method";
  EXPECT_TRUE(refused(caller_->List()));
  for (int i = 0; i < 2; ++i) EXPECT_EQ(caller_->Cancel("run"), absl::OkStatus());
  EXPECT_TRUE(refused(caller_->Cancel("run")));
  for (int i = 0; i < 2; ++i) EXPECT_EQ(caller_->Resume("run"), absl::OkStatus());
  EXPECT_TRUE(refused(caller_->Resume("run")));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(caller_->Files("run").ok());
  EXPECT_TRUE(refused(caller_->Files("run").status()));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(caller_->Fetch("run", "config.textproto").ok());
  EXPECT_TRUE(refused(caller_->Fetch("run", "config.textproto").status()));
}

TEST_F(Queue, AHostThatSendsTooMuchIsRefused) {
  QueueServiceOptions options;
  options.submitted_burst = 200'000;
  options.submitted_per_second = 0;
  Serve(options);
  EXPECT_EQ(caller_->Submit("first", 150'000), absl::OkStatus());
  const absl::Status status = caller_->Submit("second", 150'000);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("tail files"));
  EXPECT_FALSE(fs::exists(server_->runs() + "/second"));
  EXPECT_EQ(caller_->Submit("third", 10'000), absl::OkStatus()) << "what is left";
}

TEST_F(Queue, FetchesOfOneHostAreLimitedAndTheOthersAreNot) {
  QueueServiceOptions options;
  options.fetches_per_host = 2;
  Serve(options);
  ASSERT_EQ(caller_->Submit("run"), absl::OkStatus());
  // More than the network holds, so that fetches whose callers do not read stay open.
  Spill(InRun("large"), std::string(64 << 20, 'x'));
  v1::FetchRunFileRequest request;
  request.set_name("run");
  request.set_path("large");
  std::vector<std::unique_ptr<RawCall>> open;
  for (int i = 0; i < 2; ++i) {
    open.push_back(std::make_unique<RawCall>(server_->address(), kFetch));
    ASSERT_TRUE(open.back()->SendMessage(request));
    ASSERT_TRUE(open.back()->Receive<v1::FetchRunFileResponse>());
  }
  EXPECT_EQ(caller_->Fetch("run", "config.textproto").status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(caller_->Files("run").ok());
  open.clear();
  EXPECT_TRUE(Eventually([&] { return caller_->Fetch("run", "config.textproto").ok(); }));
}

TEST_F(Queue, AFetchThatIsNotReadIsCutOff) {
  QueueServiceOptions options;
  options.fetches = 1;
  options.patience = absl::Milliseconds(500);
  Serve(options);
  ASSERT_EQ(caller_->Submit("run"), absl::OkStatus());
  Spill(InRun("large"), std::string(64 << 20, 'x'));
  v1::FetchRunFileRequest request;
  request.set_name("run");
  request.set_path("large");
  RawCall deaf(server_->address(), kFetch);
  ASSERT_TRUE(deaf.SendMessage(request));
  ASSERT_TRUE(deaf.Receive<v1::FetchRunFileResponse>());
  EXPECT_TRUE(Eventually([&] { return caller_->Fetch("run", "config.textproto").ok(); }));
}

}  // namespace
}  // namespace shoal
