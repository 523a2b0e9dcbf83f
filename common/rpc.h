#pragma once

// gRPC as every program of the project uses it: where servers listen, what limits hold on both
// sides, how a silent peer is noticed, how a server drains, and how statuses map.
//
// Servers and channels are protected by mutual TLS (rpc_tls.h) where the process or their options have
// certificates; without, plain text goes no further than this machine unless it is allowed.
//
// Every server has grpc.health.v1.Health, and reflection where it may. Messages are limited to kMaxMessageBytes
// both ways on both sides. Both sides ping: a peer that says nothing for kKeepalive.time is asked,
// and given up after kKeepalive.timeout more, so that a cut connection ends its calls with
// kUnavailable after about two seconds (eleven where rows and policies travel), not when the network
// heals.
//
// Functions are thread-safe.

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/server.h>
#include <grpcpp/support/status.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/rpc_roles.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace shoal {

class Tls;

inline constexpr int kMaxMessageBytes = 64 << 20;

struct Keepalive {
  absl::Duration time = absl::Seconds(1);
  absl::Duration timeout = absl::Seconds(1);
};

// For connections that carry much at a time: on a slow link an answer waits behind what is on its way
// already, and only a peer that takes longer than that is gone.
inline constexpr Keepalive kBulkKeepalive{absl::Seconds(1), absl::Seconds(10)};

// --- Protection ------------------------------------------------------------------------------

enum class Reflection {
  kAuto,  // Where only this machine can connect.
  kOn,
  kOff,
};

// Of all servers and channels of this process whose own options do not say otherwise.
struct RpcSecurity {
  std::shared_ptr<const Tls> tls;  // Null: plain text.
  // Plain text also where other machines can connect, and to other machines.
  bool allow_insecure = false;
  Reflection reflection = Reflection::kAuto;
};

// Once, before the first server and channel and other threads.
void SetRpcSecurity(RpcSecurity security);
const RpcSecurity& GetRpcSecurity();

// --- Addresses -------------------------------------------------------------------------------

struct ListenAddress {
  std::string unix_path;  // Not empty: a Unix socket, and the rest does not matter.
  std::string host;       // Without brackets: "127.0.0.1", "::1", "0.0.0.0".
  int port = 0;           // 0: any free port.
  bool loopback = false;  // Reachable from this machine only; true of a Unix socket.

  // As gRPC takes it: "unix:/path", "127.0.0.1:50051", "[::1]:50051".
  std::string ToString() const;
};

// "unix:/path" or "host:port", an IPv6 host in brackets; "localhost" is 127.0.0.1. Errors name the
// address and what is accepted:
// - kInvalidArgument: not such an address, a port above 65535, a Unix path of more than 107 bytes.
// - kPermissionDenied: reachable from other machines, without `allow_insecure`.
absl::StatusOr<ListenAddress> ParseListenAddress(std::string_view text, bool allow_insecure);

// --- Servers ---------------------------------------------------------------------------------

struct ServerOptions {
  std::string listen = "127.0.0.1:0";
  // Besides what the process is set to.
  bool allow_insecure = false;
  std::shared_ptr<const Tls> tls = nullptr;
  Reflection reflection = Reflection::kAuto;
  Keepalive keepalive{};
  // Calls of synchronous services beyond so many at a time are refused with kResourceExhausted; each
  // holds a thread.
  int max_threads = 512;
  // Of one message from a client; a larger one ends its call with kResourceExhausted before it is
  // read.
  int max_receive_bytes = kMaxMessageBytes;
  // From a connection to the end of its handshake; then it is closed.
  absl::Duration handshake_limit = absl::Seconds(10);
  // A connection without calls is closed after so long. Channels connect again by themselves.
  absl::Duration idle_connection_limit = absl::Minutes(5);
  // Calls at a time over one connection; further ones wait in the client.
  int max_calls_per_connection = 1024;
};

// A running server. The services given to StartServer are not owned and must outlive it.
class RpcServer {
 public:
  // Drains for at most a second.
  ~RpcServer();
  RpcServer(const RpcServer&) = delete;
  RpcServer& operator=(const RpcServer&) = delete;

  // Where it really listens, ready for ConnectChannel: with the port that was chosen for port 0.
  const std::string& address() const { return address_; }

  // What grpc.health.v1 answers for the whole server; SERVING from the start.
  void SetServing(bool serving);

  // Health goes to NOT_SERVING, new calls are refused, calls in progress go on until `deadline` and
  // are cancelled then. Returns when all handlers have returned, so a handler that waits must
  // notice that its call is cancelled. Later calls do nothing.
  void Drain(absl::Time deadline);

 private:
  friend absl::StatusOr<std::unique_ptr<RpcServer>> StartServer(
      const ServerOptions& options, const std::vector<grpc::Service*>& services);
  RpcServer(std::unique_ptr<grpc::Server> server, std::string address)
      : server_(std::move(server)), address_(std::move(address)) {}

  const std::unique_ptr<grpc::Server> server_;
  const std::string address_;
};

// Starts to serve. Every connection takes a file descriptor, and this version of gRPC stops to accept
// for good when there is none, so the program's soft limit of them is raised to the hard one.
//
// Besides ParseListenAddress' errors:
// - kAlreadyExists: somebody listens there ("127.0.0.1:50051 is in use; give --listen another
// port").
//   The socket file that a killed server left is no such case; it is removed.
// - kUnavailable and others after errno: the address is not one of this machine's, no permission,
// ...
absl::StatusOr<std::unique_ptr<RpcServer>> StartServer(const ServerOptions& options,
                                                       const std::vector<grpc::Service*>& services);

// --- Clients ---------------------------------------------------------------------------------

struct ChannelOptions {
  Keepalive keepalive{};
  // What the other side's certificate must say of it.
  Role server = Role::kCoordinator;
  // Besides what the process is set to.
  bool allow_insecure = false;
  std::shared_ptr<const Tls> tls = nullptr;
};

// A channel to "unix:/path" or "host:port" (a host name is looked up). It connects when first used
// and again whenever the connection is lost, at first after 50 ms and at the latest after 1 s.
// kInvalidArgument: not an address. kPermissionDenied: it may be another machine's, and there is
// neither TLS nor `allow_insecure`.
absl::StatusOr<std::shared_ptr<grpc::Channel>> ConnectChannel(std::string_view address,
                                                              const ChannelOptions& options = {});

// Every call has a deadline. With `wait_for_ready` a call waits for a server that is not there yet
// (until the deadline) instead of failing with kUnavailable.
std::unique_ptr<grpc::ClientContext> MakeContext(absl::Time deadline, bool wait_for_ready = false);
std::unique_ptr<grpc::ClientContext> MakeContext(absl::Duration timeout,
                                                 bool wait_for_ready = false);

// --- Statuses --------------------------------------------------------------------------------

// The codes are the same numbers on both sides; messages are kept, payloads are not.
absl::Status FromGrpc(const grpc::Status& status);
grpc::Status ToGrpc(const absl::Status& status);

}  // namespace shoal
