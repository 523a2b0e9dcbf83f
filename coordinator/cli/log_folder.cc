#include "coordinator/cli/log_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace shoal {
namespace {

namespace fs = std::filesystem;

constexpr size_t kChunk = 1 << 16;

absl::Status FileError(const std::string& path, int error) {
  return absl::ErrnoToStatus(error, absl::StrCat("cannot read ", path));
}

}  // namespace

LogFolder::~LogFolder() {
  for (const auto& file : files_) {
    if (file->fd >= 0) close(file->fd);
  }
}

absl::Status LogFolder::Open(File& file) const {
  if (file.fd >= 0) close(file.fd);
  file.fd = open(file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat about {};
  if (file.fd < 0 || fstat(file.fd, &about) != 0) return FileError(file.path, errno);
  if (!S_ISREG(about.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(file.path, " is no file that can be read as a log"));
  }
  file.inode = about.st_ino;
  file.offset = 0;
  file.buffer.clear();
  file.begin = file.searched = 0;
  return absl::OkStatus();
}

absl::Status LogFolder::Add(const std::string& name, const std::string& path) {
  auto file = std::make_unique<File>();
  file->name = name;
  file->path = path;
  if (absl::Status status = Open(*file); !status.ok()) return status;
  files_.push_back(std::move(file));
  return absl::OkStatus();
}

absl::Status LogFolder::Refresh() {
  std::error_code error;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder_, error)) {
    if (entry.path().extension() == ".log") found.push_back(entry.path());
  }
  if (error) return absl::NotFoundError(absl::StrCat(folder_, ": ", error.message()));
  std::sort(found.begin(), found.end());
  for (const fs::path& path : found) {
    const auto known = std::find_if(files_.begin(), files_.end(), [&](const auto& file) {
      return file->path == path.string();
    });
    if (known == files_.end()) {
      if (absl::Status status = Add(path.stem().string(), path.string()); !status.ok()) return status;
      continue;
    }
    struct stat about {};
    // One that goes just now is missed as one that is gone.
    if (stat(path.c_str(), &about) != 0) continue;
    if (about.st_ino != (*known)->inode || about.st_size < (*known)->offset) {
      if (absl::Status status = Open(**known); !status.ok()) return status;
    }
  }
  for (size_t i = 0; i < files_.size(); ++i) {
    if (!files_[i]->head) without_head_.insert(i);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::string>> LogFolder::TakeLine(File& file, bool last) const {
  while (true) {
    const size_t end = std::min(file.buffer.find('\n', file.searched), file.buffer.size());
    const bool whole = end < file.buffer.size();
    const size_t length = std::min(end - file.begin, kLongestLine);
    if (whole || length == kLongestLine) {
      std::string line = file.buffer.substr(file.begin, length);
      file.begin += length == end - file.begin && whole ? length + 1 : length;
      file.searched = file.begin;
      return line;
    }
    file.buffer.erase(0, file.begin);
    file.begin = 0;
    file.searched = file.buffer.size();
    std::string chunk(kChunk, '\0');
    const ssize_t got = pread(file.fd, chunk.data(), chunk.size(), file.offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError(file.path, errno);
    if (got > 0) {
      file.buffer.append(chunk, 0, static_cast<size_t>(got));
      file.offset += got;
      continue;
    }
    if (!last || file.buffer.empty()) return std::nullopt;
    file.searched = 0;
    return std::exchange(file.buffer, std::string());
  }
}

absl::Status LogFolder::Fill(size_t index, bool last) {
  File& file = *files_[index];
  auto line = TakeLine(file, last);
  if (!line.ok()) return line.status();
  if (!*line) return absl::OkStatus();
  LogEvent event;
  event.name = file.name;
  event.line = ParseLogLine(**line);
  if (event.line.time) {
    // A clock that was set back does not move a line before the one above it.
    file.time = std::max(file.time, *event.line.time);
    file.level = event.line.level;
    file.component = event.line.component;
  }
  event.level = file.level;
  event.component = file.component;
  file.head = std::move(event);
  heads_.insert({file.time, index});
  return absl::OkStatus();
}

absl::StatusOr<std::optional<LogEvent>> LogFolder::Next(bool last) {
  for (const size_t index : without_head_) {
    if (absl::Status status = Fill(index, last); !status.ok()) return status;
  }
  without_head_.clear();
  if (heads_.empty()) return std::nullopt;
  const size_t index = heads_.begin()->second;
  heads_.erase(heads_.begin());
  without_head_.insert(index);
  return std::exchange(files_[index]->head, std::nullopt);
}

std::vector<std::string> LogFolder::Names() const {
  std::vector<std::string> names;
  for (const auto& file : files_) names.push_back(file->name);
  return names;
}

}  // namespace shoal
