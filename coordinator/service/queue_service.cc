#include "coordinator/service/queue_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/hash.h"
#include "common/rpc.h"
#include "common/run_name.h"
#include "coordinator/queue/run_files.h"

namespace shoal {
namespace {

// Into the `run` of a response.
template <class Response>
grpc::Status Answer(absl::StatusOr<v1::QueuedRun> run, Response* response) {
  if (!run.ok()) return ToGrpc(run.status());
  *response->mutable_run() = *std::move(run);
  return grpc::Status::OK;
}

CallLimits ToCallLimits(const QueueServiceOptions& options) {
  CallLimits limits;
  limits.idle = limits.first = options.patience;
  limits.total = options.fetch_limit;
  limits.calls = options.fetches;
  limits.calls_per_host = options.fetches_per_host;
  return limits;
}

constexpr size_t kChunk = size_t{256} << 10;

}  // namespace

QueueServiceImpl::QueueServiceImpl(QueueKeeper* keeper, const QueueServiceOptions& options)
    : keeper_(keeper),
      asked_(options.asked_burst, options.asked_per_second),
      ordered_(options.ordered_burst, options.ordered_per_second),
      fetched_(options.fetched_burst, options.fetched_per_second),
      submitted_bytes_(options.submitted_burst, options.submitted_per_second),
      refusals_(options.log),
      watchdog_(ToCallLimits(options), [this] { refusals_.Flush(absl::Now()); }) {}

grpc::Status QueueServiceImpl::Refuse(const std::string& peer, const char* method,
                                      const char* reason, const char* says) {
  refusals_.Refused(method, peer, reason, says);
  return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, says);
}

grpc::Status QueueServiceImpl::Admit(const grpc::ServerContext& context, const char* method,
                                     PeerRates& rates) {
  const std::string peer = context.peer();
  {
    absl::MutexLock lock(&mutex_);
    if (rates.Take(absl::StrCat(PeerHost(peer), method), absl::Now())) return grpc::Status::OK;
  }
  return Refuse(peer, method, "too_fast", "this host asks more often than it may; try again in a while");
}

grpc::Status QueueServiceImpl::AdmitBytes(const grpc::ServerContext& context, const char* method,
                                          size_t bytes) {
  const std::string peer = context.peer();
  {
    absl::MutexLock lock(&mutex_);
    if (submitted_bytes_.Take(PeerHost(peer), absl::Now(), static_cast<double>(bytes))) {
      return grpc::Status::OK;
    }
  }
  return Refuse(peer, method, "too_much",
                "this host has sent more tail files than it may; try again in some minutes");
}

absl::StatusOr<std::string> QueueServiceImpl::QuietRun(const std::string& name) const {
  auto run = keeper_->Get(name);
  if (!run.ok()) return run.status();
  if (run->state() == v1::QueuedRun::STATE_RUNNING) {
    return absl::FailedPreconditionError(absl::StrCat(
        "run ", name, " is on, and its files are changing: fetch it when it has ended"));
  }
  if (run->artifacts() == v1::QueuedRun::ARTIFACTS_PENDING) {
    return absl::FailedPreconditionError(absl::StrCat(
        "run ", name, " is over, and its report, plots and videos are being made: try again soon"));
  }
  return RunFolder(keeper_->runs(), name);
}

grpc::Status QueueServiceImpl::ListRunFiles(grpc::ServerContext* context,
                                            const v1::ListRunFilesRequest* request,
                                            v1::ListRunFilesResponse* response) {
  if (grpc::Status status = Admit(*context, "ListRunFiles", ordered_); !status.ok()) return status;
  auto folder = QuietRun(request->name());
  if (!folder.ok()) return ToGrpc(folder.status());
  auto files = shoal::ListRunFiles(*folder);
  if (!files.ok()) return ToGrpc(files.status());
  for (v1::RunFile& file : *files) *response->add_files() = std::move(file);
  return grpc::Status::OK;
}

grpc::Status QueueServiceImpl::FetchRunFile(grpc::ServerContext* context,
                                            const v1::FetchRunFileRequest* request,
                                            grpc::ServerWriter<v1::FetchRunFileResponse>* writer) {
  const std::string peer = context->peer();  // The context forgets it when the call is cancelled.
  if (grpc::Status status = Admit(*context, "FetchRunFile", fetched_); !status.ok()) return status;
  CallWatchdog::Watch watch(&watchdog_, context);
  if (!watch.accepted()) {
    return Refuse(peer, "FetchRunFile", "too_many", "too many files are being fetched; try again");
  }
  auto folder = QuietRun(request->name());
  if (!folder.ok()) return ToGrpc(folder.status());
  auto file = RunFileReader::Open(*folder, request->path());
  if (!file.ok()) return ToGrpc(file.status());

  v1::FetchRunFileResponse response;
  Sha256 sha256;
  int64_t bytes = 0;
  absl::Status status = file->Read(kChunk, [&](std::string_view piece) {
    sha256.Update(piece);
    bytes += static_cast<int64_t>(piece.size());
    watch.Touch();
    return !context->IsCancelled();
  });
  if (!status.ok()) return ToGrpc(status);
  response.mutable_header()->set_size_bytes(bytes);
  response.mutable_header()->set_sha256(sha256.FinishHex());
  const bool same = response.header().sha256() == request->have_sha256();
  if (!writer->Write(response) || same) return grpc::Status::OK;
  // A file that changes between the two reads has another hash, and the caller sees it.
  status = file->Read(kChunk, [&](std::string_view piece) {
    response.set_chunk(std::string(piece));
    watch.Touch();
    return writer->Write(response);
  });
  if (const char* expired = watch.expired()) {
    refusals_.Refused("FetchRunFile", peer, expired, "the caller does not read");
  }
  return ToGrpc(status);
}

grpc::Status QueueServiceImpl::SubmitRun(grpc::ServerContext* context,
                                         const v1::SubmitRunRequest* request,
                                         v1::SubmitRunResponse* response) {
  if (grpc::Status status = Admit(*context, "SubmitRun", ordered_); !status.ok()) return status;
  grpc::Status status = AdmitBytes(*context, "SubmitRun", request->ByteSizeLong());
  if (!status.ok()) return status;
  return Answer(keeper_->Submit(*request, absl::Now()), response);
}

grpc::Status QueueServiceImpl::ResumeRun(grpc::ServerContext* context,
                                         const v1::ResumeRunRequest* request,
                                         v1::ResumeRunResponse* response) {
  if (grpc::Status status = Admit(*context, "ResumeRun", ordered_); !status.ok()) return status;
  return Answer(keeper_->Resume(request->name()), response);
}

grpc::Status QueueServiceImpl::CancelRun(grpc::ServerContext* context,
                                         const v1::CancelRunRequest* request,
                                         v1::CancelRunResponse* response) {
  if (grpc::Status status = Admit(*context, "CancelRun", ordered_); !status.ok()) return status;
  return Answer(keeper_->Cancel(request->name(), absl::Now()), response);
}

grpc::Status QueueServiceImpl::GetRun(grpc::ServerContext* context,
                                      const v1::GetRunRequest* request,
                                      v1::GetRunResponse* response) {
  if (grpc::Status status = Admit(*context, "GetRun", asked_); !status.ok()) return status;
  return Answer(keeper_->Get(request->name()), response);
}

grpc::Status QueueServiceImpl::ListRuns(grpc::ServerContext* context,
                                        const v1::ListRunsRequest* request,
                                        v1::ListRunsResponse* response) {
  if (grpc::Status status = Admit(*context, "ListRuns", asked_); !status.ok()) return status;
  auto page = keeper_->List(*request);
  if (!page.ok()) return ToGrpc(page.status());
  *response = *std::move(page);
  return grpc::Status::OK;
}

}  // namespace shoal
