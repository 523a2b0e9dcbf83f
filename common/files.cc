#include "common/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace shoal {
namespace {

// The status of the errno that was just set: "cannot open runs/a/x: No such file or directory".
absl::Status SystemError(const char* action, const std::string& path) {
  const int error = errno;
  return absl::ErrnoToStatus(error, absl::StrCat("cannot ", action, " ", path));
}

// Closes when it goes out of scope.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;

  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }
  int Take() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

int OpenFile(const std::string& path, int flags) {
  int fd;
  do {
    fd = open(path.c_str(), flags | O_CLOEXEC, 0666);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

// A name that no other writer uses at this moment. It is hidden, so that nobody who lists the
// folder takes an unfinished file for a finished one.
std::string TemporaryName(const std::string& path) {
  static std::atomic<uint64_t> counter{0};
  const std::filesystem::path whole(path);
  const std::string name = absl::StrCat(".", whole.filename().string(), ".tmp.", getpid(), ".",
                                        counter.fetch_add(1, std::memory_order_relaxed));
  return (whole.parent_path() / name).string();
}

// Where the last complete line of the file ends, 0 if it has none; negative on an error.
off_t EndOfLastLine(int fd, off_t size) {
  char buffer[4096];
  off_t end = size;
  while (end > 0) {
    const size_t wanted = static_cast<size_t>(std::min<off_t>(end, sizeof(buffer)));
    const ssize_t got = pread(fd, buffer, wanted, end - static_cast<off_t>(wanted));
    if (got < 0 && errno == EINTR) continue;
    if (got != static_cast<ssize_t>(wanted)) return -1;
    for (size_t i = wanted; i > 0; --i) {
      if (buffer[i - 1] == '\n') return end - static_cast<off_t>(wanted - i);
    }
    end -= static_cast<off_t>(wanted);
  }
  return 0;
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes) {
  // O_NONBLOCK: opening a pipe that nobody writes must be refused, not waited for.
  FileDescriptor file(OpenFile(path, O_RDONLY | O_NONBLOCK));
  if (!file.ok()) return SystemError("open", path);
  struct stat info;
  if (fstat(file.get(), &info) != 0) return SystemError("examine", path);
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is not a file"));
  }
  std::string content;
  content.resize(std::min(static_cast<size_t>(info.st_size), max_bytes) + 1);
  size_t size = 0;
  // The file may grow while it is read: the end is where read says so, not where fstat did.
  while (true) {
    const ssize_t got = read(file.get(), content.data() + size, content.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError("read", path);
    if (got == 0) break;
    size += static_cast<size_t>(got);
    if (size > max_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat(path, " has more than ", max_bytes, " bytes, the limit here"));
    }
    if (size == content.size()) content.resize(std::min(2 * size, max_bytes) + 1);
  }
  content.resize(size);
  return content;
}

absl::Status WriteFileAtomically(const std::string& path, std::string_view content) {
  std::string temporary;
  int fd;
  do {
    temporary = TemporaryName(path);
    fd = OpenFile(temporary, O_WRONLY | O_CREAT | O_EXCL);
  } while (fd < 0 && errno == EEXIST);  // Left behind by a crashed process with our id.
  if (fd < 0) return SystemError("create a temporary file for", path);

  FileDescriptor file(fd);
  absl::Status status;
  if (!WriteAll(fd, content)) {
    status = SystemError("write", path);
  } else if (fsync(fd) != 0) {
    status = SystemError("sync", path);
  } else if (close(file.Take()) != 0) {
    status = SystemError("close", path);
  } else if (rename(temporary.c_str(), path.c_str()) != 0) {
    status = SystemError("replace", path);
  }
  if (!status.ok()) {
    unlink(temporary.c_str());
    return status;
  }
  return SyncDirectory(DirectoryOf(path));
}

absl::Status AppendLineDurably(const std::string& path, std::string_view line) {
  if (line.find('\n') != std::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("a line for ", path, " contains a newline; lines are appended one at a time"));
  }
  const int fd = OpenFile(path, O_RDWR | O_APPEND | O_CREAT);
  if (fd < 0) return SystemError("open", path);
  FileDescriptor file(fd);
  struct stat info;
  if (fstat(fd, &info) != 0) return SystemError("examine", path);
  const off_t end = EndOfLastLine(fd, info.st_size);
  if (end < 0) return SystemError("read", path);
  if (end != info.st_size && ftruncate(fd, end) != 0) {
    return SystemError("remove an unfinished line from", path);
  }

  // What is not acknowledged must not be there when the caller tries again.
  const auto take_back = [&](absl::Status status) {
    if (ftruncate(fd, end) == 0) return status;
    return absl::Status(status.code(),
                        absl::StrCat(status.message(), "; an unfinished line is left in it"));
  };
  std::string whole(line);
  whole.push_back('\n');
  ssize_t written;
  do {
    written = write(fd, whole.data(), whole.size());
  } while (written < 0 && errno == EINTR);
  if (written != static_cast<ssize_t>(whole.size())) {
    if (written >= 0) errno = ENOSPC;  // A short write to a file means that its disk is full.
    const absl::Status status = SystemError("append to", path);
    return written > 0 ? take_back(status) : status;
  }
  if (fsync(fd) != 0) return take_back(SystemError("sync", path));
  // Who made the file may have ended before its name was synced.
  const absl::Status status = SyncDirectory(DirectoryOf(path));
  return status.ok() ? status : take_back(status);
}

absl::Status SyncDirectory(const std::string& path) {
  FileDescriptor directory(OpenFile(path, O_RDONLY | O_DIRECTORY));
  if (!directory.ok()) return SystemError("open folder", path);
  if (fsync(directory.get()) != 0) return SystemError("sync folder", path);
  return absl::OkStatus();
}

absl::Status RenameDurably(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) {
    return SystemError("rename", absl::StrCat(from, " to ", to));
  }
  const std::string to_directory = DirectoryOf(to);
  if (absl::Status status = SyncDirectory(to_directory); !status.ok()) return status;
  const std::string from_directory = DirectoryOf(from);
  return from_directory == to_directory ? absl::OkStatus() : SyncDirectory(from_directory);
}

absl::Status CreateDirectories(const std::string& path) {
  std::error_code error;
  const std::string whole = path.size() > 1 && path.back() == '/' ? path.substr(0, path.size() - 1) : path;
  const std::string parent = DirectoryOf(whole);
  const std::filesystem::file_status there = std::filesystem::status(path, error);
  if (std::filesystem::is_directory(there)) {
    // Who made it may have ended before its name was synced; the names above it were synced before. A
    // parent that may not be read is not of our making.
    const absl::Status status = SyncDirectory(parent);
    return absl::IsPermissionDenied(status) ? absl::OkStatus() : status;
  }
  if (std::filesystem::exists(there)) {
    return absl::FailedPreconditionError(absl::StrCat(path, " exists and is not a folder"));
  }
  if (parent != whole) {
    if (absl::Status status = CreateDirectories(parent); !status.ok()) return status;
  }
  if (mkdir(path.c_str(), 0777) != 0) {
    absl::Status status = SystemError("create folder", path);
    // Another process may be making it too.
    return std::filesystem::is_directory(path, error) ? SyncDirectory(parent) : status;
  }
  return SyncDirectory(parent);
}

std::string DirectoryOf(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

absl::StatusOr<DirectoryLock> DirectoryLock::Acquire(const std::string& directory) {
  const std::string path = (std::filesystem::path(directory) / ".lock").string();
  FileDescriptor file(OpenFile(path, O_RDWR | O_CREAT));
  if (!file.ok()) return SystemError("open lock file", path);
  if (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return SystemError("lock", path);
    char buffer[32];
    const ssize_t got = pread(file.get(), buffer, sizeof(buffer), 0);
    // The holder writes its id right after it has locked, so the file may still be empty.
    int64_t pid = 0;
    const bool known = got > 0 && absl::SimpleAtoi(absl::string_view(buffer, got), &pid);
    return absl::FailedPreconditionError(absl::StrCat(
        directory, " is in use by ", known ? absl::StrCat("process ", pid) : "another process",
        " (it holds ", path, "); wait for it, stop it, or use another folder"));
  }
  const std::string pid = absl::StrCat(getpid(), "\n");
  if (ftruncate(file.get(), 0) != 0 ||
      pwrite(file.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return SystemError("write lock file", path);
  }
  return DirectoryLock(file.Take());
}

DirectoryLock::DirectoryLock(DirectoryLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

DirectoryLock& DirectoryLock::operator=(DirectoryLock&& other) noexcept {
  if (this != &other) {
    Release();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

DirectoryLock::~DirectoryLock() { Release(); }

void DirectoryLock::Release() {
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

}  // namespace shoal
