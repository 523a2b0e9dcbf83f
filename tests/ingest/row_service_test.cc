// What a learner's RowService takes from honest actors.
#include "learner/ingest/row_service.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>


#include "actor/row_sender.h"
#include "common/cancellation.h"
#include "common/rpc.h"
#include "tests/ingest/row_service_fixture.h"
#include "tests/ingest/test_rows.h"

namespace shoal {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

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
