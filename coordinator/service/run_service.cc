#include "coordinator/service/run_service.h"

#include <algorithm>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/rpc.h"
#include "coordinator/run/run_reports.h"

namespace shoal {
namespace {

constexpr absl::Duration kShortestInterval = absl::Milliseconds(50);
constexpr absl::Duration kDefaultInterval = absl::Milliseconds(200);
// A watcher that has gone gives its thread back so soon.
constexpr absl::Duration kLookForGone = absl::Milliseconds(500);

absl::Duration IntervalOf(const google::protobuf::Duration& interval) {
  const absl::Duration duration =
      absl::Seconds(interval.seconds()) + absl::Nanoseconds(interval.nanos());
  if (duration <= absl::ZeroDuration()) return kDefaultInterval;
  return std::clamp(duration, kShortestInterval, absl::Minutes(1));
}

bool Over(const v1::RunStatus& status) {
  return status.state() == v1::RunStatus::STATE_DONE ||
         status.state() == v1::RunStatus::STATE_STOPPED ||
         status.state() == v1::RunStatus::STATE_FAILED;
}

constexpr size_t kOrdersPage = 1000;

// What a report says of the run's store.
template <class Response>
grpc::Status Report(RunHost& host, absl::StatusOr<Response> (*report)(const RunStore&),
                    Response* response) {
  auto made = host.With([&](RunLoop& loop, absl::Time) { return report(loop.store()); });
  if (!made.ok()) return ToGrpc(made.status());
  *response = *std::move(made);
  return grpc::Status::OK;
}

CallLimits ToCallLimits(const RunServiceOptions& options) {
  CallLimits limits;
  limits.idle = limits.first = options.patience;
  limits.total = absl::InfiniteDuration();
  limits.calls = options.watchers;
  limits.calls_per_host = options.watchers_per_host;
  return limits;
}

}  // namespace

RunServiceImpl::RunServiceImpl(RunHost* host, const RunServiceOptions& options)
    : host_(host),
      rates_(options.calls_burst, options.calls_per_second),
      refusals_(options.log),
      watchdog_(ToCallLimits(options), [this] { refusals_.Flush(absl::Now()); }) {}

grpc::Status RunServiceImpl::Admit(const grpc::ServerContext& context, const char* method) {
  const std::string peer = context.peer();
  {
    absl::MutexLock lock(&mutex_);
    if (rates_.Take(absl::StrCat(PeerHost(peer), method), absl::Now())) return grpc::Status::OK;
  }
  const char* const says = "this host asks more often than it may; WatchRun tells of every change";
  refusals_.Refused(method, peer, "too_fast", says);
  return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, says);
}

grpc::Status RunServiceImpl::GetStatus(grpc::ServerContext* context, const v1::GetStatusRequest*,
                                       v1::GetStatusResponse* response) {
  if (grpc::Status status = Admit(*context, "GetStatus"); !status.ok()) return status;
  *response->mutable_status() = host_->Status();
  return grpc::Status::OK;
}

grpc::Status RunServiceImpl::WatchRun(grpc::ServerContext* context,
                                      const v1::WatchRunRequest* request,
                                      grpc::ServerWriter<v1::WatchRunResponse>* writer) {
  const std::string peer = context->peer();  // The context forgets it when the call is cancelled.
  CallWatchdog::Watch watch(&watchdog_, context);
  if (!watch.accepted()) {
    const char* const says = "too many watch this run; GetStatus answers still";
    refusals_.Refused("WatchRun", peer, "too_many", says);
    return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, says);
  }
  const absl::Duration interval = IntervalOf(request->interval());
  while (!context->IsCancelled()) {
    v1::WatchRunResponse response;
    *response.mutable_status() = host_->Status();
    if (!writer->Write(response) || Over(response.status())) break;
    watch.Touch();
    const absl::Time next = absl::Now() + interval;
    bool over = false;
    while (!over && !context->IsCancelled() && absl::Now() < next) {
      over = host_->WaitUntilOver(std::min(next, absl::Now() + kLookForGone));
    }
    if (over && !Over(host_->Status())) break;
  }
  if (const char* expired = watch.expired()) {
    refusals_.Refused("WatchRun", peer, expired, "the watcher does not read");
  }
  return grpc::Status::OK;
}

grpc::Status RunServiceImpl::StopRun(grpc::ServerContext* context, const v1::StopRunRequest*,
                                     v1::StopRunResponse* response) {
  if (grpc::Status status = Admit(*context, "StopRun"); !status.ok()) return status;
  host_->With([](RunLoop& loop, absl::Time now) { loop.Stop(now); });
  *response->mutable_status() = host_->Status();
  return grpc::Status::OK;
}

grpc::Status RunServiceImpl::GiveOrder(grpc::ServerContext* context,
                                       const v1::GiveOrderRequest* request,
                                       v1::GiveOrderResponse* response) {
  if (grpc::Status status = Admit(*context, "GiveOrder"); !status.ok()) return status;
  auto order = host_->With(
      [&](RunLoop& loop, absl::Time now) { return loop.GiveOrder(request->order(), now); });
  if (!order.ok()) return ToGrpc(order.status());
  *response->mutable_order() = *std::move(order);
  return grpc::Status::OK;
}

grpc::Status RunServiceImpl::ListOrders(grpc::ServerContext* context,
                                        const v1::ListOrdersRequest* request,
                                        v1::ListOrdersResponse* response) {
  if (grpc::Status status = Admit(*context, "ListOrders"); !status.ok()) return status;
  size_t first = 0;
  if (!request->page_token().empty() && !absl::SimpleAtoi(request->page_token(), &first)) {
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT,
                        "page_token is not the next_page_token of a page before");
  }
  if (request->page_size() < 0) {
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "page_size must be 0 to 1000");
  }
  const size_t size =
      request->page_size() == 0
          ? kOrdersPage
          : std::min<size_t>(kOrdersPage, static_cast<size_t>(request->page_size()));
  host_->With([&](RunLoop& loop, absl::Time) {
    const std::vector<v1::Order>& orders = loop.orders();
    for (size_t i = first; i < orders.size() && i < first + size; ++i) {
      *response->add_orders() = orders[i];
    }
    if (first < orders.size() && size < orders.size() - first) {
      response->set_next_page_token(absl::StrCat(first + size));
    }
  });
  return grpc::Status::OK;
}

grpc::Status RunServiceImpl::GetGate(grpc::ServerContext* context, const v1::GetGateRequest*,
                                     v1::GetGateResponse* response) {
  if (grpc::Status status = Admit(*context, "GetGate"); !status.ok()) return status;
  return Report(*host_, GateReport, response);
}

grpc::Status RunServiceImpl::GetTail(grpc::ServerContext* context, const v1::GetTailRequest*,
                                     v1::GetTailResponse* response) {
  if (grpc::Status status = Admit(*context, "GetTail"); !status.ok()) return status;
  return Report(*host_, TailReport, response);
}

grpc::Status RunServiceImpl::DescribeRun(grpc::ServerContext* context,
                                         const v1::DescribeRunRequest*,
                                         v1::DescribeRunResponse* response) {
  if (grpc::Status status = Admit(*context, "DescribeRun"); !status.ok()) return status;
  return Report(*host_, RunDescription, response);
}

}  // namespace shoal
