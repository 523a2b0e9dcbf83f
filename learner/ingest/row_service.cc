#include "learner/ingest/row_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "actor/rollout/rows.h"
#include "common/rpc.h"

namespace shoal {
namespace {

void Acknowledge(const RowStore::Admission& admission, int64_t rows, bool stored,
                 grpc::ServerReaderWriter<v1::PushRowsResponse, v1::PushRowsRequest>* stream) {
  v1::PushRowsResponse response;
  response.set_rows(rows);
  response.set_stored(stored);
  response.set_learner_session(admission.session);
  // A client that is gone shows at the next Read.
  stream->Write(response);
}

// Chunks may be smaller than they could be, but not so small that a shard never ends.
int64_t MostChunks(int64_t rows, int obs_dim) { return 16 + 8 * (rows / RowsPerChunk(obs_dim)); }

// Bytes of a row in memory, and nearly so on the wire.
int64_t RowBytes(int obs_dim) { return 8 + 4 * obs_dim + 1 + 3 * 4; }

absl::Status CheckHeader(const v1::PushRowsRequest& request) {
  if (!request.has_header()) {
    return absl::InvalidArgumentError("a stream of rows must begin with a header");
  }
  const size_t bytes = request.ByteSizeLong();
  if (bytes > kMaxHeaderBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a header of ", bytes, " bytes; at most ", kMaxHeaderBytes, " are accepted"));
  }
  return absl::OkStatus();
}

absl::Status CheckChunk(const v1::PushRowsRequest& request) {
  if (!request.has_chunk()) {
    return absl::InvalidArgumentError("after the header only chunks may come");
  }
  const size_t bytes = request.ByteSizeLong();
  if (bytes > kMaxPushBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a chunk of ", bytes, " bytes; at most ", kMaxPushBytes, " are accepted"));
  }
  return absl::OkStatus();
}

CallLimits ToCallLimits(const RowServiceOptions& options) {
  CallLimits limits;
  limits.first = options.header_limit;
  limits.idle = options.idle_limit;
  limits.total = options.total_limit;
  limits.calls = options.max_streams;
  limits.calls_per_host = options.max_streams_per_host;
  return limits;
}

// What happens to honest actors too: the learner has no run yet or began anew, or the rows are late.
bool IsUsual(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsAborted(status);
}

}  // namespace

RowServiceImpl::RowServiceImpl(RowStore* store, const RowServiceOptions& options,
                               std::shared_ptr<LearnerStats> stats)
    : options_(options),
      store_(store),
      stats_(std::move(stats)),
      refusals_(options.log),
      watchdog_(ToCallLimits(options), [this] { refusals_.Flush(absl::Now()); }) {}

grpc::Status RowServiceImpl::PushRows(grpc::ServerContext* context, Stream* stream) {
  const std::string peer = context->peer();  // The context forgets it when the call is cancelled.
  Watch watch(&watchdog_, context);
  const InProgress open(stats_->streams_open);
  const absl::Status status = Receive(&watch, stream);
  if (watch.expired() != nullptr || (!status.ok() && !IsUsual(status))) ++stats_->pushes_refused;
  if (const char* expired = watch.expired()) {
    refusals_.Refused("PushRows", peer, expired,
                      std::string(status.message()));
  } else if (!status.ok() && !IsUsual(status)) {
    refusals_.Refused("PushRows", peer, absl::StatusCodeToString(status.code()),
                      std::string(status.message()));
  }
  return ToGrpc(status);
}

absl::Status RowServiceImpl::Receive(Watch* watch, Stream* stream) {
  if (!watch->accepted()) {
    return absl::ResourceExhaustedError("too many streams push rows at once; try again");
  }
  v1::PushRowsRequest request;
  if (!stream->Read(&request)) {
    return absl::InvalidArgumentError("a stream of rows ended before its header");
  }
  if (absl::Status status = CheckHeader(request); !status.ok()) return status;
  watch->Touch();
  const v1::RowsHeader header = std::move(*request.mutable_header());
  const absl::StatusOr<RowStore::Admission> admission = store_->Admit(header);
  if (!admission.ok()) return admission.status();
  if (!admission->stored) {
    const ShardKey key(header.iteration(), header.shard());
    {
      absl::MutexLock lock(&mutex_);
      int& streams = pushing_[key];
      if (streams == options_.streams_per_shard) {
        return absl::ResourceExhaustedError(absl::StrCat("iteration ", header.iteration(),
                                                         ", shard ", header.shard(), " is pushed by ",
                                                         streams, " streams already; try again"));
      }
      ++streams;
    }
    const absl::Status received = ReceiveRows(header, *admission, watch, stream);
    {
      absl::MutexLock lock(&mutex_);
      if (--pushing_[key] == 0) pushing_.erase(key);
    }
    if (!received.ok()) return received;
  }
  Acknowledge(*admission, header.rows(), /*stored=*/true, stream);
  return absl::OkStatus();
}

absl::Status RowServiceImpl::ReceiveRows(const v1::RowsHeader& header,
                                         const RowStore::Admission& admission, Watch* watch,
                                         Stream* stream) {
  Rows rows;
  rows.obs_dim = header.obs_dim();
  if (header.rows() > 0) {
    const double bytes = static_cast<double>(header.rows() * RowBytes(header.obs_dim()));
    watch->LimitTotal(options_.idle_limit +
                      absl::Seconds(bytes / options_.slowest_bytes_per_second));
    Acknowledge(admission, 0, /*stored=*/false, stream);
    const PhaseTimer timer(stats_->receive);
    absl::StatusOr<Rows> read = ReadRows(header, admission, watch, stream);
    if (!read.ok()) return read.status();
    rows = *std::move(read);
  }
  const absl::Status stored = store_->Put(header, admission, std::move(rows));
  if (stored.ok()) ++stats_->shards_stored;
  return stored;
}

absl::StatusOr<Rows> RowServiceImpl::ReadRows(const v1::RowsHeader& header,
                                              const RowStore::Admission& admission,
                                              Watch* watch, Stream* stream) {
  Rows rows;
  rows.obs_dim = header.obs_dim();
  const int64_t most_chunks = MostChunks(header.rows(), header.obs_dim());
  v1::PushRowsRequest request;
  for (int64_t chunk = 0; rows.size() < header.rows(); ++chunk) {
    if (chunk == most_chunks) {
      return absl::ResourceExhaustedError(absl::StrCat("more than ", most_chunks, " chunks for ",
                                                       header.rows(), " rows: they are too small"));
    }
    if (!stream->Read(&request)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the stream ended after ", rows.size(), " of ", header.rows(), " rows"));
    }
    watch->Touch();
    if (absl::Status status = CheckChunk(request); !status.ok()) return status;
    const int64_t coming = static_cast<int64_t>(request.chunk().actions().size());
    if (coming > header.rows() - rows.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("more than the ", header.rows(),
                       " rows that the header announced: ", rows.size() + coming));
    }
    if (absl::Status status = AppendChunk(request.chunk(), &rows); !status.ok()) return status;
    ++stats_->chunks_received;
    stats_->rows_received += coming;
    stats_->bytes_received += static_cast<int64_t>(request.ByteSizeLong());
    if (rows.size() < header.rows()) {
      Acknowledge(admission, rows.size(), /*stored=*/false, stream);
    }
  }
  return rows;
}

}  // namespace shoal
