// What a learner's RowService refuses, and outlives.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "actor/row_sender.h"
#include "common/rpc.h"
#include "tests/ingest/row_service_fixture.h"
#include "tests/ingest/test_rows.h"
#include "tests/service/raw_call.h"

namespace shoal {
namespace {

using ::testing::HasSubstr;

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
  EXPECT_TRUE(learner.Refused("reason=idle", 1));
}

TEST(RowServiceTest, EndsEndlessStreams) {
  RowServiceOptions options;
  options.total_limit = absl::Milliseconds(30);
  Learner learner(options);
  const Rows rows = TestRows(0, 2, 10);
  RawStream stream(learner);
  stream.SendHeader(TestHeader(1, 0, rows));
  EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(learner.Refused("reason=too_long", 1));
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

TEST(RowServiceTest, EndsStreamsWithoutAHeader) {
  RowServiceOptions options;
  options.header_limit = absl::Milliseconds(30);
  Learner learner(options);
  RawStream stream(learner);
  EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(learner.Refused("reason=idle", 1));
  EXPECT_TRUE(learner.Serves());
}

TEST(RowServiceTest, EndsStreamsThatDrip) {
  RowServiceOptions options;
  options.idle_limit = absl::Milliseconds(400);
  options.slowest_bytes_per_second = 1e9;
  Learner learner(options);
  const Rows rows = TestRows(0, 2, 1000);
  RawStream stream(learner);
  stream.SendHeader(TestHeader(1, 0, rows));
  EXPECT_EQ(stream.Acknowledged(), 0);
  // A row now and then: never idle, and never done.
  for (int64_t row = 0; row < rows.size() && stream.SendChunk(rows, row, 1); ++row) {
    absl::SleepFor(absl::Milliseconds(40));
  }
  EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(learner.Refused("reason=", 1));
  EXPECT_EQ(learner.store.rows_held(), 0);
  EXPECT_TRUE(learner.Serves());
}

TEST(RowServiceTest, LimitsTheStreamsOfAShard) {
  RowServiceOptions options;
  options.streams_per_shard = 2;
  Learner learner(options);
  const Rows rows = TestRows(0, 2, 10);
  auto first = std::make_unique<RawStream>(learner);
  RawStream second(learner);
  for (RawStream* stream : {first.get(), &second}) {
    stream->SendHeader(TestHeader(1, 0, rows));
    EXPECT_EQ(stream->Acknowledged(), 0);
  }
  {
    RawStream third(learner);
    third.SendHeader(TestHeader(1, 0, rows));
    EXPECT_EQ(third.Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_TRUE(learner.Refused("is pushed by 2 streams already", 1));
  }
  EXPECT_TRUE(learner.Serves()) << "another shard";
  // One that goes makes room, and both of the others may end as they like.
  first->context->TryCancel();
  first->Finish();
  EXPECT_TRUE(Eventually([&] {
    RawStream next(learner);
    next.SendHeader(TestHeader(1, 0, rows));
    const bool admitted = next.Acknowledged() == 0;
    next.context->TryCancel();
    next.Finish();
    return admitted;
  }));
  second.SendChunk(rows, 0, 20);
  EXPECT_TRUE(second.Finish().ok());
  RawStream repeated(learner);
  repeated.SendHeader(TestHeader(1, 0, rows));
  EXPECT_EQ(repeated.Acknowledged(), 20) << "is stored, so nothing is counted";
}

TEST(RowServiceTest, RefusesHeadersThatCannotBe) {
  Learner learner(RowServiceOptions(), 2 * kMaxPushBytes);
  const Rows rows = TestRows(0, 2, 10);
  v1::RowsHeader header = TestHeader(1, 0, rows);
  header.set_run_id(std::string(kMaxHeaderBytes, 'x'));
  {
    RawStream stream(learner);
    stream.SendHeader(header);
    EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  {
    // gRPC's own limit: it is not even read.
    header.set_run_id(std::string(4 << 20, 'x'));
    RawStream stream(learner);
    stream.SendHeader(header);
    EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  }
  for (const int64_t rows : {int64_t{-1}, std::numeric_limits<int64_t>::max()}) {
    header = TestHeader(1, 0, TestRows(0, 2, 10));
    header.set_rows(rows);
    RawStream stream(learner);
    stream.SendHeader(header);
    EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  {
    header = TestHeader(1, 0, rows);
    header.set_run_id("\x1b[2J\nforged");
    RawStream stream(learner);
    stream.SendHeader(header);
    EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  }
  EXPECT_TRUE(learner.Refused("", 5));
  EXPECT_THAT(Slurp(learner.folder / "log"), ::testing::Not(HasSubstr("\x1b")));
  EXPECT_TRUE(learner.Serves());
}

// Good messages with bytes changed, in any order: nothing but refusals may come of it.
TEST(RowServiceTest, RandomStreamsHarmNobody) {
  Learner learner;
  const auto channel = *ConnectChannel(learner.server->address());
  std::mt19937 random(20240501);
  const Rows rows = TestRows(0, 2, 10);
  std::vector<std::string> seeds;
  v1::PushRowsRequest request;
  *request.mutable_header() = TestHeader(1, 0, rows);
  seeds.push_back(request.SerializeAsString());
  for (int64_t first = 0; first < 20; first += 5) {
    FillChunk(rows, first, 5, request.mutable_chunk());
    seeds.push_back(request.SerializeAsString());
  }
  for (int i = 0; i < 300; ++i) {
    RawCall call(channel, "/shoal.v1.RowService/PushRows");
    if (random() % 4 != 0) call.Send(seeds[0]);
    for (int m = static_cast<int>(random() % 6); m > 0; --m) {
      std::string bytes = seeds[random() % seeds.size()];
      // At least one byte differs, or the rows might come right.
      for (int flips = 1 + static_cast<int>(random() % 3); flips > 0; --flips) {
        bytes[random() % bytes.size()] ^= static_cast<char>(1 + random() % 255);
      }
      if (random() % 8 == 0) bytes.resize(random() % bytes.size());
      if (!call.Send(bytes)) break;
    }
    if (random() % 2 == 0) {
      call.HalfClose();
      EXPECT_FALSE(call.Finish().ok());
    }
  }
  EXPECT_EQ(learner.store.rows_held(), 0);
  EXPECT_TRUE(learner.Serves());
  // Ten lines at once and one a second, of some hundreds.
  const std::string log = Slurp(learner.folder / "log");
  const auto lines = std::count(log.begin(), log.end(), '\n');
  EXPECT_GE(lines, 10);
  EXPECT_LT(lines, 100);
}

TEST(RowServiceTest, BytesThatAreNoCallsHarmNobody) {
  Learner learner;
  std::mt19937 random(3);
  for (int i = 0; i < 50; ++i) {
    Connection connection(learner.server->address());
    ASSERT_TRUE(connection.connected());
    std::string bytes(1 + random() % 5000, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    connection.Send(bytes);
    if (i % 2 == 0) connection.HalfClose();
  }
  for (const char* method : {"/shoal.v1.RowService/Push", "/shoal.v1.PolicyService/GetPolicy"}) {
    RawCall call(learner.server->address(), method);
    call.Send("x");
    EXPECT_EQ(call.Finish().error_code(), grpc::StatusCode::UNIMPLEMENTED);
  }
  EXPECT_TRUE(learner.Serves());
}

}  // namespace
}  // namespace shoal
