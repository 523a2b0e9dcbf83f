// RowService (shoal/v1/rows.proto): streams of one shard's rows into a RowStore.
//
// A stream is refused as soon as something is wrong with it:
//   InvalidArgument    no header first, a second header, a chunk out of order, more rows than were
//                      announced, values that cannot be, a stream that ended early
//   ResourceExhausted  a chunk above kMaxPushBytes, too many chunks, too many streams at once
//   DataLoss           a checksum is wrong
//   and RowStore's own: Unavailable, FailedPrecondition, AlreadyExists, Aborted.
// A stream that is idle or open for too long is cancelled.
//
// Every message of the client is answered by the number of rows received so far; the header too
// (so that a client learns at once whether to send anything).
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"
#include "learner/ingest/row_store.h"
#include "learner/ingest/stream_watchdog.h"
#include "shoal/v1/rows.grpc.pb.h"

namespace shoal {

// Chunks are at most 1 MiB of columns; a quarter more is tolerated, not meant to be used.
inline constexpr size_t kMaxPushBytes = (size_t{1} << 20) * 5 / 4;

struct RowServiceOptions {
  absl::Duration idle_limit = absl::Seconds(30);
  absl::Duration total_limit = absl::Minutes(10);
  size_t max_streams = 256;
};

class RowServiceImpl final : public v1::RowService::Service {
 public:
  // The store must outlive the service.
  explicit RowServiceImpl(RowStore* store, const RowServiceOptions& options = {});

  grpc::Status PushRows(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::PushRowsResponse, v1::PushRowsRequest>* stream) override;

 private:
  using Stream = grpc::ServerReaderWriter<v1::PushRowsResponse, v1::PushRowsRequest>;

  // Reads all chunks of an admitted header, acknowledging each but the last.
  absl::StatusOr<Rows> ReadRows(const v1::RowsHeader& header, const RowStore::Admission& admission,
                                StreamWatchdog::Watch* watch, Stream* stream);

  RowStore* const store_;
  StreamWatchdog watchdog_;
};

}  // namespace shoal
