#include "actor/rollout/rows.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <memory>
#include <string_view>

#include "absl/strings/str_format.h"
#include "xxhash.h"

namespace shoal {
namespace {

static_assert(std::endian::native == std::endian::little,
              "columns travel little-endian and are copied as they lie in memory");

// Room left in a chunk for field tags, lengths, first_row and the checksum.
constexpr int64_t kChunkOverheadBytes = 256;

constexpr int64_t RowBytes(int obs_dim) {
  return sizeof(uint64_t) + sizeof(float) * static_cast<int64_t>(obs_dim) + sizeof(uint8_t) +
         3 * sizeof(float);
}

using Xxh3State = std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)>;

template <typename T>
std::string_view Bytes(const std::vector<T>& column) {
  return {reinterpret_cast<const char*>(column.data()), column.size() * sizeof(T)};
}

template <typename T>
void SetColumn(const std::vector<T>& column, int64_t first, int64_t count, std::string* bytes) {
  bytes->assign(reinterpret_cast<const char*>(column.data() + first), count * sizeof(T));
}

// Chunk columns are unaligned strings; they are copied behind the rows there are.
template <typename T>
void AppendColumn(std::string_view bytes, std::vector<T>* column) {
  const size_t old_size = column->size();
  column->resize(old_size + bytes.size() / sizeof(T));
  if (!bytes.empty()) std::memcpy(column->data() + old_size, bytes.data(), bytes.size());
}

template <typename T>
T ValueAt(std::string_view bytes, int64_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

uint64_t ChunkChecksum(const v1::RowChunk& chunk) {
  Xxh3State state(XXH3_createState(), &XXH3_freeState);
  XXH3_64bits_reset(state.get());
  for (const std::string* column : {&chunk.keys(), &chunk.observations(), &chunk.actions(),
                                    &chunk.log_probs(), &chunk.advantages(), &chunk.returns()}) {
    XXH3_64bits_update(state.get(), column->data(), column->size());
  }
  return XXH3_64bits_digest(state.get());
}

absl::Status CheckSizes(const v1::RowChunk& chunk, int obs_dim) {
  if (chunk.keys().empty() || chunk.keys().size() % sizeof(uint64_t) != 0) {
    return absl::InvalidArgumentError(
        absl::StrFormat("row chunk: column keys has %d bytes; a positive multiple of 8 is right",
                        chunk.keys().size()));
  }
  const size_t rows = chunk.keys().size() / sizeof(uint64_t);
  const struct {
    const char* name;
    const std::string& bytes;
    size_t row_bytes;
  } columns[] = {
      {"observations", chunk.observations(), sizeof(float) * static_cast<size_t>(obs_dim)},
      {"actions", chunk.actions(), sizeof(uint8_t)},
      {"log_probs", chunk.log_probs(), sizeof(float)},
      {"advantages", chunk.advantages(), sizeof(float)},
      {"returns", chunk.returns(), sizeof(float)},
  };
  for (const auto& column : columns) {
    if (column.bytes.size() != rows * column.row_bytes) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "row chunk: column %s has %d bytes; %d rows of %d bytes make %d", column.name,
          column.bytes.size(), rows, column.row_bytes, rows * column.row_bytes));
    }
  }
  return absl::OkStatus();
}

std::string RowName(int64_t row, uint64_t key) {
  return absl::StrFormat("row %d (environment %d, fish %d, step %d)", row, RowEnvironment(key),
                         RowFish(key), RowStep(key));
}

absl::Status CheckFinite(std::string_view bytes, const char* name, int64_t values_per_row,
                         const v1::RowChunk& chunk) {
  const int64_t count = static_cast<int64_t>(bytes.size() / sizeof(float));
  for (int64_t i = 0; i < count; ++i) {
    const float value = ValueAt<float>(bytes, i);
    if (std::isfinite(value)) continue;
    const int64_t row = i / values_per_row;
    return absl::InvalidArgumentError(
        absl::StrFormat("row chunk: %s: %s[%d] is %f; finite values are right",
                        RowName(chunk.first_row() + row, ValueAt<uint64_t>(chunk.keys(), row)),
                        name, i % values_per_row, value));
  }
  return absl::OkStatus();
}

absl::Status CheckKeys(const v1::RowChunk& chunk, const Rows& rows) {
  const int64_t count = static_cast<int64_t>(chunk.keys().size() / sizeof(uint64_t));
  bool first = rows.keys.empty();
  uint64_t previous = first ? 0 : rows.keys.back();
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t key = ValueAt<uint64_t>(chunk.keys(), i);
    if (!first && key <= previous) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "row chunk: %s does not come after the row before it (key %d after %d); keys must ascend",
          RowName(chunk.first_row() + i, key), key, previous));
    }
    first = false;
    previous = key;
  }
  return absl::OkStatus();
}

absl::Status CheckValues(const v1::RowChunk& chunk, int obs_dim) {
  const int64_t count = static_cast<int64_t>(chunk.actions().size());
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t key = ValueAt<uint64_t>(chunk.keys(), i);
    const int action = static_cast<uint8_t>(chunk.actions()[i]);
    if (action >= kNumActions) {
      return absl::InvalidArgumentError(
          absl::StrFormat("row chunk: %s: action is %d; 0 to %d are right",
                          RowName(chunk.first_row() + i, key), action, kNumActions - 1));
    }
    const float log_prob = ValueAt<float>(chunk.log_probs(), i);
    if (log_prob > kLogProbTolerance) {
      return absl::InvalidArgumentError(
          absl::StrFormat("row chunk: %s: log-probability is %f; at most 0 is right",
                          RowName(chunk.first_row() + i, key), log_prob));
    }
  }
  absl::Status status = CheckFinite(chunk.observations(), "observation", obs_dim, chunk);
  status.Update(CheckFinite(chunk.log_probs(), "log_prob", 1, chunk));
  status.Update(CheckFinite(chunk.advantages(), "advantage", 1, chunk));
  status.Update(CheckFinite(chunk.returns(), "return", 1, chunk));
  return status;
}

}  // namespace

std::string RowsChecksum(const Rows& rows) {
  Xxh3State state(XXH3_createState(), &XXH3_freeState);
  XXH3_128bits_reset(state.get());
  for (std::string_view column :
       {Bytes(rows.keys), Bytes(rows.observations), Bytes(rows.actions), Bytes(rows.log_probs),
        Bytes(rows.advantages), Bytes(rows.returns)}) {
    XXH3_128bits_update(state.get(), column.data(), column.size());
  }
  const XXH128_hash_t hash = XXH3_128bits_digest(state.get());
  return absl::StrFormat("%016x%016x", hash.high64, hash.low64);
}

int64_t RowsPerChunk(int obs_dim) {
  return (kMaxChunkBytes - kChunkOverheadBytes) / RowBytes(obs_dim);
}

void FillChunk(const Rows& rows, int64_t first, int64_t count, v1::RowChunk* chunk) {
  chunk->set_first_row(first);
  SetColumn(rows.keys, first, count, chunk->mutable_keys());
  SetColumn(rows.observations, first * rows.obs_dim, count * rows.obs_dim,
            chunk->mutable_observations());
  SetColumn(rows.actions, first, count, chunk->mutable_actions());
  SetColumn(rows.log_probs, first, count, chunk->mutable_log_probs());
  SetColumn(rows.advantages, first, count, chunk->mutable_advantages());
  SetColumn(rows.returns, first, count, chunk->mutable_returns());
  chunk->set_checksum(ChunkChecksum(*chunk));
}

absl::Status AppendChunk(const v1::RowChunk& chunk, Rows* rows) {
  if (absl::Status status = CheckSizes(chunk, rows->obs_dim); !status.ok()) return status;
  if (chunk.checksum() != ChunkChecksum(chunk)) {
    return absl::DataLossError(absl::StrFormat(
        "row chunk of %d rows from row %d: its checksum is %016x and its columns have %016x",
        chunk.actions().size(), chunk.first_row(), chunk.checksum(), ChunkChecksum(chunk)));
  }
  if (chunk.first_row() != rows->size()) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "row chunk: it begins with row %d; row %d is next", chunk.first_row(), rows->size()));
  }
  if (absl::Status status = CheckKeys(chunk, *rows); !status.ok()) return status;
  if (absl::Status status = CheckValues(chunk, rows->obs_dim); !status.ok()) return status;
  AppendColumn(chunk.keys(), &rows->keys);
  AppendColumn(chunk.observations(), &rows->observations);
  AppendColumn(chunk.actions(), &rows->actions);
  AppendColumn(chunk.log_probs(), &rows->log_probs);
  AppendColumn(chunk.advantages(), &rows->advantages);
  AppendColumn(chunk.returns(), &rows->returns);
  return absl::OkStatus();
}

}  // namespace shoal
