#include "actor/rollout/rows.h"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "common/hash.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal {
namespace {

using ::testing::HasSubstr;

Rows MakeRows(int count, int obs_dim) {
  Rows rows;
  rows.obs_dim = obs_dim;
  for (int i = 0; i < count; ++i) {
    rows.keys.push_back(RowKey(3 + i / 100, i / 10 % 10, i % 10));
    for (int j = 0; j < obs_dim; ++j) rows.observations.push_back(i + 0.01f * j);
    rows.actions.push_back(i % 5);
    rows.log_probs.push_back(-0.5f * i);
    rows.advantages.push_back(i - 3.0f);
    rows.returns.push_back(2.0f * i);
  }
  return rows;
}

v1::RowChunk MakeChunk(const Rows& rows) {
  v1::RowChunk chunk;
  FillChunk(rows, 0, rows.size(), &chunk);
  return chunk;
}

// The status of a chunk of `rows`.
absl::Status Append(const Rows& rows) {
  Rows received;
  received.obs_dim = rows.obs_dim;
  const absl::Status status = AppendChunk(MakeChunk(rows), &received);
  EXPECT_EQ(received.size(), status.ok() ? rows.size() : 0);
  return status;
}

template <typename T>
void AddBytes(const std::vector<T>& column, std::string* bytes) {
  bytes->append(reinterpret_cast<const char*>(column.data()), column.size() * sizeof(T));
}

TEST(RowKey, OrdersByEnvironmentFishStep) {
  EXPECT_EQ(RowKey(1, 2, 3), 0x0000000100020003u);
  EXPECT_LT(RowKey(1, 65535, 65535), RowKey(2, 0, 0));
  EXPECT_LT(RowKey(1, 2, 65535), RowKey(1, 3, 0));
  EXPECT_EQ(RowEnvironment(RowKey(7, 8, 9)), 7u);
  EXPECT_EQ(RowFish(RowKey(7, 8, 9)), 8u);
  EXPECT_EQ(RowStep(RowKey(7, 8, 9)), 9u);
}

TEST(RowsChecksum, IsThatOfTheColumnsInOrder) {
  const Rows rows = MakeRows(20, 11);
  std::string bytes;
  AddBytes(rows.keys, &bytes);
  AddBytes(rows.observations, &bytes);
  AddBytes(rows.actions, &bytes);
  AddBytes(rows.log_probs, &bytes);
  AddBytes(rows.advantages, &bytes);
  AddBytes(rows.returns, &bytes);
  EXPECT_EQ(RowsChecksum(rows), Xxh3_128Hex(bytes));
  EXPECT_EQ(RowsChecksum(Rows{}), Xxh3_128Hex(""));
}

TEST(RowsPerChunk, FillsAChunkAndNoMore) {
  for (int obs_dim : {11, 18}) {
    const int64_t count = RowsPerChunk(obs_dim);
    v1::RowChunk chunk = MakeChunk(MakeRows(static_cast<int>(count), obs_dim));
    chunk.set_first_row(int64_t{1} << 60);
    EXPECT_LE(chunk.ByteSizeLong(), static_cast<size_t>(kMaxChunkBytes));
    EXPECT_GT(chunk.ByteSizeLong(), static_cast<size_t>(kMaxChunkBytes) - 512);
  }
}

TEST(AppendChunk, RoundTrip) {
  const Rows rows = MakeRows(250, 18);
  Rows received;
  received.obs_dim = 18;
  for (int64_t first = 0; first < rows.size(); first += 64) {
    v1::RowChunk chunk;
    FillChunk(rows, first, std::min<int64_t>(64, rows.size() - first), &chunk);
    ASSERT_TRUE(AppendChunk(chunk, &received).ok());
  }
  EXPECT_EQ(received.keys, rows.keys);
  EXPECT_EQ(received.observations, rows.observations);
  EXPECT_EQ(received.actions, rows.actions);
  EXPECT_EQ(received.log_probs, rows.log_probs);
  EXPECT_EQ(received.advantages, rows.advantages);
  EXPECT_EQ(received.returns, rows.returns);
  EXPECT_EQ(RowsChecksum(received), RowsChecksum(rows));
}

TEST(AppendChunk, RefusesSizesThatDisagree) {
  const Rows rows = MakeRows(4, 11);
  Rows received;
  received.obs_dim = 11;
  v1::RowChunk chunk = MakeChunk(rows);
  chunk.mutable_keys()->pop_back();
  EXPECT_THAT(AppendChunk(chunk, &received).message(), HasSubstr("keys has 31 bytes"));
  chunk = MakeChunk(rows);
  chunk.mutable_actions()->push_back(0);
  EXPECT_THAT(AppendChunk(chunk, &received).message(),
              HasSubstr("actions has 5 bytes; 4 rows of 1 bytes make 4"));
  chunk = MakeChunk(rows);
  chunk.mutable_returns()->clear();
  EXPECT_THAT(AppendChunk(chunk, &received).message(), HasSubstr("returns has 0 bytes"));
  received.obs_dim = 18;
  EXPECT_THAT(AppendChunk(MakeChunk(rows), &received).message(),
              HasSubstr("observations has 176 bytes; 4 rows of 72 bytes make 288"));
  received.obs_dim = 11;
  EXPECT_THAT(AppendChunk(v1::RowChunk(), &received).message(), HasSubstr("keys has 0 bytes"));
  EXPECT_EQ(received.size(), 0);
}

TEST(AppendChunk, RefusesWrongChecksum) {
  v1::RowChunk chunk = MakeChunk(MakeRows(4, 11));
  (*chunk.mutable_advantages())[2] ^= 1;
  Rows received;
  received.obs_dim = 11;
  EXPECT_EQ(AppendChunk(chunk, &received).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(received.size(), 0);
}

TEST(AppendChunk, RefusesGapsAndRepeats) {
  const Rows rows = MakeRows(8, 11);
  Rows received;
  received.obs_dim = 11;
  v1::RowChunk chunk;
  FillChunk(rows, 2, 2, &chunk);
  EXPECT_THAT(AppendChunk(chunk, &received).message(),
              HasSubstr("begins with row 2; row 0 is next"));
  FillChunk(rows, 0, 4, &chunk);
  ASSERT_TRUE(AppendChunk(chunk, &received).ok());
  EXPECT_THAT(AppendChunk(chunk, &received).message(),
              HasSubstr("begins with row 0; row 4 is next"));
  chunk.set_first_row(4);  // The same keys again, now after themselves.
  EXPECT_THAT(AppendChunk(chunk, &received).message(), HasSubstr("keys must ascend"));
  EXPECT_EQ(received.size(), 4);
}

TEST(AppendChunk, RefusesKeysThatDoNotAscend) {
  Rows rows = MakeRows(4, 11);
  rows.keys[2] = rows.keys[1];
  EXPECT_THAT(Append(rows).message(),
              HasSubstr("row 2 (environment 3, fish 0, step 1) does not come after"));
}

TEST(AppendChunk, RefusesValuesOutOfRange) {
  Rows rows = MakeRows(4, 11);
  rows.actions[3] = 5;
  EXPECT_THAT(Append(rows).message(),
              HasSubstr("row 3 (environment 3, fish 0, step 3): action is 5"));

  rows = MakeRows(4, 11);
  rows.log_probs[1] = 1e-3f;
  EXPECT_THAT(Append(rows).message(), HasSubstr("row 1 (environment 3, fish 0, step 1): log-pro"));
  rows.log_probs[1] = 1e-6f;
  EXPECT_TRUE(Append(rows).ok());

  for (float bad :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    rows = MakeRows(4, 11);
    rows.observations[2 * 11 + 7] = bad;
    EXPECT_THAT(Append(rows).message(), HasSubstr("fish 0, step 2): observation[7] is"));
    rows = MakeRows(4, 11);
    rows.log_probs[0] = bad;
    EXPECT_THAT(Append(rows).message(), HasSubstr("step 0): log_prob[0] is"));
    rows = MakeRows(4, 11);
    rows.advantages[3] = bad;
    EXPECT_THAT(Append(rows).message(), HasSubstr("step 3): advantage[0] is"));
    rows = MakeRows(4, 11);
    rows.returns[3] = bad;
    EXPECT_THAT(Append(rows).message(), HasSubstr("step 3): return[0] is"));
  }
}

}  // namespace
}  // namespace shoal
