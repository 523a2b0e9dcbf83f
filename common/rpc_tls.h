// Mutual TLS of all servers and channels: both sides have a certificate of one private CA, which says
// the holder's roles (rpc_roles.h).
//
// - A server takes connections only from holders of a certificate of its CA, and calls only from the
//   roles that the method's row of MethodTable() names: PermissionDenied otherwise, and a line in the
//   log as far as RefusalLog lets it.
// - A client goes on only with a server whose certificate has the role that it expects
//   (ChannelOptions::server). The host's name or address is not looked at: learners are found at
//   addresses that the coordinator tells, actors anywhere, and nobody but the CA's owner gives out the
//   role of a server.
// - TLS 1.2 or 1.3.
// - Files are looked at again every TlsFiles::refresh; connections that begin afterwards use what they
//   hold then, and those that are there go on.
#pragma once

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/rpc_roles.h"

namespace grpc::experimental {
class CertificateProviderInterface;
}  // namespace grpc::experimental

namespace shoal {

// PEM: the CA's certificates (several are all trusted), the program's own certificate with what leads
// from it to the CA, and its key.
struct TlsFiles {
  std::string ca;
  std::string cert;
  std::string key;
  // Whole seconds, at least one.
  absl::Duration refresh = absl::Seconds(10);
};

// Thread safe.
class Tls {
 public:
  // Errors name the file and what is wrong with it:
  // - kNotFound and others after errno: it cannot be read.
  // - kInvalidArgument: no certificate or key in it; the key is not the certificate's.
  // - kFailedPrecondition: the certificate is not of this CA, or not valid now.
  static absl::StatusOr<std::shared_ptr<const Tls>> Load(const TlsFiles& files);

  // Of the own certificate when it was loaded.
  const std::vector<Role>& roles() const { return roles_; }
  const TlsFiles& files() const { return files_; }

  std::shared_ptr<grpc::ServerCredentials> ServerCredentials() const;
  // For channels to servers of this role.
  std::shared_ptr<grpc::ChannelCredentials> ChannelCredentials(Role server) const;

 private:
  explicit Tls(const TlsFiles& files);

  const TlsFiles files_;
  std::vector<Role> roles_;
  std::shared_ptr<grpc::experimental::CertificateProviderInterface> provider_;
};

}  // namespace shoal
