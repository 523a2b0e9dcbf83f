// RUN/coordinator.address: where the run's coordinator listens, for as long as it does, so that a
// run's name is enough to ask it. A coordinator that is killed leaves the file behind; the next one
// replaces it. Only the holder of the run's lock writes or removes it.
#pragma once

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace shoal {

// Not thread safe.
class AddressFile {
 public:
  // `address` as RpcServer::address() has it; a relative path of a Unix socket is made absolute.
  // Errors are those of WriteFileAtomically.
  static absl::StatusOr<AddressFile> Write(const std::string& run_dir, const std::string& address);
  // Removes the file.
  ~AddressFile();
  AddressFile(AddressFile&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  AddressFile& operator=(AddressFile&&) = delete;

 private:
  explicit AddressFile(std::string path) : path_(std::move(path)) {}

  std::string path_;  // "": moved from.
};

// What the file says. NotFound: there is none, so no coordinator listens. DataLoss: it is no address.
absl::StatusOr<std::string> ReadAddressFile(const std::string& run_dir);

}  // namespace shoal
