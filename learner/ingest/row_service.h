// RowService (shoal/v1/rows.proto): streams of one shard's rows into a RowStore.
//
// A stream is refused as soon as something is wrong with it:
//   InvalidArgument    no header first, a header that cannot be, a second header, a chunk out of
//                      order, more rows than were announced, values that cannot be, a stream that
//                      ended early
//   ResourceExhausted  a chunk above kMaxPushBytes, too many chunks, too many streams at once, of all
//                      shards or of one
//   DataLoss           a checksum is wrong
//   and RowStore's own: Unavailable, FailedPrecondition, AlreadyExists, Aborted.
// A stream that is idle, slower than it may be or open for too long is cancelled. Each of these is a
// line in the log, as far as RefusalLog lets it.
//
// Every message of the client is answered by the number of rows received so far; the header too
// (so that a client learns at once whether to send anything).
//
// Memory: the store holds a shard at most once, and only of policy_lag + 1 iterations; on their way
// are at most `streams_per_shard` copies of each, and no more than `max_streams` in all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/call_watchdog.h"
#include "common/refusal_log.h"
#include "learner/ingest/row_store.h"
#include "learner/learner_stats.h"
#include "shoal/v1/rows.grpc.pb.h"

namespace shoal {

// Chunks are at most 1 MiB of columns; a quarter more is tolerated, not meant to be used.
inline constexpr size_t kMaxPushBytes = (size_t{1} << 20) * 5 / 4;
// Headers are some 150 bytes.
inline constexpr size_t kMaxHeaderBytes = 4096;

struct RowServiceOptions {
  // To the header, and between messages after it.
  absl::Duration header_limit = absl::Seconds(5);
  absl::Duration idle_limit = absl::Seconds(30);
  // The whole stream: idle_limit, and a second for every so many bytes that the header's rows have;
  // never more than total_limit. Several actors may share a slow link.
  double slowest_bytes_per_second = 4 << 10;
  absl::Duration total_limit = absl::Minutes(10);
  size_t max_streams = 256;
  // Of one host, so that none keeps the others out.
  size_t max_streams_per_host = 192;
  // That push one shard of one iteration: the first actor, one that doubles it, and those whose
  // connection broke unnoticed.
  int streams_per_shard = 4;
  RefusalLogLimits log;
};

class RowServiceImpl final : public v1::RowService::Service {
 public:
  // The store must outlive the service.
  explicit RowServiceImpl(
      RowStore* store, const RowServiceOptions& options = {},
      std::shared_ptr<LearnerStats> stats = std::make_shared<LearnerStats>());

  grpc::Status PushRows(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::PushRowsResponse, v1::PushRowsRequest>* stream) override;

 private:
  using Stream = grpc::ServerReaderWriter<v1::PushRowsResponse, v1::PushRowsRequest>;
  using Watch = CallWatchdog::Watch;
  using ShardKey = std::pair<int64_t, int32_t>;  // iteration, shard

  // Everything between the beginning of a stream and its status.
  absl::Status Receive(Watch* watch, Stream* stream);
  // Rows that the header announces and the store lacks.
  absl::Status ReceiveRows(const v1::RowsHeader& header, const RowStore::Admission& admission,
                           Watch* watch, Stream* stream);
  // Reads all chunks of an admitted header, acknowledging each but the last.
  absl::StatusOr<Rows> ReadRows(const v1::RowsHeader& header, const RowStore::Admission& admission,
                                Watch* watch, Stream* stream);

  const RowServiceOptions options_;
  RowStore* const store_;
  const std::shared_ptr<LearnerStats> stats_;
  absl::Mutex mutex_;
  // Streams that push a shard right now.
  std::map<ShardKey, int> pushing_ ABSL_GUARDED_BY(mutex_);
  RefusalLog refusals_;
  CallWatchdog watchdog_;  // Last: its thread writes to the log of refusals.
};

}  // namespace shoal
