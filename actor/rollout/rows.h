// Rows: what a rollout gives to the learner, one row for each step of each learning fish, as
// columns; and their way into and out of the chunks that travel (shoal/v1/rows.proto).
//
// All functions are pure and thread safe; Rows is a plain value. The machine is little-endian, so
// the columns' bytes are those of memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "actor/world/constants.h"
#include "shoal/v1/rows.pb.h"

namespace shoal {

// An actor's chunk message is at most so large, in bytes. All of a message may be on its way at once,
// whatever flow control says, so on a slow link larger ones would hold up everything behind them.
inline constexpr int64_t kMaxChunkBytes = int64_t{64} << 10;

// A log-probability may exceed 0 by this much: it is the rounded result of a log-softmax.
inline constexpr float kLogProbTolerance = 1e-5f;

// Columns of equal length N, rows in ascending order of key.
struct Rows {
  int obs_dim = 0;                  // 11 or 18
  std::vector<uint64_t> keys;       // [N], see RowKey
  std::vector<float> observations;  // [N, obs_dim], row-major
  std::vector<uint8_t> actions;     // [N]
  std::vector<float> log_probs;     // [N], of the action under the policy that acted
  std::vector<float> advantages;    // [N]
  std::vector<float> returns;       // [N], targets of the value function

  int64_t size() const { return static_cast<int64_t>(keys.size()); }
};

// environment << 32 | fish << 16 | step of the rollout. fish and step are below 2^16.
constexpr uint64_t RowKey(uint32_t environment, uint32_t fish, uint32_t step) {
  return uint64_t{environment} << 32 | uint64_t{fish} << 16 | step;
}
constexpr uint32_t RowEnvironment(uint64_t key) { return static_cast<uint32_t>(key >> 32); }
constexpr uint32_t RowFish(uint64_t key) { return static_cast<uint32_t>(key >> 16) & 0xffff; }
constexpr uint32_t RowStep(uint64_t key) { return static_cast<uint32_t>(key) & 0xffff; }

// XXH3-128 over the whole columns in the order of the struct, as 32 lowercase hex digits (what
// RowsHeader.rows_checksum and RolloutRecord.rows_checksum hold).
std::string RowsChecksum(const Rows& rows);

// The most rows whose chunk stays within kMaxChunkBytes. At least 1 for any obs_dim below 2^17.
int64_t RowsPerChunk(int obs_dim);

// Makes `chunk` of the rows first .. first + count - 1, which must exist, with its checksum.
void FillChunk(const Rows& rows, int64_t first, int64_t count, v1::RowChunk* chunk);

// Appends a chunk's rows to `rows`, whose obs_dim the caller has set. The chunk comes from another
// program and is believed in nothing: InvalidArgument, with row and column, if the columns' sizes
// disagree, first_row does not continue `rows`, keys do not ascend, an action is not below
// kNumActions, a value is not finite or a log-probability is above kLogProbTolerance; DataLoss if
// the checksum is wrong. On an error `rows` is as before.
absl::Status AppendChunk(const v1::RowChunk& chunk, Rows* rows);

}  // namespace shoal
