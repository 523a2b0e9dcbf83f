// Addresses of rpc.h.

#include <arpa/inet.h>
#include <sys/un.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/rpc.h"

namespace shoal {
namespace {

constexpr const char* kAccepted = "accepted are unix:/path and host:port (an IPv6 host as [::1])";

// Room for the terminating zero is part of sun_path.
constexpr size_t kMaxUnixPath = sizeof(sockaddr_un::sun_path) - 1;

absl::Status BadAddress(const std::string& text, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat("address \"", text, "\": ", why, "; ", kAccepted));
}

absl::StatusOr<ListenAddress> ParseUnix(const std::string& text) {
  ListenAddress address;
  address.unix_path = text.substr(std::string("unix:").size());
  address.loopback = true;
  // gRPC also takes unix:///path for an absolute path.
  if (absl::StartsWith(address.unix_path, "///")) address.unix_path.erase(0, 2);
  if (address.unix_path.empty()) return BadAddress(text, "the path is missing");
  if (address.unix_path.size() > kMaxUnixPath) {
    return BadAddress(text, absl::StrCat("the path has ", address.unix_path.size(),
                                         " bytes, and the system allows ", kMaxUnixPath));
  }
  return address;
}

// IPv4 127/8 and IPv6 ::1. Host names are not looked up: where they lead may change.
bool IsLoopback(const std::string& host) {
  in_addr v4;
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6;
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

}  // namespace

std::string ListenAddress::ToString() const {
  if (!unix_path.empty()) return absl::StrCat("unix:", unix_path);
  const bool v6 = absl::StrContains(host, ":");
  return absl::StrCat(v6 ? "[" : "", host, v6 ? "]" : "", ":", port);
}

absl::StatusOr<ListenAddress> ParseListenAddress(std::string_view given, bool allow_insecure) {
  const std::string text(given);
  if (absl::StartsWith(text, "unix:")) return ParseUnix(text);

  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return BadAddress(text, "the port is missing");
  ListenAddress address;
  address.host = text.substr(0, colon);
  if (absl::StartsWith(address.host, "[") && absl::EndsWith(address.host, "]")) {
    address.host = address.host.substr(1, address.host.size() - 2);
    in6_addr unused;
    if (inet_pton(AF_INET6, address.host.c_str(), &unused) != 1) {
      return BadAddress(text, absl::StrCat("\"", address.host, "\" is not an IPv6 address"));
    }
  } else if (absl::StrContains(address.host, ":")) {
    return BadAddress(text, "an IPv6 host stands in brackets");
  }
  if (address.host.empty()) return BadAddress(text, "the host is missing");
  if (address.host == "localhost") address.host = "127.0.0.1";
  const std::string port = text.substr(colon + 1);
  if (!absl::SimpleAtoi(port, &address.port) || address.port < 0 || address.port > 65535) {
    return BadAddress(text, absl::StrCat("\"", port, "\" is not a port from 0 to 65535"));
  }
  address.loopback = IsLoopback(address.host);
  if (!address.loopback && !allow_insecure) {
    return absl::PermissionDeniedError(absl::StrCat(
        "address \"", text, "\" can be reached from other machines, and nothing is encrypted; ",
        "listen on 127.0.0.1 or unix:/path, or give certificates (--tls_dir) or --allow_insecure"));
  }
  return address;
}

}  // namespace shoal
