// A standing coordinator's QueueService in this process, over a folder of runs of its own.
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "common/logging.h"
#include "common/rpc.h"
#include "coordinator/queue/queue_keeper.h"
#include "coordinator/service/queue_service.h"
#include "shoal/v1/queue.grpc.pb.h"
#include "tests/common/temporary_directory.h"

namespace shoal {

class QueueServer {
 public:
  explicit QueueServer(const QueueServiceOptions& options = {}, const ServerOptions& server = {}) {
    auto keeper = QueueKeeper::Open(runs());
    EXPECT_TRUE(keeper.ok()) << keeper.status();
    keeper_ = *std::move(keeper);
    service_ = std::make_unique<QueueServiceImpl>(keeper_.get(), options);
    auto started = StartServer(server, {service_.get()});
    EXPECT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
  }

  const std::string& address() const { return server_->address(); }
  std::string runs() const { return folder_ / "runs"; }
  const std::string& folder() const { return folder_.path(); }
  QueueKeeper& keeper() { return *keeper_; }

 private:
  TemporaryDirectory folder_;
  std::unique_ptr<QueueKeeper> keeper_;
  std::unique_ptr<QueueServiceImpl> service_;
  std::unique_ptr<RpcServer> server_;
};

// A caller of QueueService.
class QueueCaller {
 public:
  explicit QueueCaller(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(v1::QueueService::NewStub(channel)) {}

  absl::Status Submit(const std::string& name, size_t tail_bytes = 0) {
    v1::SubmitRunRequest request;
    request.mutable_options()->set_run_name(name);
    request.set_token("t");
    if (tail_bytes > 0) {
      request.mutable_options()->set_tail_seed_stage_spec("3:tail/x");
      v1::TailFile* file = request.add_tail_files();
      file->set_path("tail/x");
      file->set_content("{\"velocities\": [[0.1, 0.2]]}" + std::string(tail_bytes, ' '));
    }
    v1::SubmitRunResponse response;
    return FromGrpc(stub_->SubmitRun(Context().get(), request, &response));
  }
  absl::Status Resume(const std::string& name) {
    v1::ResumeRunRequest request;
    request.set_name(name);
    v1::ResumeRunResponse response;
    return FromGrpc(stub_->ResumeRun(Context().get(), request, &response));
  }
  absl::Status Cancel(const std::string& name) {
    v1::CancelRunRequest request;
    request.set_name(name);
    v1::CancelRunResponse response;
    return FromGrpc(stub_->CancelRun(Context().get(), request, &response));
  }
  absl::Status Get(const std::string& name) {
    v1::GetRunRequest request;
    request.set_name(name);
    v1::GetRunResponse response;
    return FromGrpc(stub_->GetRun(Context().get(), request, &response));
  }
  absl::Status List() {
    v1::ListRunsResponse response;
    return FromGrpc(stub_->ListRuns(Context().get(), {}, &response));
  }
  // Paths, with a space after each.
  absl::StatusOr<std::string> Files(const std::string& name) {
    v1::ListRunFilesRequest request;
    request.set_name(name);
    v1::ListRunFilesResponse response;
    const absl::Status status = FromGrpc(stub_->ListRunFiles(Context().get(), request, &response));
    if (!status.ok()) return status;
    std::string paths;
    for (const v1::RunFile& file : response.files()) paths += file.path() + " ";
    return paths;
  }
  absl::StatusOr<std::string> Fetch(const std::string& name, const std::string& path) {
    v1::FetchRunFileRequest request;
    request.set_name(name);
    request.set_path(path);
    const auto context = Context();
    const auto reader = stub_->FetchRunFile(context.get(), request);
    v1::FetchRunFileResponse response;
    std::string content;
    while (reader->Read(&response)) content += response.chunk();
    const absl::Status status = FromGrpc(reader->Finish());
    if (!status.ok()) return status;
    return content;
  }

 private:
  static std::unique_ptr<grpc::ClientContext> Context() {
    return MakeContext(absl::Seconds(60), /*wait_for_ready=*/true);
  }
  const std::unique_ptr<v1::QueueService::Stub> stub_;
};

}  // namespace shoal
