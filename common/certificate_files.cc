#include "common/certificate_files.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/files.h"

namespace shoal {
namespace {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Memory = std::unique_ptr<BIO, Deleter<BIO_free>>;
using Store = std::unique_ptr<X509_STORE, Deleter<X509_STORE_free>>;
using StoreContext = std::unique_ptr<X509_STORE_CTX, Deleter<X509_STORE_CTX_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Deleter<GENERAL_NAMES_free>>;

struct FreeStack {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};
using Stack = std::unique_ptr<STACK_OF(X509), FreeStack>;

// Nobody asks at a terminal for the password of a key.
int NoPassword(char*, int, int, void*) { return -1; }

absl::StatusOr<Memory> Open(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  Memory memory(BIO_new(BIO_s_mem()));
  if (memory == nullptr || BIO_write(memory.get(), text->data(), static_cast<int>(text->size())) !=
                               static_cast<int>(text->size())) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is empty or cannot be held in memory"));
  }
  return memory;
}

// All certificates of a file, at least one.
absl::StatusOr<std::vector<Certificate>> ReadCertificates(const std::string& path) {
  absl::StatusOr<Memory> memory = Open(path);
  if (!memory.ok()) return memory.status();
  std::vector<Certificate> certificates;
  while (X509* next = PEM_read_bio_X509(memory->get(), nullptr, NoPassword, nullptr)) {
    certificates.emplace_back(next);
  }
  ERR_clear_error();  // the file's end counts as one
  if (certificates.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path, " holds no certificate in PEM"));
  }
  return certificates;
}

absl::StatusOr<Key> ReadKey(const std::string& path) {
  absl::StatusOr<Memory> memory = Open(path);
  if (!memory.ok()) return memory.status();
  Key key(PEM_read_bio_PrivateKey(memory->get(), nullptr, NoPassword, nullptr));
  ERR_clear_error();
  if (key == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(path, " holds no key in PEM without a password"));
  }
  return key;
}

std::string Time(const ASN1_TIME* time) {
  Memory memory(BIO_new(BIO_s_mem()));
  char* text = nullptr;
  if (memory == nullptr || ASN1_TIME_print(memory.get(), time) != 1) return "an unreadable time";
  const long size = BIO_get_mem_data(memory.get(), &text);
  return std::string(text, static_cast<size_t>(size));
}

// certificates: the one in question, and what may lead from it to the CA.
absl::Status Verify(const std::vector<Certificate>& certificates,
                    const std::vector<Certificate>& trusted, const std::string& cert,
                    const std::string& ca) {
  const Store store(X509_STORE_new());
  const StoreContext context(X509_STORE_CTX_new());
  const Stack between(sk_X509_new_null());
  if (store == nullptr || context == nullptr || between == nullptr) {
    return absl::ResourceExhaustedError("no memory to check certificates");
  }
  for (const Certificate& one : trusted) X509_STORE_add_cert(store.get(), one.get());
  for (size_t i = 1; i < certificates.size(); ++i) sk_X509_push(between.get(), certificates[i].get());
  X509* const subject = certificates.front().get();
  if (X509_STORE_CTX_init(context.get(), store.get(), subject, between.get()) == 1 &&
      X509_verify_cert(context.get()) == 1) {
    return absl::OkStatus();
  }
  ERR_clear_error();
  return absl::FailedPreconditionError(
      absl::StrCat(cert, " is no valid certificate of ", ca, ": ",
                   X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get())),
                   " (valid from ", Time(X509_get0_notBefore(subject)), " to ",
                   Time(X509_get0_notAfter(subject)), ")"));
}

std::vector<std::string> Uris(X509* certificate) {
  const Names names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::vector<std::string> uris;
  const int count = names == nullptr ? 0 : sk_GENERAL_NAME_num(names.get());
  for (int i = 0; i < count; ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
    uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                      static_cast<size_t>(ASN1_STRING_length(uri)));
  }
  return uris;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> CheckCertificateFiles(const std::string& ca,
                                                               const std::string& cert,
                                                               const std::string& key) {
  const absl::StatusOr<std::vector<Certificate>> trusted = ReadCertificates(ca);
  if (!trusted.ok()) return trusted.status();
  const absl::StatusOr<std::vector<Certificate>> own = ReadCertificates(cert);
  if (!own.ok()) return own.status();
  const absl::StatusOr<Key> secret = ReadKey(key);
  if (!secret.ok()) return secret.status();
  if (X509_check_private_key(own->front().get(), secret->get()) != 1) {
    ERR_clear_error();
    return absl::InvalidArgumentError(absl::StrCat(key, " is not the key of ", cert));
  }
  if (absl::Status status = Verify(*own, *trusted, cert, ca); !status.ok()) return status;
  return Uris(own->front().get());
}

}  // namespace shoal
