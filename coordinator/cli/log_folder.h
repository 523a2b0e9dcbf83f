// The log files (*.log) of a folder, read as they grow and merged by time.
//
// Not thread safe. Memory is bounded by the number of files, whatever their size.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "coordinator/cli/log_line.h"

namespace shoal {

struct LogEvent {
  // Of the file, without ".log": "actor-0".
  std::string name;
  LogLine line;
  // Of the event itself, or of the one before it in its file where the line is none.
  std::string level;
  std::string component;
};

class LogFolder {
 public:
  // A longer line comes in pieces.
  static constexpr size_t kLongestLine = 1 << 20;

  explicit LogFolder(std::string folder) : folder_(std::move(folder)) {}
  ~LogFolder();
  LogFolder(const LogFolder&) = delete;
  LogFolder& operator=(const LogFolder&) = delete;

  // Notices what was written since, and files that are new; one that was replaced or has become shorter
  // is read from its beginning. NotFound: there is no such folder. Others name the file.
  absl::Status Refresh();

  // The earliest line, of those that were there at the last Refresh; files keep their own order. Nothing:
  // there is none (yet). `last`: nobody writes any more, so a line without a line feed is one, too.
  absl::StatusOr<std::optional<LogEvent>> Next(bool last);

  // Of the files that there are.
  std::vector<std::string> Names() const;

 private:
  struct File {
    std::string name;
    std::string path;
    int fd = -1;
    uint64_t inode = 0;
    int64_t offset = 0;   // of what comes after the buffer
    std::string buffer;
    size_t begin = 0;     // what is before was taken
    size_t searched = 0;  // no line feed from there up to here
    absl::Time time = absl::InfinitePast();
    std::string level;
    std::string component;
    std::optional<LogEvent> head;
  };
  absl::Status Open(File& file) const;
  absl::Status Add(const std::string& name, const std::string& path);
  // The next line, if there is a whole one.
  absl::StatusOr<std::optional<std::string>> TakeLine(File& file, bool last) const;
  absl::Status Fill(size_t index, bool last);

  const std::string folder_;
  std::vector<std::unique_ptr<File>> files_;
  std::set<size_t> without_head_;  // that may have a line to read
  std::set<std::pair<absl::Time, size_t>> heads_;
};

}  // namespace shoal
