// Servers of rpc.h.

#include <errno.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/impl/server_builder_plugin.h>
#include <grpcpp/support/server_interceptor.h>
#include <netdb.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "absl/base/call_once.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/logging.h"
#include "common/mutexes.h"
#include "common/rpc.h"
#include "common/rpc_counts.h"
#include "common/rpc_tls.h"

namespace shoal {
namespace {

int Milliseconds(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(duration));
}

// How a server proves who it is, and to whom it talks: the one place that decides it.
std::shared_ptr<grpc::ServerCredentials> Credentials(const Tls* tls) {
  return tls != nullptr ? tls->ServerCredentials() : grpc::InsecureServerCredentials();
}

// Linking gRPC's reflection gives it to every server; this takes it from one.
class WithoutReflection final : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    const std::string name = grpc::reflection::ProtoServerReflectionPlugin().name();
    std::erase_if(*plugins, [&name](const auto& plugin) { return plugin->name() == name; });
  }
};

void SetReflection(Reflection own, const ListenAddress& address, grpc::ServerBuilder& builder) {
  const Reflection asked = own != Reflection::kAuto ? own : GetRpcSecurity().reflection;
  if (asked == Reflection::kOff || (asked == Reflection::kAuto && !address.loopback)) {
    builder.SetOption(std::make_unique<WithoutReflection>());
  }
}

absl::Status InUse(const std::string& address, const char* other) {
  return absl::AlreadyExistsError(
      absl::StrCat(address, " is in use; give --listen another ", other));
}

absl::Status CannotListen(int error, const ListenAddress& address) {
  return absl::ErrnoToStatus(error, absl::StrCat("cannot listen on ", address.ToString()));
}

// A stream socket that closes when it goes out of scope. If the system has none left, its number is
// -1 and the call that uses it says so.
class Socket {
 public:
  explicit Socket(int family)
      : fd_(socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int fd() const { return fd_; }

 private:
  const int fd_;
};

sockaddr_un UnixName(const ListenAddress& address) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  memcpy(name.sun_path, address.unix_path.c_str(), address.unix_path.size() + 1);
  return name;
}

// gRPC removes whatever lies at the path before it binds, a living server's socket too, so whether
// somebody listens must be found out before.
absl::Status RemoveStaleSocket(const ListenAddress& address) {
  struct stat info;
  if (lstat(address.unix_path.c_str(), &info) != 0) {
    return errno == ENOENT ? absl::OkStatus() : CannotListen(errno, address);
  }
  if (!S_ISSOCK(info.st_mode)) {
    return absl::AlreadyExistsError(
        absl::StrCat(address.unix_path, " exists and is not a socket; give --listen another path"));
  }
  const sockaddr_un name = UnixName(address);
  const Socket socket(AF_UNIX);
  const bool refused =
      connect(socket.fd(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)) != 0 &&
      errno == ECONNREFUSED;
  if (!refused) return InUse(address.ToString(), "path");
  if (unlink(address.unix_path.c_str()) != 0) return CannotListen(errno, address);
  return absl::OkStatus();
}

// gRPC says only that it could not bind. Binding once beforehand says why. Whoever takes the
// address in between makes gRPC's own attempt fail, so nothing hangs on this.
absl::Status ProbeUnixPath(const ListenAddress& address) {
  const sockaddr_un name = UnixName(address);
  const Socket socket(AF_UNIX);
  if (bind(socket.fd(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)) != 0) {
    return CannotListen(errno, address);
  }
  unlink(address.unix_path.c_str());
  return absl::OkStatus();
}

absl::Status ProbePort(const ListenAddress& address) {
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed =
      getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (failed != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot listen on ", address.ToString(), ": ", gai_strerror(failed)));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
  const Socket socket(found->ai_family);
  // As gRPC does: connections of an earlier server that are still closing are no obstacle.
  const int on = 1;
  setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  // With SO_REUSEADDR two sockets may be bound where none listens; listening settles it.
  if (bind(socket.fd(), found->ai_addr, found->ai_addrlen) == 0 && listen(socket.fd(), 1) == 0) {
    return absl::OkStatus();
  }
  return errno == EADDRINUSE ? InUse(address.ToString(), "port") : CannotListen(errno, address);
}

// Reflection is gRPC's own synchronous service: each of its streams holds a thread for as long as the
// client likes. Few at a time, and the others are cancelled, so that it cannot take all threads.
class ReflectionLimit final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override {
    if (!absl::StartsWith(info->method(), "/grpc.reflection.")) return nullptr;
    return new Call(calls_, info);
  }

 private:
  static constexpr int kMost = 8;

  class Call final : public grpc::experimental::Interceptor {
   public:
    Call(std::shared_ptr<std::atomic<int>> calls, grpc::experimental::ServerRpcInfo* info)
        : calls_(std::move(calls)), info_(info), refused_(calls_->fetch_add(1) >= kMost) {}
    ~Call() override { calls_->fetch_sub(1); }
    void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
      using Points = grpc::experimental::InterceptionHookPoints;
      if (refused_ && methods->QueryInterceptionHookPoint(Points::POST_RECV_INITIAL_METADATA)) {
        info_->server_context()->TryCancel();
      }
      methods->Proceed();
    }

   private:
    // Shared, since a call may outlive the factory by a moment.
    const std::shared_ptr<std::atomic<int>> calls_;
    grpc::experimental::ServerRpcInfo* const info_;
    const bool refused_;
  };

  const std::shared_ptr<std::atomic<int>> calls_ = std::make_shared<std::atomic<int>>(0);
};

void SetInterceptors(grpc::ServerBuilder& builder) {
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> factories;
  factories.push_back(CountServerRpcs());
  factories.push_back(std::make_unique<ReflectionLimit>());
  builder.experimental().SetInterceptorCreators(std::move(factories));
}

// Settings of the whole program; they must stand before the first server is built.
void SetUpPlugins() {
  static absl::once_flag once;
  absl::call_once(once, [] {
    SetUpMutexes();
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });
}

void RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    LogWarning("the limit of open files could not be raised",
               {{"error", absl::ErrnoToStatus(errno, "setrlimit")}});
  }
}

void SetLimits(const ServerOptions& options, grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(options.max_receive_bytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  grpc::ResourceQuota quota;
  quota.SetMaxThreads(options.max_threads);
  builder.SetResourceQuota(quota);
  // Otherwise two servers could share a port, each with half of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(options.keepalive.time));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                             Milliseconds(options.keepalive.timeout));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Clients ping at the same pace; a server that found that too often would close the connection.
  // Half of the time leaves room for jitter.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             std::max(1, Milliseconds(options.keepalive.time) / 2));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                             Milliseconds(options.handshake_limit));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS,
                             Milliseconds(options.idle_connection_limit));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_calls_per_connection);
}

}  // namespace

absl::StatusOr<std::unique_ptr<RpcServer>> StartServer(
    const ServerOptions& options, const std::vector<grpc::Service*>& services) {
  const RpcSecurity& process = GetRpcSecurity();
  const std::shared_ptr<const Tls> tls = options.tls != nullptr ? options.tls : process.tls;
  absl::StatusOr<ListenAddress> address = ParseListenAddress(
      options.listen, tls != nullptr || options.allow_insecure || process.allow_insecure);
  if (!address.ok()) return address.status();
  const bool is_unix = !address->unix_path.empty();
  absl::Status free = is_unix ? RemoveStaleSocket(*address) : ProbePort(*address);
  if (free.ok() && is_unix) free = ProbeUnixPath(*address);
  if (!free.ok()) return free;

  RaiseFileLimit();
  SetUpPlugins();
  grpc::ServerBuilder builder;
  SetLimits(options, builder);
  SetInterceptors(builder);
  SetReflection(options.reflection, *address, builder);
  int port = 0;
  builder.AddListeningPort(address->ToString(), Credentials(tls.get()), &port);
  for (grpc::Service* service : services) builder.RegisterService(service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  // gRPC gives a Unix socket the port 1 and a failure the port 0.
  if (server == nullptr || port == 0) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", address->ToString()));
  }
  if (!is_unix) address->port = port;
  return std::unique_ptr<RpcServer>(new RpcServer(std::move(server), address->ToString()));
}

RpcServer::~RpcServer() { Drain(absl::Now() + absl::Seconds(1)); }

void RpcServer::SetServing(bool serving) {
  server_->GetHealthCheckService()->SetServingStatus(serving);
}

void RpcServer::Drain(absl::Time deadline) {
  SetServing(false);
  server_->Shutdown(absl::ToChronoTime(deadline));
  server_->Wait();
}

}  // namespace shoal
