#include "common/rpc_tls.h"

#include <grpcpp/security/auth_metadata_processor.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <functional>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/certificate_files.h"
#include "common/printable.h"
#include "common/refusal_log.h"
#include "common/rpc.h"

namespace shoal {
namespace {

// OpenSSL would clean up when the process exits, under the hands of gRPC's threads, which shake hands
// and read certificates until the very end. The kernel takes it all back anyway. Before main, since it
// must come before anything else that OpenSSL does.
[[maybe_unused]] const int kNoCleanupAtExit =
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr);

using grpc::experimental::TlsCredentialsOptions;

constexpr size_t kLongestName = 100;

std::vector<std::string> Strings(const std::vector<grpc::string_ref>& refs) {
  std::vector<std::string> strings;
  for (const grpc::string_ref& ref : refs) strings.emplace_back(ref.data(), ref.size());
  return strings;
}

// Asks the server's certificate for its role, after the handshake has shown that it is of the CA.
class RoleVerifier final : public grpc::experimental::ExternalCertificateVerifier {
 public:
  explicit RoleVerifier(Role role) : role_(role) {}

  bool Verify(grpc::experimental::TlsCustomVerificationCheckRequest* request,
              std::function<void(grpc::Status)>, grpc::Status* sync_status) override {
    const std::vector<Role> roles = RolesOf(Strings(request->uri_names()));
    if (std::find(roles.begin(), roles.end(), role_) == roles.end()) {
      *sync_status = grpc::Status(
          grpc::StatusCode::UNAUTHENTICATED,
          absl::StrCat("the server's certificate has the roles ", RoleNames(roles), ", not ",
                       RoleName(role_)));
    }
    return true;
  }
  void Cancel(grpc::experimental::TlsCustomVerificationCheckRequest*) override {}

 private:
  const Role role_;
};

std::string FirstProperty(const grpc::AuthContext& context, const char* name) {
  const std::vector<grpc::string_ref> values = context.FindPropertyValues(name);
  return values.empty() ? "" : std::string(values[0].data(), values[0].size());
}

// Looks at every call before its service does.
class RoleGate final : public grpc::AuthMetadataProcessor {
 public:
  // A look at a table.
  bool IsBlocking() const override { return false; }

  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext* context, OutputMetadata*,
                       OutputMetadata*) override {
    refusals_.Flush(absl::Now());
    const auto path = metadata.find(":path");
    const std::string method =
        path == metadata.end() ? "" : std::string(path->second.data(), path->second.size());
    const std::vector<Role> roles =
        RolesOf(Strings(context->FindPropertyValues(GRPC_PEER_URI_PROPERTY_NAME)));
    const absl::Status status = MayCall(method, roles);
    if (!status.ok()) {
      refusals_.Refused(
          Printable(method, kLongestName),
          Printable(FirstProperty(*context, GRPC_X509_CN_PROPERTY_NAME), kLongestName), "role",
          std::string(status.message()));
    }
    return ToGrpc(status);
  }

 private:
  RefusalLog refusals_;
};

void Watch(TlsCredentialsOptions& options,
           const std::shared_ptr<grpc::experimental::CertificateProviderInterface>& provider) {
  options.set_certificate_provider(provider);
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  // Calls name no hosts; roles are what is checked.
  options.set_check_call_host(false);
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Tls>> Tls::Load(const TlsFiles& files) {
  const absl::StatusOr<std::vector<std::string>> uris =
      CheckCertificateFiles(files.ca, files.cert, files.key);
  if (!uris.ok()) return uris.status();
  std::shared_ptr<Tls> tls = absl::WrapUnique(new Tls(files));
  tls->roles_ = RolesOf(*uris);
  return tls;
}

Tls::Tls(const TlsFiles& files)
    : files_(files),
      provider_(std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
          files.key, files.cert, files.ca,
          static_cast<unsigned>(std::max<int64_t>(1, absl::ToInt64Seconds(files.refresh))))) {}

std::shared_ptr<grpc::ServerCredentials> Tls::ServerCredentials() const {
  grpc::experimental::TlsServerCredentialsOptions options(provider_);
  Watch(options, provider_);
  options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  // The CA's signature is what lets a client in; what it may do is the gate's to say.
  options.set_certificate_verifier(
      std::make_shared<grpc::experimental::NoOpCertificateVerifier>());
  std::shared_ptr<grpc::ServerCredentials> credentials =
      grpc::experimental::TlsServerCredentials(options);
  credentials->SetAuthMetadataProcessor(std::make_shared<RoleGate>());
  return credentials;
}

std::shared_ptr<grpc::ChannelCredentials> Tls::ChannelCredentials(Role server) const {
  grpc::experimental::TlsChannelCredentialsOptions options;
  Watch(options, provider_);
  options.set_verify_server_certs(true);
  options.set_certificate_verifier(
      grpc::experimental::ExternalCertificateVerifier::Create<RoleVerifier>(server));
  return grpc::experimental::TlsCredentials(options);
}

}  // namespace shoal
