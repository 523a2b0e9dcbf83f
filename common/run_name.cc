#include "common/run_name.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/printable.h"

namespace shoal {
namespace {

constexpr size_t kLongest = 128;

bool IsNameCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.';
}

}  // namespace

absl::Status CheckRunName(const std::string& name) {
  const bool ok = !name.empty() && name.size() <= kLongest && name[0] != '.' && name[0] != '-' &&
                  std::all_of(name.begin(), name.end(), IsNameCharacter);
  if (ok) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--run_name ", Printable(name, kLongest),
                   ": accepted are up to 128 letters, digits, '_', '-' and '.', not beginning with "
                   "'-' or '.'"));
}

absl::StatusOr<std::string> RunFolder(const std::string& folder, const std::string& name) {
  if (absl::Status status = CheckRunName(name); !status.ok()) return status;
  return absl::StrCat(folder, "/", name);
}

}  // namespace shoal
