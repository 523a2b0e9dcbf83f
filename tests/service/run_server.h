// A coordinator's server in this process, over a run folder of its own, with the log in a file.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/files.h"
#include "common/logging.h"
#include "common/options.h"
#include "common/rpc.h"
#include "coordinator/schedule/options.h"
#include "coordinator/service/peer_services.h"
#include "coordinator/service/run_host.h"
#include "coordinator/service/run_service.h"
#include "tests/common/temporary_directory.h"
#include "tests/service/raw_call.h"

namespace shoal {

class RunServer {
 public:
  explicit RunServer(const PeerLimits& limits = {}, const RunServiceOptions& watch = {},
                     ServerOptions server = {}) {
    EXPECT_TRUE(SetUpLogging({.component = "test", .file = log_path()}).ok());
    auto options = ParseOptions(
        "run_name: 'test' curriculum: '9:4' num_envs: 6 envs_per_shard: 2 n_steps: 5 "
        "multi_eval_interval: 0 skip_final_eval: true",
        "test");
    EXPECT_TRUE(options.ok()) << options.status();
    EXPECT_TRUE(ResolveOptions(*options).ok());
    EXPECT_TRUE(
        WriteFileAtomically(folder_ / "config.textproto", WriteOptions(*options, "")).ok());
    RunLoopOptions run;
    run.run_dir = folder_.path();
    auto loop = RunLoop::Open(run, absl::Now());
    EXPECT_TRUE(loop.ok()) << loop.status();
    host_ = std::make_unique<RunHost>(*std::move(loop));
    workers_ = std::make_unique<WorkerServiceImpl>(host_.get(), limits);
    learners_ = std::make_unique<LearnerServiceImpl>(host_.get(), limits);
    runs_ = std::make_unique<RunServiceImpl>(host_.get(), watch);
    auto started = StartServer(server, {workers_.get(), learners_.get(), runs_.get()});
    EXPECT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
  }
  ~RunServer() {
    Close();
    EXPECT_TRUE(SetUpLogging({}).ok());
  }

  // Ends the server and its services, which write what they have left to say.
  void Close() {
    if (host_ != nullptr) host_->Close();
    server_.reset();
    runs_.reset();
    learners_.reset();
    workers_.reset();
    host_.reset();
  }

  const std::string& address() const { return server_->address(); }
  std::string log_path() const { return folder_ / "logs/coordinator.log"; }
  std::string Log() const { return Slurp(log_path()); }
  v1::RunStatus Status() const { return host_->Status(); }

  // Those that are connected; the status lists some of those that have left, too.
  int64_t Actors() const {
    const v1::RunStatus status = Status();
    return std::count_if(status.workers().begin(), status.workers().end(),
                         [](const v1::WorkerStatus& worker) { return worker.connected(); });
  }

  // Lines of the log that contain all of the words.
  int Lines(std::initializer_list<const char*> words) const {
    int lines = 0;
    for (absl::string_view line : absl::StrSplit(Log(), '\n')) {
      lines += std::all_of(words.begin(), words.end(), [&](const char* word) {
        return line.find(word) != absl::string_view::npos;
      });
    }
    return lines;
  }
  // Waits for exactly so many lines of refusals with this reason.
  testing::AssertionResult Refused(const char* reason, int count) const {
    const std::string word = absl::StrCat("reason=", reason, " ");
    const auto lines = [&] { return Lines({"stream refused", word.c_str()}); };
    if (Eventually([&] { return lines() >= count; }) && lines() == count) {
      return testing::AssertionSuccess();
    }
    return testing::AssertionFailure() << lines() << " lines of " << reason << " instead of " << count
                                       << " in\n" << Log();
  }

 private:
  TemporaryDirectory folder_;
  std::unique_ptr<RunHost> host_;
  std::unique_ptr<WorkerServiceImpl> workers_;
  std::unique_ptr<LearnerServiceImpl> learners_;
  std::unique_ptr<RunServiceImpl> runs_;
  std::unique_ptr<RpcServer> server_;
};

}  // namespace shoal
