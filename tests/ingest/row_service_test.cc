#include "learner/ingest/row_service.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "common/cancellation.h"
#include "actor/row_sender.h"
#include "common/rpc.h"
#include "tests/ingest/test_rows.h"

namespace shoal {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A learner's RowService on a port of its own.
struct Learner {
  explicit Learner(const RowServiceOptions& options = {}) : service(&store, options) {
    store.Open(TestShape(), "session", 0);
    auto started = StartServer({}, {&service});
    EXPECT_TRUE(started.ok()) << started.status();
    server = *std::move(started);
    stub = v1::RowService::NewStub(*ConnectChannel(server->address()));
  }

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

TEST(RowServiceTest, RowsOfSeveralChunksArriveWhole) {
  Learner learner;
  const Cancellation never;
  const Rows rows = TestRows(0, 8, 4000);
  ASSERT_GT(rows.size(), RowsPerChunk(rows.obs_dim));
  const v1::RowsHeader header = TestHeader(1, 0, rows);
  const auto session = PushRows(*learner.stub, header, rows, never);
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(*session, "session");
  const RowStore::Assembly assembly = learner.store.Take(1, {Expected(header)});
  EXPECT_THAT(assembly.missing, IsEmpty());
  EXPECT_EQ(assembly.batch.observations, rows.observations);
  EXPECT_EQ(assembly.batch.actions, rows.actions);
  EXPECT_EQ(assembly.batch.log_probs, rows.log_probs);
  EXPECT_EQ(assembly.batch.advantages, rows.advantages);
  EXPECT_EQ(assembly.batch.returns, rows.returns);
}

TEST(RowServiceTest, NoRowsAreRowsToo) {
  Learner learner;
  const Cancellation never;
  const Rows none = TestRows(0, 0, 0);
  const v1::RowsHeader header = TestHeader(1, 0, none);
  ASSERT_TRUE(PushRows(*learner.stub, header, none, never).ok());
  const RowStore::Assembly assembly = learner.store.Take(1, {Expected(header)});
  EXPECT_THAT(assembly.missing, IsEmpty());
  EXPECT_EQ(assembly.batch.rows, 0);
}

TEST(RowServiceTest, AcknowledgesEveryMessageAndAsksForNothingTwice) {
  Learner learner;
  const Rows rows = TestRows(0, 2, 10);
  {
    RawStream stream(learner);
    ASSERT_TRUE(stream.SendHeader(TestHeader(1, 0, rows)));
    EXPECT_EQ(stream.Acknowledged(), 0);
    ASSERT_TRUE(stream.SendChunk(rows, 0, 15));
    EXPECT_EQ(stream.Acknowledged(), 15);
    ASSERT_TRUE(stream.SendChunk(rows, 15, 5));
    EXPECT_EQ(stream.Acknowledged(), 20);
    EXPECT_TRUE(stream.Finish().ok());
  }
  RawStream again(learner);
  ASSERT_TRUE(again.SendHeader(TestHeader(1, 0, rows)));
  v1::PushRowsResponse response;
  ASSERT_TRUE(again.stream->Read(&response));
  EXPECT_TRUE(response.stored());
  EXPECT_EQ(response.rows(), 20);
  EXPECT_EQ(response.learner_session(), "session");
  EXPECT_TRUE(again.Finish().ok());
}

TEST(RowServiceTest, RefusesOtherRowsOfTheSameShard) {
  Learner learner;
  const Cancellation never;
  const Rows rows = TestRows(0, 2, 10);
  const Rows other = TestRows(0, 2, 10, 0.25f);
  ASSERT_TRUE(PushRows(*learner.stub, TestHeader(1, 0, rows), rows, never).ok());
  const auto refused = PushRows(*learner.stub, TestHeader(1, 0, other), other, never);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(refused.status().message(), HasSubstr(RowsChecksum(other)));
}

TEST(RowServiceTest, RefusesStreamsOutOfOrder) {
  Learner learner;
  const Rows rows = TestRows(0, 2, 10);
  {
    RawStream stream(learner);
    stream.SendChunk(rows, 0, 5);
    EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  {
    RawStream stream(learner);
    stream.SendHeader(TestHeader(1, 0, rows));
    stream.SendHeader(TestHeader(1, 0, rows));
    EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  {
    RawStream stream(learner);
    stream.SendHeader(TestHeader(1, 0, rows));
    stream.SendChunk(rows, 5, 5);
    EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  {
    RawStream stream(learner);
    stream.SendHeader(TestHeader(7, 0, rows));
    EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  }
  EXPECT_EQ(learner.store.rows_held(), 0);
}

TEST(RowServiceTest, RefusesTruncatedStreams) {
  Learner learner;
  const Rows rows = TestRows(0, 2, 10);
  RawStream stream(learner);
  stream.SendHeader(TestHeader(1, 0, rows));
  stream.SendChunk(rows, 0, 15);
  stream.stream->WritesDone();
  const grpc::Status status = stream.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("15 of 20"));
  EXPECT_EQ(learner.store.rows_held(), 0);
}

TEST(RowServiceTest, RefusesTooMuch) {
  Learner learner;
  const Rows rows = TestRows(0, 8, 4000);
  v1::RowsHeader header = TestHeader(1, 0, rows);
  {
    RawStream stream(learner);
    stream.SendHeader(header);
    stream.SendChunk(rows, 0, rows.size());
    EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  }
  {
    RawStream stream(learner);
    header.set_rows(10);
    stream.SendHeader(header);
    stream.SendChunk(rows, 0, 11);
    const grpc::Status status = stream.Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), HasSubstr("11"));
  }
  {
    RawStream stream(learner);
    header.set_rows(100);
    stream.SendHeader(header);
    for (int i = 0; i < 100; ++i) stream.SendChunk(rows, i, 1);
    EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  }
}

TEST(RowServiceTest, RefusesDamage) {
  Learner learner;
  const Rows rows = TestRows(0, 2, 10);
  {
    RawStream stream(learner);
    stream.SendHeader(TestHeader(1, 0, rows));
    v1::PushRowsRequest request;
    FillChunk(rows, 0, 20, request.mutable_chunk());
    (*request.mutable_chunk()->mutable_advantages())[5] ^= 1;
    stream.stream->Write(request);
    EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::DATA_LOSS);
  }
  {
    // Every chunk is right, but they are not the rows that were announced.
    const Rows other = TestRows(0, 2, 10, 0.25f);
    RawStream stream(learner);
    stream.SendHeader(TestHeader(1, 0, rows));
    stream.SendChunk(other, 0, 20);
    EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::DATA_LOSS);
  }
  EXPECT_EQ(learner.store.rows_held(), 0);
}

TEST(RowServiceTest, EndsIdleStreams) {
  RowServiceOptions options;
  options.idle_limit = absl::Milliseconds(30);
  Learner learner(options);
  const Rows rows = TestRows(0, 2, 10);
  RawStream stream(learner);
  stream.SendHeader(TestHeader(1, 0, rows));
  // Nothing more is sent: the learner ends it, well before the context's deadline.
  EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST(RowServiceTest, EndsEndlessStreams) {
  RowServiceOptions options;
  options.total_limit = absl::Milliseconds(30);
  Learner learner(options);
  const Rows rows = TestRows(0, 2, 10);
  RawStream stream(learner);
  stream.SendHeader(TestHeader(1, 0, rows));
  EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST(RowServiceTest, LimitsTheStreamsAtATime) {
  RowServiceOptions options;
  options.max_streams = 1;
  Learner learner(options);
  const Rows rows = TestRows(0, 2, 10);
  RawStream first(learner);
  first.SendHeader(TestHeader(1, 0, rows));
  EXPECT_EQ(first.Acknowledged(), 0);
  RawStream second(learner);
  second.SendHeader(TestHeader(1, 1, rows));
  EXPECT_EQ(second.Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  first.SendChunk(rows, 0, 20);
  EXPECT_TRUE(first.Finish().ok());
}

TEST(RowSenderTest, StopsWhenCancelledOrUnreachable) {
  Learner learner;
  const Rows rows = TestRows(0, 2, 10);
  Cancellation cancelled;
  cancelled.Cancel();
  EXPECT_EQ(PushRows(*learner.stub, TestHeader(1, 0, rows), rows, cancelled).status().code(),
            absl::StatusCode::kCancelled);

  const auto nobody =
      v1::RowService::NewStub(*ConnectChannel("unix:" + ::testing::TempDir() + "/nobody.sock"));
  const Cancellation never;
  EXPECT_EQ(PushRows(*nobody, TestHeader(1, 0, rows), rows, never).status().code(),
            absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace shoal
