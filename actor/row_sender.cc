#include "actor/row_sender.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/duplex_stream.h"
#include "common/rpc.h"

namespace shoal {
namespace {

using PushStream = DuplexStream<v1::PushRowsRequest, v1::PushRowsResponse>;

// How long a cancellation may go unnoticed.
constexpr absl::Duration kCancellationPoll = absl::Milliseconds(100);

// The next acknowledgement.
absl::StatusOr<v1::PushRowsResponse> Acknowledgement(PushStream& stream, absl::Duration limit,
                                                     const Cancellation& cancellation) {
  v1::PushRowsResponse response;
  for (absl::Duration waited; waited < limit; waited += kCancellationPoll) {
    if (cancellation.cancelled()) return absl::CancelledError("the rows are not wanted any more");
    switch (stream.Receive(std::min(kCancellationPoll, limit - waited), &response)) {
      case StreamEvent::kMessage:
        return response;
      case StreamEvent::kEnded: {
        const grpc::Status status = stream.status();
        if (!status.ok()) return FromGrpc(status);
        return absl::InternalError("the learner ended the stream before it had all rows");
      }
      case StreamEvent::kTimeout:
        break;
    }
  }
  return absl::DeadlineExceededError(
      absl::StrCat("no acknowledgement for ", absl::FormatDuration(limit)));
}

// Keeps as many chunks on their way as the window allows. Returns when all are acknowledged.
absl::StatusOr<std::string> SendChunks(PushStream& stream, const Rows& rows,
                                       const Cancellation& cancellation, const PushLimits& limits,
                                       ActorStats* stats) {
  const int64_t per_chunk = RowsPerChunk(rows.obs_dim);
  int64_t sent = 0;
  int on_their_way = 0;
  while (true) {
    while (sent < rows.size() && on_their_way < limits.window) {
      const int64_t count = std::min(per_chunk, rows.size() - sent);
      v1::PushRowsRequest request;
      FillChunk(rows, sent, count, request.mutable_chunk());
      if (stats != nullptr) {
        stats->rows_sent += count;
        stats->bytes_sent += static_cast<int64_t>(request.ByteSizeLong());
      }
      // A refusal shows as the end of the stream at the next acknowledgement.
      stream.Send(std::move(request));
      sent += count;
      ++on_their_way;
    }
    const auto response = Acknowledgement(stream, limits.progress_limit, cancellation);
    if (!response.ok()) return response.status();
    if (response->stored()) return response->learner_session();
    if (--on_their_way < 0 || (on_their_way == 0 && sent == rows.size())) {
      return absl::InternalError("the learner acknowledged all rows without storing them");
    }
  }
}

}  // namespace

v1::RowsHeader MakeRowsHeader(const std::string& run_id, const v1::RolloutRecord& record,
                              int obs_dim) {
  v1::RowsHeader header;
  header.set_run_id(run_id);
  header.set_iteration(record.iteration());
  header.set_shard(record.shard());
  header.set_rows(record.rows());
  header.set_obs_dim(obs_dim);
  header.set_rows_checksum(record.rows_checksum());
  return header;
}

absl::StatusOr<std::string> PushRows(v1::RowService::Stub& learner, const v1::RowsHeader& header,
                                     const Rows& rows, const Cancellation& cancellation,
                                     const PushLimits& limits, ActorStats* stats) {
  PushStream stream([&](grpc::ClientContext* context, PushStream::Reactor* reactor) {
    context->set_deadline(absl::ToChronoTime(absl::Now() + limits.total_limit));
    learner.async()->PushRows(context, reactor);
  });
  v1::PushRowsRequest request;
  *request.mutable_header() = header;
  stream.Send(std::move(request));
  const auto response = Acknowledgement(stream, limits.answer_limit, cancellation);
  if (absl::IsDeadlineExceeded(response.status())) {
    return absl::UnavailableError(
        absl::StrCat("the learner does not answer: ", response.status().message()));
  }
  if (!response.ok()) return response.status();
  if (response->stored()) return response->learner_session();
  return SendChunks(stream, rows, cancellation, limits, stats);
}

}  // namespace shoal
