#include "common/rpc_options.h"

#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/logging.h"
#include "common/rpc.h"
#include "common/rpc_tls.h"

namespace shoal {
namespace {

bool Exists(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0;
}

TlsFiles FilesIn(const std::string& folder) {
  TlsFiles files;
  files.ca = absl::StrCat(folder, "/ca.pem");
  files.cert = absl::StrCat(folder, "/cert.pem");
  files.key = absl::StrCat(folder, "/key.pem");
  return files;
}

absl::StatusOr<TlsFiles> FindIn(const std::string& folder, std::span<const Role> own) {
  std::vector<std::string> looked = {folder};
  for (const Role role : own) looked.push_back(absl::StrCat(folder, "/", RoleName(role)));
  for (const std::string& place : looked) {
    if (Exists(absl::StrCat(place, "/cert.pem"))) return FilesIn(place);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--tls_dir ", folder, ": there is no cert.pem in ", absl::StrJoin(looked, " or "),
                   "; deploy/certificates/make.sh makes certificates"));
}

// None: the options ask for no TLS.
absl::StatusOr<std::optional<TlsFiles>> FindFiles(const SecurityOptions& options,
                                                  std::span<const Role> own) {
  const bool any = !options.tls_ca.empty() || !options.tls_cert.empty() || !options.tls_key.empty();
  const bool all = !options.tls_ca.empty() && !options.tls_cert.empty() && !options.tls_key.empty();
  if (!options.tls_dir.empty()) {
    if (any) {
      return absl::InvalidArgumentError(
          "--tls_dir names all files; give no --tls_ca, --tls_cert or --tls_key with it");
    }
    auto files = FindIn(options.tls_dir, own);
    if (!files.ok()) return files.status();
    return std::optional<TlsFiles>(*std::move(files));
  }
  if (!any) return std::optional<TlsFiles>();
  if (!all) {
    return absl::InvalidArgumentError(
        "--tls_ca, --tls_cert and --tls_key go together: both sides have a certificate");
  }
  TlsFiles files;
  files.ca = options.tls_ca;
  files.cert = options.tls_cert;
  files.key = options.tls_key;
  return std::optional<TlsFiles>(std::move(files));
}

void WarnOfOpenKey(const std::string& key) {
  struct stat info;
  if (stat(key.c_str(), &info) == 0 && (info.st_mode & S_IROTH) != 0) {
    LogWarning("everybody on this machine can read the key; chmod 600 it", {{"key", key}});
  }
}

}  // namespace

void AddSecurityOptions(CLI::App& app, SecurityOptions& options, bool serves) {
  app.add_option("--tls_dir", options.tls_dir,
                 "mutual TLS with ca.pem, cert.pem and key.pem of this folder, or of its folder named "
                 "after the program's role")
      ->type_name("DIR");
  app.add_option("--tls_ca", options.tls_ca, "instead of --tls_dir: the CA's certificates, PEM")
      ->type_name("FILE");
  app.add_option("--tls_cert", options.tls_cert, "this program's certificate, PEM")
      ->type_name("FILE");
  app.add_option("--tls_key", options.tls_key, "the certificate's key, PEM")->type_name("FILE");
  app.add_flag("--allow_insecure", options.allow_insecure,
               "without TLS: speak in plain text with other machines, too");
  if (!serves) return;
  app.add_option("--reflection", options.reflection,
                 "tell clients what can be called: on, off, or auto (where only this machine can "
                 "connect)")
      ->check(CLI::IsMember({"on", "off", "auto"}))
      ->capture_default_str();
}

absl::Status SetUpSecurity(const SecurityOptions& options, std::span<const Role> own) {
  RpcSecurity security;
  security.allow_insecure = options.allow_insecure;
  security.reflection = options.reflection == "on"    ? Reflection::kOn
                        : options.reflection == "off" ? Reflection::kOff
                                                      : Reflection::kAuto;
  const auto files = FindFiles(options, own);
  if (!files.ok()) return files.status();
  if (*files) {
    auto tls = Tls::Load(**files);
    if (!tls.ok()) return tls.status();
    const std::vector<Role>& roles = (*tls)->roles();
    if (std::find_first_of(own.begin(), own.end(), roles.begin(), roles.end()) == own.end()) {
      return absl::InvalidArgumentError(absl::StrCat((*files)->cert, " has the roles ",
                                                     RoleNames(roles), "; this program needs ",
                                                     RoleNames(own)));
    }
    WarnOfOpenKey((*files)->key);
    security.tls = *std::move(tls);
  }
  SetRpcSecurity(std::move(security));
  return absl::OkStatus();
}

std::vector<std::string> SecurityArguments(const SecurityOptions& options) {
  std::vector<std::string> arguments;
  const auto add = [&arguments](const char* name, const std::string& value) {
    if (!value.empty()) arguments.push_back(absl::StrCat(name, "=", value));
  };
  add("--tls_dir", options.tls_dir);
  add("--tls_ca", options.tls_ca);
  add("--tls_cert", options.tls_cert);
  add("--tls_key", options.tls_key);
  return arguments;
}

}  // namespace shoal
