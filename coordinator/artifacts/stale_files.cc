#include "coordinator/artifacts/stale_files.h"

#include <errno.h>
#include <signal.h>

#include <filesystem>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace shoal {
namespace {

// The process of ".NAME.tmp.PID.N"; 0: the name is not of that form.
pid_t OwnerOf(const std::string& name) {
  const std::vector<std::string> parts = absl::StrSplit(name, '.');
  const size_t count = parts.size();
  if (count < 5 || !parts[0].empty() || parts[count - 3] != "tmp") return 0;
  int32_t pid = 0;
  uint64_t number = 0;
  if (!absl::SimpleAtoi(parts[count - 2], &pid) || !absl::SimpleAtoi(parts[count - 1], &number)) {
    return 0;
  }
  return pid > 0 ? pid : 0;
}

bool IsGone(pid_t pid) { return kill(pid, 0) != 0 && errno == ESRCH; }

}  // namespace

absl::StatusOr<int> RemoveStaleFiles(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code error;
  std::vector<fs::path> stale;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const pid_t owner = OwnerOf(entry->path().filename());
    if (owner > 0 && IsGone(owner)) stale.push_back(entry->path());
  }
  if (error == std::errc::no_such_file_or_directory) return 0;
  if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat("cannot list ", folder));
  for (const fs::path& path : stale) {
    fs::remove_all(path, error);
    if (error) {
      return absl::ErrnoToStatus(error.value(), absl::StrCat("cannot remove ", path.string()));
    }
  }
  return static_cast<int>(stale.size());
}

}  // namespace shoal
