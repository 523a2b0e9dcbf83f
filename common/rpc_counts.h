// How many calls ended with which code and how long they took, by method: of all servers and channels
// of this program.
//
// Thread safe.
#pragma once

#include <grpcpp/support/client_interceptor.h>
#include <grpcpp/support/server_interceptor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
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

// Count the calls of the server or channel that they are given to.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> CountServerRpcs();
std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface> CountClientRpcs();

}  // namespace shoal
