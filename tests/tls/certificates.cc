#include "tests/tls/certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "common/subprocess.h"

namespace shoal {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(120);

struct CloseFile {
  void operator()(FILE* file) const { fclose(file); }
};
using File = std::unique_ptr<FILE, CloseFile>;

File OpenFile(const std::string& path, const char* mode) {
  File file(fopen(path.c_str(), mode));
  EXPECT_NE(file, nullptr) << path;
  return file;
}

}  // namespace

Output RunCommand(const std::vector<std::string>& command) {
  const TemporaryDirectory place;
  SubprocessOptions options;
  options.argv = command;
  options.stdout_path = options.stderr_path = place / "output";
  const auto process = Subprocess::Start(options);
  EXPECT_TRUE(process.ok()) << process.status();
  Output output;
  if (!process.ok()) return output;
  const auto ended = (*process)->WaitFor(kPatience);
  EXPECT_TRUE(ended.has_value()) << command[0] << " does not end";
  if (ended && ended->signal == 0) output.code = ended->code;
  output.text = Slurp(options.stdout_path);
  return output;
}

Certificates::Certificates() { Make({"all", path()}); }

TlsFiles Certificates::Files(const std::string& name) const {
  TlsFiles files;
  files.ca = Folder(name) + "/ca.pem";
  files.cert = Folder(name) + "/cert.pem";
  files.key = Folder(name) + "/key.pem";
  files.refresh = absl::Seconds(1);
  return files;
}

void Certificates::Make(const std::vector<std::string>& arguments) const {
  std::vector<std::string> command = {"deploy/certificates/make.sh"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const Output made = RunCommand(command);
  EXPECT_EQ(made.code, 0) << made.text;
}

void Certificates::Expire(const std::string& name) const {
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      PEM_read_X509(OpenFile(Files(name).cert, "r").get(), nullptr, nullptr, nullptr), X509_free);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> ca(
      PEM_read_PrivateKey(OpenFile(Folder("ca") + "/ca.key", "r").get(), nullptr, nullptr, nullptr),
      EVP_PKEY_free);
  ASSERT_TRUE(certificate != nullptr && ca != nullptr);
  ASSERT_NE(X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -7200), nullptr);
  ASSERT_NE(X509_gmtime_adj(X509_getm_notAfter(certificate.get()), -3600), nullptr);
  ASSERT_GT(X509_sign(certificate.get(), ca.get(), EVP_sha256()), 0);
  ASSERT_EQ(PEM_write_X509(OpenFile(Files(name).cert, "w").get(), certificate.get()), 1);
}

std::shared_ptr<const Tls> Certificates::Load(const std::string& name) const {
  auto tls = Tls::Load(Files(name));
  EXPECT_TRUE(tls.ok()) << tls.status();
  return tls.ok() ? *tls : nullptr;
}

}  // namespace shoal
