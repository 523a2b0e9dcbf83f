#pragma once

// Files that survive a crash: read with a limit, written whole or not at all, appended line by
// line.
//
// Paths are as the operating system takes them. Every error names the path, what was tried and the
// system's own text; its code follows errno (kNotFound, kPermissionDenied, ...). The functions are
// thread-safe as far as the file system is: two writers of one file give one of the two contents.

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace shoal {

inline constexpr size_t kDefaultMaxFileBytes = size_t{1} << 30;

// The whole file. kResourceExhausted if it has more than `max_bytes` bytes, kInvalidArgument if it
// is not a regular file (or a link to one).
absl::StatusOr<std::string> ReadFile(const std::string& path,
                                     size_t max_bytes = kDefaultMaxFileBytes);

// Replaces the file by one with this content: a temporary file of a hidden name in the same folder
// is written, synced and renamed, and the folder is synced. Whatever happens, the path holds the
// old content or the new one. On an error the temporary file is removed (a crash may leave it
// behind).
absl::Status WriteFileAtomically(const std::string& path, std::string_view content);

// Appends `line` and a newline by one write, then syncs. The file is created if need be. A last
// line without its newline, which is what a crash during a write leaves, was never acknowledged and
// is removed first; so is, where that can still be done, what this call has put there when it fails
// (the message says where it cannot). kInvalidArgument if `line` itself contains a newline. One writer at a time per file.
absl::Status AppendLineDurably(const std::string& path, std::string_view line);

// Makes names created, renamed or removed in the folder durable.
absl::Status SyncDirectory(const std::string& path);

// Renames and syncs the folder (both folders where they differ). A file at `to` is replaced, an
// empty folder too; a folder with content is not. After an error of a sync it has happened, but may
// not last.
absl::Status RenameDurably(const std::string& from, const std::string& to);

// The folder and all above it, durably; no error if it is there already.
absl::Status CreateDirectories(const std::string& path);

// The folder of a path: "a/b" -> "a", "b" -> ".", "/b" -> "/".
std::string DirectoryOf(const std::string& path);

// A folder that belongs to one process at a time. The lock is an flock on the file `.lock` inside
// it, so it ends with its holder, however that ends; the file itself stays.
class DirectoryLock {
 public:
  // kFailedPrecondition, with the holder's process id, if another holder has it.
  static absl::StatusOr<DirectoryLock> Acquire(const std::string& directory);

  DirectoryLock(DirectoryLock&& other) noexcept;
  DirectoryLock& operator=(DirectoryLock&& other) noexcept;
  ~DirectoryLock();

 private:
  explicit DirectoryLock(int fd) : fd_(fd) {}
  void Release();

  int fd_;
};

}  // namespace shoal
