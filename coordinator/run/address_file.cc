#include "coordinator/run/address_file.h"

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/files.h"

namespace shoal {
namespace {

namespace fs = std::filesystem;

constexpr const char* kName = "coordinator.address";
constexpr const char* kUnix = "unix:";
// Longer than any address.
constexpr size_t kMostBytes = 1024;

}  // namespace

absl::StatusOr<AddressFile> AddressFile::Write(const std::string& run_dir,
                                               const std::string& address) {
  std::string text = address;
  if (absl::StartsWith(text, kUnix)) {
    std::error_code error;
    const fs::path path = fs::absolute(text.substr(std::string(kUnix).size()), error);
    if (!error) text = absl::StrCat(kUnix, path.string());
  }
  const std::string file = absl::StrCat(run_dir, "/", kName);
  if (absl::Status s = WriteFileAtomically(file, absl::StrCat(text, "\n")); !s.ok()) return s;
  return AddressFile(file);
}

AddressFile::~AddressFile() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove(path_, ignored);
}

absl::StatusOr<std::string> ReadAddressFile(const std::string& run_dir) {
  const std::string file = absl::StrCat(run_dir, "/", kName);
  auto text = ReadFile(file, kMostBytes);
  if (!text.ok()) return text.status();
  const std::string address(absl::StripSuffix(*text, "\n"));
  if (address.empty() || address.find('\n') != std::string::npos) {
    return absl::DataLossError(absl::StrCat(file, " is no address; give --coordinator ADDRESS"));
  }
  return address;
}

}  // namespace shoal
