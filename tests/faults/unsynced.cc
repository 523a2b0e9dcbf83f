#include "tests/faults/unsynced.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

namespace shoal::file_faults {
namespace {

std::string FolderOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

bool Exists(const std::string& path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0;
}

void RawRename(const std::string& from, const std::string& to, unsigned flags) {
  syscall(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags);
}

// With what is in it: nothing in a folder outlives the folder's name.
void RemoveAll(const std::string& path) {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

}  // namespace

std::string RawRead(const std::string& path) {
  std::string content;
  const int fd = static_cast<int>(syscall(SYS_openat, AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC, 0));
  if (fd < 0) return content;
  char buffer[65536];
  for (long got; (got = syscall(SYS_read, fd, buffer, sizeof(buffer))) > 0;) content.append(buffer, got);
  syscall(SYS_close, fd);
  return content;
}

void RawWrite(const std::string& path, const std::string& content) {
  const int fd = static_cast<int>(syscall(SYS_openat, AT_FDCWD, path.c_str(),
                                          O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (fd < 0) return;
  for (size_t done = 0; done < content.size();) {
    const long put = syscall(SYS_write, fd, content.data() + done, content.size() - done);
    if (put <= 0) break;
    done += put;
  }
  syscall(SYS_close, fd);
}

void Unsynced::Changing(const std::string& path) {
  if (contents_.count(path) == 0) contents_[path] = RawRead(path);
}

void Unsynced::Created(const std::string& path) {
  contents_[path] = "";
  names_.push_back({Kind::kCreated, path, "", false, ""});
}

void Unsynced::MadeFolder(const std::string& path) {
  names_.push_back({Kind::kMadeFolder, path, "", false, ""});
}

void Unsynced::Synced(const std::string& path) {
  contents_.erase(path);
  names_.erase(std::remove_if(names_.begin(), names_.end(),
                              [&](const Change& change) { return FolderOf(change.path) == path; }),
               names_.end());
}

void Unsynced::Removing(const std::string& path) {
  Change change{Kind::kRemoved, path, "", true, ""};
  const auto dirty = contents_.find(path);
  change.content = dirty != contents_.end() ? dirty->second : RawRead(path);
  contents_.erase(path);
  names_.push_back(std::move(change));
}

void Unsynced::RemovingFolder(const std::string& path) {
  names_.push_back({Kind::kRemovedFolder, path, "", false, ""});
}

void Unsynced::Renaming(const std::string& from, const std::string& to) {
  // `path` is the new name: a sync of its folder makes the change durable.
  Change change{Kind::kRenamed, to, from, false, ""};
  struct stat info;
  if (lstat(to.c_str(), &info) == 0 && S_ISREG(info.st_mode)) {
    const auto dirty = contents_.find(to);
    change.had_content = true;
    change.content = dirty != contents_.end() ? dirty->second : RawRead(to);
    contents_.erase(to);
  }
  Move(from, to);
  names_.push_back(std::move(change));
}

void Unsynced::Exchanged(const std::string& first, const std::string& second) {
  const std::string aside = first + "\n";
  Move(first, aside);
  Move(second, first);
  Move(aside, second);
  names_.push_back({Kind::kExchanged, first, second, false, ""});
}

void Unsynced::Move(const std::string& from, const std::string& to) {
  const auto moved = [&](const std::string& path) {
    if (path == from) return to;
    if (path.compare(0, from.size() + 1, from + "/") == 0) return to + path.substr(from.size());
    return path;
  };
  std::map<std::string, std::string> contents;
  for (auto& [path, content] : contents_) contents[moved(path)] = std::move(content);
  contents_ = std::move(contents);
  // Changes inside a renamed folder are undone after the folder has its old name again, but are
  // found by the new one when it is synced; both names lead to them.
  for (Change& change : names_) {
    if (FolderOf(change.path) == from || FolderOf(change.path).compare(0, from.size() + 1, from + "/") == 0) {
      change.path = moved(change.path);
      if (!change.other.empty()) change.other = moved(change.other);
    }
  }
}

void Unsynced::Undo() {
  for (const auto& [path, content] : contents_) {
    if (Exists(path)) RawWrite(path, content);
  }
  for (auto change = names_.rbegin(); change != names_.rend(); ++change) {
    switch (change->kind) {
      case Kind::kCreated:
        syscall(SYS_unlinkat, AT_FDCWD, change->path.c_str(), 0);
        break;
      case Kind::kMadeFolder:
        RemoveAll(change->path);
        break;
      case Kind::kRemoved:
        RawWrite(change->path, change->content);
        break;
      case Kind::kRemovedFolder:
        syscall(SYS_mkdirat, AT_FDCWD, change->path.c_str(), 0755);
        break;
      case Kind::kRenamed:
        RawRename(change->path, change->other, 0);
        for (auto earlier = change + 1; earlier != names_.rend(); ++earlier) {
          if (FolderOf(earlier->path) == change->path) {
            earlier->path = change->other + earlier->path.substr(change->path.size());
          }
        }
        if (change->had_content) RawWrite(change->path, change->content);
        break;
      case Kind::kExchanged:
        RawRename(change->path, change->other, RENAME_EXCHANGE);
        break;
    }
  }
  contents_.clear();
  names_.clear();
}

}  // namespace shoal::file_faults
