// The rows of a shard on their way into the learner: header and chunks, as the row service takes
// them from a stream.
//
// Input: a byte of flags, then one frame a PushRowsRequest. Flags say which checksums are made
// right, as no mutation finds a right one: 1 those of the chunks, 2 that of the header; and 4: the
// same stream comes twice.
#include <algorithm>
#include <cmath>
#include <optional>

#include "actor/rollout/rows.h"
#include "common/hash.h"
#include "learner/ingest/row_store.h"
#include "tests/fuzz/fuzzing.h"

namespace shoal {
namespace {

using fuzzing::Require;
using fuzzing::RequireOk;
using fuzzing::RequireWords;

constexpr char kRun[] = "run";
constexpr char kSession[] = "session";

// Two shards of two environments and of one.
RowShape Shape() {
  RowShape shape;
  shape.run_id = kRun;
  shape.obs_dim = 11;
  shape.num_envs = 3;
  shape.envs_per_shard = 2;
  shape.n_steps = 8;
  shape.rows_per_step = 2;
  shape.policy_lag = 1;
  return shape;
}

struct Stream {
  v1::RowsHeader header;
  std::vector<v1::RowChunk> chunks;
};

void MakeChecksumRight(v1::RowChunk* chunk) {
  std::string columns;
  for (const std::string* column : {&chunk->keys(), &chunk->observations(), &chunk->actions(),
                                    &chunk->log_probs(), &chunk->advantages(), &chunk->returns()}) {
    columns += *column;
  }
  chunk->set_checksum(Xxh3_64(columns));
}

// Nothing where a stream would end at once: without a header, or with other messages after it.
std::optional<Stream> ReadStream(std::string_view bytes, bool right_chunks) {
  Stream stream;
  v1::PushRowsRequest request;
  if (!fuzzing::ParseMessage(fuzzing::TakeFrame(&bytes), &request) || !request.has_header()) {
    return std::nullopt;
  }
  stream.header = request.header();
  while (!bytes.empty() && stream.chunks.size() < 8) {
    if (!fuzzing::ParseMessage(fuzzing::TakeFrame(&bytes), &request) || !request.has_chunk()) {
      return std::nullopt;
    }
    if (right_chunks) MakeChecksumRight(request.mutable_chunk());
    stream.chunks.push_back(std::move(*request.mutable_chunk()));
  }
  return stream;
}

// What every accepted row satisfies (rows.h, rows.proto).
void CheckRows(const Rows& rows) {
  const size_t count = rows.keys.size();
  Require(rows.observations.size() == count * rows.obs_dim && rows.actions.size() == count &&
              rows.log_probs.size() == count && rows.advantages.size() == count &&
              rows.returns.size() == count,
          "columns of rows have equal lengths");
  for (size_t i = 1; i < count; ++i) Require(rows.keys[i - 1] < rows.keys[i], "keys ascend");
  for (const uint8_t action : rows.actions) Require(action < kNumActions, "actions are below 5");
  for (const float value : rows.log_probs) Require(value <= kLogProbTolerance, "log-probabilities");
  for (const auto* column :
       {&rows.observations, &rows.log_probs, &rows.advantages, &rows.returns}) {
    for (const float value : *column) Require(std::isfinite(value), "values of rows are finite");
  }
}

// Accepted rows travel again and arrive as they were.
void CheckSendingAgain(const Rows& rows) {
  Rows again;
  again.obs_dim = rows.obs_dim;
  const int64_t half = std::max<int64_t>(1, rows.size() / 2);
  for (int64_t first = 0; first < rows.size(); first += half) {
    v1::RowChunk chunk;
    FillChunk(rows, first, std::min(half, rows.size() - first), &chunk);
    RequireOk(AppendChunk(chunk, &again), "rows that were accepted are accepted again");
  }
  Require(RowsChecksum(again) == RowsChecksum(rows), "rows sent again are the same");
}

// As RowServiceImpl does it, but for the stream itself. True: the rows are stored.
bool Push(const Stream& stream, bool right_header, RowStore* store) {
  v1::RowsHeader header = stream.header;
  Rows rows;
  rows.obs_dim = 11;
  for (const v1::RowChunk& chunk : stream.chunks) {
    const int64_t before = rows.size();
    const absl::Status status = AppendChunk(chunk, &rows);
    RequireWords(status);
    if (!status.ok()) Require(rows.size() == before, "a refused chunk leaves no row behind");
    if (!status.ok()) break;
  }
  CheckRows(rows);
  CheckSendingAgain(rows);
  if (right_header) {
    header.set_rows(rows.size());
    header.set_rows_checksum(RowsChecksum(rows));
  }

  const absl::StatusOr<RowStore::Admission> admission = store->Admit(header);
  RequireWords(admission.status());
  const int64_t held = store->rows_held();
  if (!admission.ok()) {
    // Whatever made it this far around Admit is refused by Put as well.
    RowStore::Admission forged;
    forged.session = kSession;
    Require(!store->Put(header, forged, rows).ok(), "Put refuses what Admit refuses");
    Require(store->rows_held() == held, "refused rows are not kept");
    return false;
  }
  Require(admission->rows >= 0 && admission->rows <= 32, "no more rows than a shard can have");
  const absl::Status put = store->Put(header, *admission, rows);
  RequireWords(put);
  if (!put.ok()) Require(store->rows_held() == held, "refused rows are not kept");
  if (put.ok() && !admission->stored) {
    Require(store->rows_held() == held + rows.size(), "accepted rows are kept, once");
  }
  return put.ok();
}

void TakeAll(const v1::RowsHeader& header, RowStore* store) {
  const int64_t held = store->rows_held();
  v1::ShardRows expected;
  expected.set_shard(header.shard());
  expected.set_rows(held);
  for (const char* checksum : {"", header.rows_checksum().c_str()}) {
    expected.set_rows_checksum(checksum);
    const RowStore::Assembly assembly = store->Take(header.iteration(), {expected});
    Require(assembly.missing.empty() || assembly.batch.rows == 0, "all of the rows or none");
    Require(assembly.batch.rows * assembly.batch.obs_dim ==
                static_cast<int64_t>(assembly.batch.observations.size()),
            "a batch has whole rows");
  }
  store->Advance(header.iteration());
  Require(store->rows_held() == 0, "what is learned is dropped");
}

void TestOneInput(std::string_view bytes) {
  const uint8_t flags = fuzzing::TakeByte(&bytes);
  const std::optional<Stream> stream = ReadStream(bytes, (flags & 1) != 0);
  if (!stream) return;
  RowStore store;
  store.Open(Shape(), kSession, /*last=*/3);
  const bool stored = Push(*stream, (flags & 2) != 0, &store);
  if ((flags & 4) != 0) {
    Require(Push(*stream, (flags & 2) != 0, &store) == stored, "the same rows, the same answer");
  }
  if (stored) TakeAll(stream->header, &store);
}

}  // namespace
}  // namespace shoal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  shoal::TestOneInput(shoal::fuzzing::Input(data, size));
  return 0;
}
