// Clients and statuses of rpc.h.

#include <grpcpp/grpcpp.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/mutexes.h"
#include "common/rpc.h"
#include "common/rpc_counts.h"
#include "common/rpc_tls.h"

namespace shoal {
namespace {

int Milliseconds(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(duration));
}

RpcSecurity& ProcessSecurity() {
  static auto* const security = new RpcSecurity;
  return *security;
}

// How a client proves who it is, and whom it trusts: the one place that decides it.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> Credentials(
    const ListenAddress& address, const ChannelOptions& options) {
  const RpcSecurity& process = GetRpcSecurity();
  const auto& tls = options.tls != nullptr ? options.tls : process.tls;
  if (tls != nullptr) return tls->ChannelCredentials(options.server);
  if (!address.loopback && !options.allow_insecure && !process.allow_insecure) {
    return absl::PermissionDeniedError(absl::StrCat(
        "the ", RoleName(options.server), " at ", address.ToString(),
        " may be on another machine, and nothing is encrypted; give certificates (--tls_dir), or "
        "--allow_insecure where the network between them is trusted"));
  }
  return grpc::InsecureChannelCredentials();
}

grpc::ChannelArguments Arguments(const ChannelOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(options.keepalive.time));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(options.keepalive.timeout));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  // Despite its name the time that one attempt to connect may take: enough for TLS over a slow
  // network, and short enough that an attempt into the void does not hold up the next.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2000);
  // A name may not be there yet, or lead elsewhere after a restart; gRPC would look it up again only
  // after 30 s.
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 1000);
  // Our programs talk to each other; an http_proxy in the environment is meant for other things.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return arguments;
}

}  // namespace

void SetRpcSecurity(RpcSecurity security) { ProcessSecurity() = std::move(security); }

const RpcSecurity& GetRpcSecurity() { return ProcessSecurity(); }

absl::StatusOr<std::shared_ptr<grpc::Channel>> ConnectChannel(std::string_view address,
                                                              const ChannelOptions& options) {
  absl::StatusOr<ListenAddress> parsed = ParseListenAddress(address, /*allow_insecure=*/true);
  if (!parsed.ok()) return parsed.status();
  if (parsed->unix_path.empty() && parsed->port == 0) {
    return absl::InvalidArgumentError("address \"" + std::string(address) +
                                      "\": there is no port 0 to connect to");
  }
  const auto credentials = Credentials(*parsed, options);
  if (!credentials.ok()) return credentials.status();
  SetUpMutexes();
  std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> factories;
  factories.push_back(CountClientRpcs());
  return grpc::experimental::CreateCustomChannelWithInterceptors(
      parsed->ToString(), *credentials, Arguments(options), std::move(factories));
}

std::unique_ptr<grpc::ClientContext> MakeContext(absl::Time deadline, bool wait_for_ready) {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(absl::ToChronoTime(deadline));
  context->set_wait_for_ready(wait_for_ready);
  return context;
}

std::unique_ptr<grpc::ClientContext> MakeContext(absl::Duration timeout, bool wait_for_ready) {
  return MakeContext(absl::Now() + timeout, wait_for_ready);
}

absl::Status FromGrpc(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

grpc::Status ToGrpc(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

}  // namespace shoal
