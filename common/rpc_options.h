// The options that say how a program's servers and channels are protected: the same in all programs.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/rpc_roles.h"

namespace CLI {
class App;
}  // namespace CLI

namespace shoal {

struct SecurityOptions {
  // A folder with ca.pem, cert.pem and key.pem, or with such folders by role; "": none.
  std::string tls_dir;
  // Instead of a folder: the three files.
  std::string tls_ca;
  std::string tls_cert;
  std::string tls_key;
  bool allow_insecure = false;
  std::string reflection = "auto";
};

// Registers --tls_dir, --tls_ca, --tls_cert, --tls_key and --allow_insecure, and --reflection for a
// program that serves. The options must outlive parsing.
void AddSecurityOptions(CLI::App& app, SecurityOptions& options, bool serves);

// Loads the certificate and sets what the process uses from here on (SetRpcSecurity); before the first
// server and channel. own: the program's roles; the certificate must have one of them.
// - kInvalidArgument: options that do not go together, or a certificate of another role.
// - Those of Tls::Load.
absl::Status SetUpSecurity(const SecurityOptions& options, std::span<const Role> own);

// The options for the command line of a program that this one starts.
std::vector<std::string> SecurityArguments(const SecurityOptions& options);

}  // namespace shoal
