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

}  // namespace

RowServiceImpl::RowServiceImpl(RowStore* store, const RowServiceOptions& options)
    : store_(store), watchdog_(options.idle_limit, options.total_limit, options.max_streams) {}

grpc::Status RowServiceImpl::PushRows(grpc::ServerContext* context, Stream* stream) {
  StreamWatchdog::Watch watch(&watchdog_, context);
  if (!watch.accepted()) {
    return ToGrpc(absl::ResourceExhaustedError("too many streams push rows at once; try again"));
  }
  v1::PushRowsRequest request;
  if (!stream->Read(&request) || !request.has_header()) {
    return ToGrpc(absl::InvalidArgumentError("a stream of rows must begin with a header"));
  }
  watch.Touch();
  const v1::RowsHeader header = std::move(*request.mutable_header());
  const absl::StatusOr<RowStore::Admission> admission = store_->Admit(header);
  if (!admission.ok()) return ToGrpc(admission.status());
  if (!admission->stored && header.rows() > 0) {
    Acknowledge(*admission, 0, /*stored=*/false, stream);
    absl::StatusOr<Rows> rows = ReadRows(header, *admission, &watch, stream);
    if (!rows.ok()) return ToGrpc(rows.status());
    const absl::Status put = store_->Put(header, *admission, *std::move(rows));
    if (!put.ok()) return ToGrpc(put);
  } else if (!admission->stored) {
    Rows none;
    none.obs_dim = header.obs_dim();
    const absl::Status put = store_->Put(header, *admission, std::move(none));
    if (!put.ok()) return ToGrpc(put);
  }
  Acknowledge(*admission, header.rows(), /*stored=*/true, stream);
  return grpc::Status::OK;
}

absl::StatusOr<Rows> RowServiceImpl::ReadRows(const v1::RowsHeader& header,
                                              const RowStore::Admission& admission,
                                              StreamWatchdog::Watch* watch, Stream* stream) {
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
    if (rows.size() < header.rows()) {
      Acknowledge(admission, rows.size(), /*stored=*/false, stream);
    }
  }
  return rows;
}

}  // namespace shoal
