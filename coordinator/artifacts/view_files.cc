#include "coordinator/artifacts/view_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <filesystem>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace shoal {
namespace {

// The status of the errno that was just set.
absl::Status SystemError(const char* action, const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot ", action, " ", path));
}

int OpenFile(const std::string& path, int flags) {
  int fd;
  do {
    fd = open(path.c_str(), flags | O_CLOEXEC, 0666);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

// A write to a file is short only where the disk is full; the next one then says so.
bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

absl::Status WriteAndClose(int fd, const std::string& content, const std::string& path) {
  absl::Status status;
  if (!WriteAll(fd, content)) status = SystemError("write", path);
  if (close(fd) != 0 && status.ok()) status = SystemError("close", path);
  return status;
}

}  // namespace

absl::Status AppendLine(const std::string& path, const std::string& line) {
  return AppendBytes(path, line + "\n");
}

absl::Status AppendBytes(const std::string& path, const std::string& bytes) {
  const int fd = OpenFile(path, O_WRONLY | O_APPEND | O_CREAT);
  if (fd < 0) return SystemError("open", path);
  return WriteAndClose(fd, bytes, path);
}

absl::Status ReplaceFile(const std::string& path, const std::string& content) {
  const std::filesystem::path whole(path);
  const std::string temporary =
      (whole.parent_path() / absl::StrCat(".", whole.filename().string(), ".tmp")).string();
  const int fd = OpenFile(temporary, O_WRONLY | O_CREAT | O_TRUNC);
  if (fd < 0) return SystemError("create a temporary file for", path);
  absl::Status status = WriteAndClose(fd, content, path);
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0) {
    status = SystemError("replace", path);
  }
  if (!status.ok()) unlink(temporary.c_str());
  return status;
}

absl::Status SyncFile(const std::string& path) {
  const int fd = OpenFile(path, O_RDONLY);
  if (fd < 0) return SystemError("open", path);
  absl::Status status;
  if (fsync(fd) != 0) status = SystemError("sync", path);
  close(fd);
  return status;
}

}  // namespace shoal
