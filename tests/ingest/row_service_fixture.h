// A learner's RowService, and streams to it under the test's own control.
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "actor/row_sender.h"
#include "common/cancellation.h"
#include "common/logging.h"
#include "common/rpc.h"
#include "learner/ingest/row_service.h"
#include "tests/common/temporary_directory.h"
#include "tests/ingest/test_rows.h"
#include "tests/service/raw_call.h"

namespace shoal {

// A learner's RowService on a port of its own, with the log in a file.
struct Learner {
  explicit Learner(const RowServiceOptions& options = {}, int max_receive_bytes = kMaxMessageBytes)
      : service(&store, options) {
    EXPECT_TRUE(SetUpLogging({.component = "test", .file = folder / "log"}).ok());
    store.Open(TestShape(), "session", 0);
    ServerOptions server_options;
    server_options.max_receive_bytes = max_receive_bytes;
    auto started = StartServer(server_options, {&service});
    EXPECT_TRUE(started.ok()) << started.status();
    server = *std::move(started);
    stub = v1::RowService::NewStub(*ConnectChannel(server->address()));
  }
  ~Learner() { EXPECT_TRUE(SetUpLogging({}).ok()); }

  // Waits for so many lines of refusals that contain the word, and no more.
  testing::AssertionResult Refused(const std::string& word, int count) const {
    const auto lines = [&] {
      int found = 0;
      for (absl::string_view line : absl::StrSplit(Slurp(folder / "log"), '\n')) {
        found += absl::StrContains(line, "stream refused") && absl::StrContains(line, word);
      }
      return found;
    };
    if (Eventually([&] { return lines() >= count; }) && lines() == count) {
      return testing::AssertionSuccess();
    }
    return testing::AssertionFailure() << lines() << " lines instead of " << count << " in\n"
                                       << Slurp(folder / "log");
  }
  // An honest actor's rows are taken.
  testing::AssertionResult Serves() {
    const Cancellation never;
    const Rows rows = TestRows(2, 2, 10);
    const auto pushed = PushRows(*stub, TestHeader(2, 2, rows), rows, never);
    if (pushed.ok()) return testing::AssertionSuccess();
    return testing::AssertionFailure() << pushed.status();
  }

  TemporaryDirectory folder;
  RowStore store;
  RowServiceImpl service;
  std::unique_ptr<RpcServer> server;
  std::unique_ptr<v1::RowService::Stub> stub;
};

// A stream under the test's own control.
struct RawStream {
  explicit RawStream(Learner& learner)
      : context(MakeContext(absl::Seconds(20))), stream(learner.stub->PushRows(context.get())) {}

  bool SendHeader(const v1::RowsHeader& header) {
    v1::PushRowsRequest request;
    *request.mutable_header() = header;
    return stream->Write(request);
  }
  bool SendChunk(const Rows& rows, int64_t first, int64_t count) {
    v1::PushRowsRequest request;
    FillChunk(rows, first, count, request.mutable_chunk());
    return stream->Write(request);
  }
  // The next acknowledgement; -1: the stream has ended.
  int64_t Acknowledged() {
    v1::PushRowsResponse response;
    return stream->Read(&response) ? response.rows() : -1;
  }
  grpc::Status Finish() {
    v1::PushRowsResponse response;
    while (stream->Read(&response)) continue;
    return stream->Finish();
  }

  std::unique_ptr<grpc::ClientContext> context;
  std::unique_ptr<grpc::ClientReaderWriter<v1::PushRowsRequest, v1::PushRowsResponse>> stream;
};

}  // namespace shoal
