#include "common/rpc_counts.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <chrono>
#include <iterator>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"

namespace shoal {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::InterceptorBatchMethods;

constexpr char kPackage[] = "shoal.v1.";

std::string MethodName(absl::string_view path) {
  const std::string name = absl::StrReplaceAll(absl::StripPrefix(path, "/"), {{"/", "."}});
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  if (pool->FindMethodByName(name) == nullptr) return "other";
  return std::string(absl::StripPrefix(name, kPackage));
}

std::string CodeName(grpc::StatusCode code) {
  static constexpr const char* kNames[] = {
      "OK",           "CANCELLED",          "UNKNOWN",   "INVALID_ARGUMENT",
      "DEADLINE_EXCEEDED", "NOT_FOUND",     "ALREADY_EXISTS", "PERMISSION_DENIED",
      "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
      "UNIMPLEMENTED", "INTERNAL",          "UNAVAILABLE", "DATA_LOSS",
      "UNAUTHENTICATED"};
  const int number = static_cast<int>(code);
  return number >= 0 && number < static_cast<int>(std::size(kNames)) ? kNames[number] : "UNKNOWN";
}

class Table {
 public:
  void Began(const std::string& method) {
    absl::MutexLock lock(&mutex_);
    counts_.try_emplace({method, "OK"}, 0);
    seconds_.try_emplace(method);
  }
  void Ended(const std::string& method, grpc::StatusCode code, double seconds) {
    absl::MutexLock lock(&mutex_);
    ++counts_[{method, CodeName(code)}];
    seconds_[method].Observe(seconds);
  }
  RpcCounts counts() const {
    absl::MutexLock lock(&mutex_);
    return counts_;
  }
  RpcSeconds seconds() const {
    absl::MutexLock lock(&mutex_);
    RpcSeconds result;
    for (const auto& [method, histogram] : seconds_) result[method] = histogram.snapshot();
    return result;
  }

 private:
  mutable absl::Mutex mutex_;
  RpcCounts counts_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, SecondsHistogram> seconds_ ABSL_GUARDED_BY(mutex_);
};

// Never destroyed: calls may end while the program does.
Table& Servers() {
  static Table& table = *new Table;
  return table;
}
Table& Clients() {
  static Table& table = *new Table;
  return table;
}

double SecondsSince(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// One call. What it does not see the end of was cancelled.
class Call final : public grpc::experimental::Interceptor {
 public:
  Call(Table& table, std::string method, InterceptionHookPoints end)
      : table_(table), method_(std::move(method)), end_(end) {
    table_.Began(method_);
  }
  ~Call() override { table_.Ended(method_, code_, seconds_ < 0 ? SecondsSince(begin_) : seconds_); }

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(end_)) {
      const grpc::Status* const status = end_ == InterceptionHookPoints::POST_RECV_STATUS
                                             ? methods->GetRecvStatus()
                                             : nullptr;
      seconds_ = SecondsSince(begin_);
      code_ = status != nullptr ? status->error_code() : methods->GetSendStatus().error_code();
    }
    methods->Proceed();
  }

 private:
  Table& table_;
  const std::string method_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  double seconds_ = -1;  // Until its status was there.
  const InterceptionHookPoints end_;
  grpc::StatusCode code_ = grpc::StatusCode::CANCELLED;
};

bool CountsItself(const std::string& method) {
  return std::find(std::begin(CountedStream::kMethods), std::end(CountedStream::kMethods), method) !=
         std::end(CountedStream::kMethods);
}

class ServerFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override {
    std::string method = MethodName(info->method());
    if (CountsItself(method)) return nullptr;
    return new Call(Servers(), std::move(method), InterceptionHookPoints::PRE_SEND_STATUS);
  }
};

class ClientFactory final : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  grpc::experimental::Interceptor* CreateClientInterceptor(
      grpc::experimental::ClientRpcInfo* info) override {
    return new Call(Clients(), MethodName(info->method()), InterceptionHookPoints::POST_RECV_STATUS);
  }
};

}  // namespace

RpcCounts ServerRpcs() { return Servers().counts(); }
RpcCounts ClientRpcs() { return Clients().counts(); }
RpcSeconds ServerRpcSeconds() { return Servers().seconds(); }
RpcSeconds ClientRpcSeconds() { return Clients().seconds(); }

CountedStream::CountedStream(std::string_view method) : method_(method) {
  Servers().Began(method_);
}
CountedStream::~CountedStream() { Servers().Ended(method_, code_, SecondsSince(begin_)); }

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> CountServerRpcs() {
  return std::make_unique<ServerFactory>();
}
std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface> CountClientRpcs() {
  return std::make_unique<ClientFactory>();
}

}  // namespace shoal
