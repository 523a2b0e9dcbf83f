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

constexpr int64_t kPageBytes = 4096;

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

void RawWrite(const std::string& path, const std::string& content, bool append) {
  const int fd =
      static_cast<int>(syscall(SYS_openat, AT_FDCWD, path.c_str(),
                               O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC) | O_CLOEXEC, 0644));
  if (fd < 0) return;
  for (size_t done = 0; done < content.size();) {
    const long put = syscall(SYS_write, fd, content.data() + done, content.size() - done);
    if (put <= 0) break;
    done += put;
  }
  syscall(SYS_close, fd);
}

Unsynced::Kept Unsynced::Durable(const std::string& path) const {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) return {};
  if (S_ISDIR(info.st_mode)) return {Kept::Kind::kFolder, ""};
  const auto dirty = contents_.find(path);
  return {Kept::Kind::kFile, dirty != contents_.end() ? dirty->second.durable : RawRead(path)};
}

void Unsynced::Changing(const std::string& path) {
  if (contents_.count(path) == 0) contents_[path].durable = RawRead(path);
}

void Unsynced::Changed(const std::string& path, int64_t offset, size_t bytes) {
  const int64_t end = offset + static_cast<int64_t>(bytes);
  std::set<int64_t>& dirty = contents_[path].dirty;
  for (int64_t page = offset / kPageBytes; page * kPageBytes < end; ++page) dirty.insert(page);
}

void Unsynced::ChangedAll(const std::string& path) {
  Changed(path, 0, contents_[path].durable.size());
}

void Unsynced::Created(const std::string& path) {
  contents_[path] = Content();
  names_.push_back({Kind::kCreated, path, "", {}});
}

void Unsynced::MadeFolder(const std::string& path) {
  names_.push_back({Kind::kMadeFolder, path, "", {}});
}

void Unsynced::Synced(const std::string& path) {
  if (const auto found = contents_.find(path); found != contents_.end()) {
    Content& content = found->second;
    if (content.lost) {
      const std::string now = RawRead(path);
      content.durable.resize(now.size());
      for (const int64_t page : content.dirty) {
        const size_t from = std::min(static_cast<size_t>(page * kPageBytes), now.size());
        content.durable.replace(from, kPageBytes, now, from, kPageBytes);
      }
      content.dirty.clear();
    } else {
      contents_.erase(found);
    }
  }
  names_.erase(std::remove_if(names_.begin(), names_.end(),
                              [&](const Change& change) { return FolderOf(change.path) == path; }),
               names_.end());
}

void Unsynced::SyncFailed(const std::string& path) {
  const auto found = contents_.find(path);
  if (found == contents_.end() || found->second.dirty.empty()) return;
  found->second.dirty.clear();
  found->second.lost = true;
}

void Unsynced::Removed(const std::string& path, Kept kept) {
  contents_.erase(path);
  names_.push_back({Kind::kRemoved, path, "", std::move(kept)});
}

void Unsynced::Renamed(const std::string& from, const std::string& to, Kept kept) {
  contents_.erase(to);
  Move(from, to, names_.size());
  // `path` is the new name: a sync of its folder makes the change durable.
  names_.push_back({Kind::kRenamed, to, from, std::move(kept)});
}

void Unsynced::Exchanged(const std::string& first, const std::string& second) {
  const std::string aside = first + "\n";
  Move(first, aside, names_.size());
  Move(second, first, names_.size());
  Move(aside, second, names_.size());
  names_.push_back({Kind::kExchanged, first, second, {}});
}

void Unsynced::Move(const std::string& from, const std::string& to, size_t last) {
  const auto below = [&](const std::string& path) {
    return path.compare(0, from.size() + 1, from + "/") == 0;
  };
  const auto moved = [&](const std::string& path) { return to + path.substr(from.size()); };
  std::map<std::string, Content> contents;
  for (auto& [path, content] : contents_) {
    contents[path == from || below(path) ? moved(path) : path] = std::move(content);
  }
  contents_ = std::move(contents);
  // Not what happened to the name itself: that is undone after it has its old name again.
  for (size_t i = 0; i < last; ++i) {
    for (std::string* path : {&names_[i].path, &names_[i].other}) {
      if (below(*path)) *path = moved(*path);
    }
  }
}

void Unsynced::Restore(const std::string& path, const Kept& kept) {
  if (kept.kind == Kept::Kind::kFile) RawWrite(path, kept.content);
  if (kept.kind == Kept::Kind::kFolder) syscall(SYS_mkdirat, AT_FDCWD, path.c_str(), 0755);
}

void Unsynced::Undo() {
  for (const auto& [path, content] : contents_) {
    if (Exists(path)) RawWrite(path, content.durable);
  }
  contents_.clear();
  for (size_t i = names_.size(); i > 0; --i) {
    const Change change = std::move(names_[i - 1]);
    switch (change.kind) {
      case Kind::kCreated:
        syscall(SYS_unlinkat, AT_FDCWD, change.path.c_str(), 0);
        break;
      case Kind::kMadeFolder:
        RemoveAll(change.path);
        break;
      case Kind::kRemoved:
        Restore(change.path, change.kept);
        break;
      case Kind::kRenamed:
        RawRename(change.path, change.other, 0);
        Move(change.path, change.other, i - 1);
        Restore(change.path, change.kept);
        break;
      case Kind::kExchanged: {
        RawRename(change.path, change.other, RENAME_EXCHANGE);
        const std::string aside = change.path + "\n";
        Move(change.path, aside, i - 1);
        Move(change.other, change.path, i - 1);
        Move(aside, change.other, i - 1);
        break;
      }
    }
  }
  names_.clear();
}

}  // namespace shoal::file_faults
