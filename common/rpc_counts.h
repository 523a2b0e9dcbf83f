// How many calls ended with which code and how long they took, by method: of all servers and channels
// of this program.
//
// Thread safe.
#pragma once

#include <grpcpp/support/client_interceptor.h>
#include <grpcpp/support/server_interceptor.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "common/metrics/instruments.h"

namespace shoal {

// By method and code. Methods are "RunService.GetStatus" for those that this program has the
// definitions of, and "other" for all that others may make up, so that there are only so many.
// Codes are gRPC's names: "OK", "UNAVAILABLE".
using RpcCounts = std::map<std::pair<std::string, std::string>, int64_t>;

// Calls that ended. A method that was ever called has its "OK" from then on, 0 at first.
RpcCounts ServerRpcs();
RpcCounts ClientRpcs();

// How long those took, by method: on a server from the call's arrival to the sending of its status, on
// a channel from its beginning to the receiving of its status; where there was none, to its end. Streams
// take as long as they are open. A method that was ever called is there, at first with nothing.
using RpcSeconds = std::map<std::string, SecondsSnapshot>;
RpcSeconds ServerRpcSeconds();
RpcSeconds ClientRpcSeconds();

// One call of a server that counts itself: an interceptor makes gRPC send every message's event once
// more through its completion queue, which a stream of many small messages should not pay. Counted at
// the end of its life, with the code it was given, CANCELLED where it was given none.
class CountedStream {
 public:
  // The only methods that are counted so, and not by CountServerRpcs.
  static constexpr std::string_view kMethods[] = {"WorkerService.Work", "LearnerService.Learn"};

  // One of kMethods.
  explicit CountedStream(std::string_view method);
  ~CountedStream();
  CountedStream(const CountedStream&) = delete;
  CountedStream& operator=(const CountedStream&) = delete;

  // Not at the same time as the destructor.
  void Ends(grpc::StatusCode code) { code_ = code; }

 private:
  const std::string method_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  grpc::StatusCode code_ = grpc::StatusCode::CANCELLED;
};

// Count the calls of the server or channel that they are given to.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> CountServerRpcs();
std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface> CountClientRpcs();

}  // namespace shoal
