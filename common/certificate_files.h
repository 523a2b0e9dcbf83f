// Looks at PEM files of certificates before they are used, so that what is wrong with them is said in
// words rather than by failing handshakes. Thread safe.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace shoal {

// The URIs among the certificate's alternative names.
// - kNotFound and others after errno: a file cannot be read.
// - kInvalidArgument: it holds no certificate or key, or the key is not the certificate's.
// - kFailedPrecondition: the certificate does not lead to one of the CA's, or is not valid now.
absl::StatusOr<std::vector<std::string>> CheckCertificateFiles(const std::string& ca,
                                                               const std::string& cert,
                                                               const std::string& key);

}  // namespace shoal
