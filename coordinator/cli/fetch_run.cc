#include "coordinator/cli/fetch_run.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "common/hash.h"
#include "common/rpc.h"
#include "common/run_name.h"
#include "coordinator/queue/run_files.h"

namespace shoal {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kListLimit = absl::Minutes(1);
constexpr absl::Duration kFileLimit = absl::Hours(1);

// A file being written, removed unless it is kept.
class PartialFile {
 public:
  static absl::StatusOr<PartialFile> Make(const std::string& path) {
    std::error_code ignored;
    fs::remove(path, ignored);
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0) return absl::ErrnoToStatus(errno, path);
    return PartialFile(fd, path);
  }
  PartialFile(PartialFile&& other) noexcept : fd_(other.fd_), path_(std::move(other.path_)) {
    other.fd_ = -1;
  }
  PartialFile& operator=(PartialFile&&) = delete;
  ~PartialFile() {
    if (fd_ < 0) return;
    close(fd_);
    std::error_code ignored;
    fs::remove(path_, ignored);
  }

  absl::Status Write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t put = write(fd_, bytes.data(), bytes.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return absl::ErrnoToStatus(errno, absl::StrCat("writing ", path_));
      bytes.remove_prefix(static_cast<size_t>(put));
    }
    return absl::OkStatus();
  }
  absl::Status Keep(const std::string& name) {
    if (fsync(fd_) != 0) return absl::ErrnoToStatus(errno, absl::StrCat("syncing ", path_));
    if (absl::Status status = RenameDurably(path_, name); !status.ok()) return status;
    close(std::exchange(fd_, -1));
    return absl::OkStatus();
  }

 private:
  PartialFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  int fd_;
  std::string path_;
};

// SHA-256 of what an earlier attempt left; "": nothing that can be read.
std::string HaveSha256(const std::string& folder, const std::string& path) {
  auto reader = RunFileReader::Open(folder, path);
  if (!reader.ok()) return "";
  Sha256 sha256;
  const absl::Status status = reader->Read(size_t{256} << 10, [&](std::string_view piece) {
    sha256.Update(piece);
    return true;
  });
  return status.ok() ? sha256.FinishHex() : "";
}

absl::Status Changed(const std::string& path) {
  return absl::DataLossError(absl::StrCat(
      path, " is not what the coordinator said it would be: it changed meanwhile, or was damaged on "
            "the way; fetch the run again, and what is here already stays"));
}

// What comes after the header, to the end of the call; whether it is what the header said is for the
// caller to see.
absl::Status ReadInto(grpc::ClientReader<v1::FetchRunFileResponse>& reader, int64_t most,
                      PartialFile& file, Sha256& sha256) {
  v1::FetchRunFileResponse response;
  int64_t bytes = 0;
  while (reader.Read(&response)) {
    bytes += static_cast<int64_t>(response.chunk().size());
    if (bytes > most) return absl::DataLossError("more comes than was said");
    sha256.Update(response.chunk());
    if (absl::Status status = file.Write(response.chunk()); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status FetchFile(ClusterClient& client, const std::string& name, const std::string& path,
                       const std::string& folder) {
  v1::FetchRunFileRequest request;
  request.set_name(name);
  request.set_path(path);
  request.set_have_sha256(HaveSha256(folder, path));
  const std::string target = absl::StrCat(folder, "/", path);
  if (absl::Status s = CreateDirectories(DirectoryOf(target)); !s.ok()) return s;
  const auto context = MakeContext(kFileLimit);
  const auto reader = client.stub().FetchRunFile(context.get(), request);
  v1::FetchRunFileResponse response;
  const bool answered = reader->Read(&response) && response.has_header();
  const std::string sha256 = answered ? response.header().sha256() : "";
  std::optional<PartialFile> file;
  Sha256 received;
  absl::Status status;
  if (answered && sha256 != request.have_sha256()) {
    auto made = PartialFile::Make(absl::StrCat(target, ".part"));
    status = made.status();
    if (status.ok()) {
      file.emplace(*std::move(made));
      status = ReadInto(*reader, response.header().size_bytes(), *file, received);
    }
    if (!status.ok()) context->TryCancel();
  }
  const absl::Status call = FromGrpc(reader->Finish());
  if (absl::IsDataLoss(status)) return Changed(path);
  if (!status.ok()) return status;
  if (!call.ok()) return client.Explain(call);
  if (!answered) return Changed(path);
  if (!file) return absl::OkStatus();
  if (received.FinishHex() != sha256) return Changed(path);
  return file->Keep(target);
}

// Links in a folder that an earlier attempt left are none of ours.
absl::Status CheckNoLinks(const std::string& folder) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(folder, error))) return absl::OkStatus();
  bool link = fs::is_symlink(fs::symlink_status(folder));
  for (fs::recursive_directory_iterator it(folder, error), end; !link && !error && it != end;
       it.increment(error)) {
    link = it->is_symlink(error);
  }
  if (!link && !error) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(folder, " has links in it, or cannot be read: remove it and fetch again"));
}

// What is there and not in the list, from an attempt before the run went on.
void RemoveOthers(const std::string& folder, const std::set<std::string>& wanted) {
  std::error_code error;
  std::vector<fs::path> others;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    if (!it->is_directory() &&
        !wanted.contains(it->path().lexically_relative(folder).generic_string())) {
      others.push_back(it->path());
    }
  }
  for (const fs::path& path : others) fs::remove(path, error);
}

}  // namespace

absl::StatusOr<std::string> FetchRun(ClusterClient& client, const FetchOptions& options) {
  auto folder = RunFolder(options.out, options.name);
  if (!folder.ok()) return folder.status();
  if (fs::exists(fs::symlink_status(*folder))) {
    return absl::AlreadyExistsError(
        absl::StrCat(*folder, " exists: give another --out, or move it away"));
  }
  v1::ListRunFilesRequest request;
  request.set_name(options.name);
  v1::ListRunFilesResponse listed;
  const auto context = MakeContext(kListLimit);
  absl::Status status = FromGrpc(client.stub().ListRunFiles(context.get(), request, &listed));
  if (!status.ok()) return client.Explain(status);
  std::set<std::string> wanted;
  for (const v1::RunFile& file : listed.files()) {
    if (absl::Status s = CheckRunFilePath(file.path()); !s.ok()) return s;
    wanted.insert(file.path());
  }
  const std::string partial = absl::StrCat(options.out, "/.", options.name, ".fetching");
  if (absl::Status s = CheckNoLinks(partial); !s.ok()) return s;
  if (absl::Status s = CreateDirectories(partial); !s.ok()) return s;
  auto lock = DirectoryLock::Acquire(partial);
  if (!lock.ok()) return lock.status();
  size_t done = 0;
  for (const std::string& path : wanted) {
    if (options.cancelled && options.cancelled()) {
      return absl::CancelledError(absl::StrCat(done, " of ", wanted.size(), " files are there"));
    }
    if (absl::Status s = FetchFile(client, options.name, path, partial); !s.ok()) return s;
    if (options.progress) options.progress(++done, wanted.size());
  }
  RemoveOthers(partial, wanted);
  if (absl::Status s = RenameDurably(partial, *folder); !s.ok()) return s;
  return folder;
}

}  // namespace shoal
