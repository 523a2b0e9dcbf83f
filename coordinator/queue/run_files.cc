#include "coordinator/queue/run_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/printable.h"

namespace shoal {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLongestPath = 1024;
constexpr size_t kMostFiles = 200'000;
// What SQLite keeps while a database is open, and where a coordinator listens: of no use elsewhere.
constexpr const char* kOfNoUse[] = {"run.db-shm", "coordinator.address"};

absl::Status Denied(const std::string& path, const char* why) {
  return absl::InvalidArgumentError(
      absl::StrCat("file \"", Printable(path, kLongestPath), "\": ", why));
}

absl::Status OpenError(const std::string& path) {
  if (errno == ELOOP || errno == ENOTDIR) return Denied(path, "leads over a link");
  return absl::ErrnoToStatus(errno, absl::StrCat("file \"", path, "\""));
}

}  // namespace

absl::Status CheckRunFilePath(const std::string& path) {
  if (path.empty() || path.size() > kLongestPath || !IsPrintable(path)) {
    return Denied(path, "is no path of a file");
  }
  for (const absl::string_view name : absl::StrSplit(path, '/')) {
    if (name.empty() || absl::StartsWith(name, ".")) {
      return Denied(path, "has a name that is empty or begins with '.'");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<v1::RunFile>> ListRunFiles(const std::string& run_dir) {
  std::vector<v1::RunFile> files;
  std::error_code error;
  // It does not follow links to folders.
  fs::recursive_directory_iterator it(run_dir, error);
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    const fs::file_status status = it->symlink_status(error);
    if (error) break;
    const std::string path = it->path().lexically_relative(run_dir).generic_string();
    if (!CheckRunFilePath(path).ok()) {
      if (fs::is_directory(status)) it.disable_recursion_pending();
      continue;
    }
    if (!fs::is_regular_file(status) ||
        std::find(std::begin(kOfNoUse), std::end(kOfNoUse), path) != std::end(kOfNoUse)) {
      continue;
    }
    if (files.size() == kMostFiles) {
      return absl::ResourceExhaustedError(
          absl::StrCat(run_dir, " has more than ", kMostFiles, " files"));
    }
    v1::RunFile& file = files.emplace_back();
    file.set_path(path);
    file.set_size_bytes(static_cast<int64_t>(it->file_size(error)));
    if (error) break;
  }
  if (error) return absl::InternalError(absl::StrCat(run_dir, ": ", error.message()));
  std::sort(files.begin(), files.end(),
            [](const v1::RunFile& a, const v1::RunFile& b) { return a.path() < b.path(); });
  return files;
}

absl::StatusOr<RunFileReader> RunFileReader::Open(const std::string& run_dir,
                                                  const std::string& path) {
  if (absl::Status status = CheckRunFilePath(path); !status.ok()) return status;
  int folder = open(run_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return absl::ErrnoToStatus(errno, run_dir);
  const std::vector<std::string> names = absl::StrSplit(path, '/');
  // Name by name, so that no link on the way is followed, whoever puts it there meanwhile.
  for (size_t i = 0; i + 1 < names.size(); ++i) {
    const int next =
        openat(folder, names[i].c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    const absl::Status status = next < 0 ? OpenError(path) : absl::OkStatus();
    close(folder);
    if (!status.ok()) return status;
    folder = next;
  }
  // A pipe would block without O_NONBLOCK.
  const int fd =
      openat(folder, names.back().c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  const absl::Status status = fd < 0 ? OpenError(path) : absl::OkStatus();
  close(folder);
  if (!status.ok()) return status;
  RunFileReader reader(fd, path);
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return Denied(path, "is no regular file");
  return reader;
}

RunFileReader::~RunFileReader() {
  if (fd_ >= 0) close(fd_);
}

absl::Status RunFileReader::Read(size_t most, const std::function<bool(std::string_view)>& take) {
  std::string buffer(most, '\0');
  off_t at = 0;
  while (true) {
    const ssize_t got = pread(fd_, buffer.data(), buffer.size(), at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::ErrnoToStatus(errno, absl::StrCat("reading \"", path_, "\""));
    if (got == 0) return absl::OkStatus();
    at += got;
    if (!take(std::string_view(buffer.data(), static_cast<size_t>(got)))) return absl::OkStatus();
  }
}

}  // namespace shoal
