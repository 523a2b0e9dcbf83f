// The files of a run's folder for somebody elsewhere: what there is, and one of them, without a way out
// of the folder. Links are neither listed nor followed, and hidden files are not for others.
//
// Thread safe.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/v1/queue.pb.h"

namespace shoal {

// InvalidArgument: not a path below a folder as ListRunFiles gives them: names with '/' between, none
// of them empty or beginning with '.', of characters that show, at most 1024 bytes. For both sides:
// neither believes the other.
absl::Status CheckRunFilePath(const std::string& path);

// By path. ResourceExhausted: more than 200,000 files.
absl::StatusOr<std::vector<v1::RunFile>> ListRunFiles(const std::string& run_dir);

// An open file. Not thread safe.
class RunFileReader {
 public:
  // NotFound; InvalidArgument: a path that is none, or leads over a link or to what is no file.
  static absl::StatusOr<RunFileReader> Open(const std::string& run_dir, const std::string& path);
  RunFileReader(RunFileReader&& other) noexcept : fd_(other.fd_), path_(std::move(other.path_)) {
    other.fd_ = -1;
  }
  RunFileReader& operator=(RunFileReader&&) = delete;
  ~RunFileReader();

  // From the beginning to the end, in pieces of at most `most` bytes; where `take` returns false the
  // rest is left. The same reader may be read again.
  absl::Status Read(size_t most, const std::function<bool(std::string_view)>& take);

 private:
  RunFileReader(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  int fd_;
  std::string path_;
};

}  // namespace shoal
