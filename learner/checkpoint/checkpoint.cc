#include "learner/checkpoint/checkpoint.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/files.h"
#include "common/hash.h"
#include "learner/checkpoint/manifest.h"

namespace shoal {
namespace {

namespace fs = std::filesystem;

constexpr char kBest[] = "best";
constexpr char kIterationPrefix[] = "iter_";
constexpr char kTemporaryPrefix[] = ".tmp-";
// What a replacement has moved aside, where two names cannot be exchanged in one operation.
constexpr char kReplacedPrefix[] = ".replaced-";

std::string IterationName(int64_t iteration) { return absl::StrCat(kIterationPrefix, iteration); }

absl::Status Failed(const std::error_code& error, const std::string& what,
                    const std::string& path) {
  return absl::ErrnoToStatus(error.value(), absl::StrCat("cannot ", what, " ", path));
}

absl::StatusOr<bool> IsDirectory(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) return false;
  if (error) return Failed(error, "look at", path);
  return fs::is_directory(status);
}

absl::Status RemoveTree(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  return error ? Failed(error, "remove", path) : absl::OkStatus();
}

// Names in a directory, sorted; none if it does not exist.
absl::StatusOr<std::vector<std::string>> Names(const std::string& dir) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entry(dir, error);
  if (error == std::errc::no_such_file_or_directory) return names;
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error) return Failed(error, "list", dir);
  std::sort(names.begin(), names.end());
  return names;
}

// The directory leaves its name at once; how far its removal gets then does not matter.
absl::Status RemoveNamed(const std::string& dir, const std::string& name) {
  const std::string aside = absl::StrCat(dir, "/", kTemporaryPrefix, "removed-", name);
  absl::Status status = RemoveTree(aside);
  status.Update(RenameDurably(absl::StrCat(dir, "/", name), aside));
  if (!status.ok()) return status;
  return RemoveTree(aside);
}

// Gives `fresh` the name `name`, which another directory has.
absl::Status Replace(const std::string& dir, const std::string& fresh, const std::string& name) {
  const std::string from = absl::StrCat(dir, "/", fresh), to = absl::StrCat(dir, "/", name);
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0) {
    absl::Status status = SyncDirectory(dir);
    return status.ok() ? RemoveTree(from) : status;
  }
  if (errno != EINVAL && errno != ENOSYS) {
    return Failed({errno, std::generic_category()}, absl::StrCat("exchange ", from, " with"), to);
  }
  const std::string aside = absl::StrCat(dir, "/", kReplacedPrefix, name);
  absl::Status status = RenameDurably(to, aside);
  if (status.ok()) status = RenameDurably(from, to);
  return status.ok() ? RemoveTree(aside) : status;
}

// A new file in a directory that is still temporary: no need to sync the directory each time, as
// WriteFileAtomically does. Every iteration waits for this.
absl::Status WriteSynced(const std::string& path, std::string_view bytes) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot create ", path));
  absl::Status status;
  while (status.ok() && !bytes.empty()) {
    const ssize_t count = write(file, bytes.data(), bytes.size());
    if (count >= 0) {
      bytes.remove_prefix(count);
    } else if (errno != EINTR) {
      status = absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path));
    }
  }
  if (status.ok() && fsync(file) != 0) {
    status = absl::ErrnoToStatus(errno, absl::StrCat("cannot sync ", path));
  }
  if (close(file) != 0 && status.ok()) {
    status = absl::ErrnoToStatus(errno, absl::StrCat("cannot close ", path));
  }
  return status;
}

FileRecord RecordOf(const std::string& bytes) { return {bytes.size(), Sha256Hex(bytes)}; }

Manifest ManifestOf(const Checkpoint& checkpoint) {
  return {checkpoint.iteration,
          {{kPolicyFile, RecordOf(checkpoint.policy)},
           {kOptimizerFile, RecordOf(checkpoint.optimizer)}}};
}

// Its name need not last: SyncDirectory, RenameDurably and Replace see to what comes of it.
absl::Status MakeTemporary(const std::string& dir, const std::string& path) {
  if (mkdir(path.c_str(), 0777) == 0) return absl::OkStatus();
  if (errno == ENOENT) {
    if (absl::Status status = CreateDirectories(dir); !status.ok()) return status;
    if (mkdir(path.c_str(), 0777) == 0) return absl::OkStatus();
  }
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot create folder ", path));
}

// Writes the checkpoint under the name `name`, whatever has had that name before.
absl::Status WriteNamed(const std::string& dir, const std::string& name,
                        const Checkpoint& checkpoint, const Manifest& manifest) {
  const std::string temporary = absl::StrCat(kTemporaryPrefix, name);
  const std::string path = absl::StrCat(dir, "/", temporary);
  absl::Status status = RemoveTree(path);
  if (status.ok()) status = MakeTemporary(dir, path);
  const std::string manifest_text = SerializeManifest(manifest);
  const std::pair<const char*, std::string_view> files[] = {{kPolicyFile, checkpoint.policy},
                                                            {kOptimizerFile, checkpoint.optimizer},
                                                            {kManifestFile, manifest_text}};
  for (const auto& [file, bytes] : files) {
    if (status.ok()) status = WriteSynced(absl::StrCat(path, "/", file), bytes);
  }
  if (status.ok()) status = SyncDirectory(path);
  if (!status.ok()) return status;
  absl::StatusOr<bool> taken = IsDirectory(absl::StrCat(dir, "/", name));
  if (!taken.ok()) return taken.status();
  if (*taken) return Replace(dir, temporary, name);
  return RenameDurably(path, absl::StrCat(dir, "/", name));
}

absl::Status Missing(const std::string& path) {
  return absl::DataLossError(absl::StrCat(path, ": the file is missing"));
}

absl::StatusOr<std::string> ReadVerified(const std::string& directory, const Manifest& manifest,
                                         const char* file) {
  const auto record = manifest.files.find(file);
  if (record == manifest.files.end()) {
    return absl::DataLossError(absl::StrCat(directory, "/", kManifestFile, ": it lacks ", file));
  }
  const FileRecord& expected = record->second;
  const std::string path = absl::StrCat(directory, "/", file);
  std::error_code error;
  const uint64_t size = fs::file_size(path, error);
  if (error == std::errc::no_such_file_or_directory) return Missing(path);
  if (error) return Failed(error, "look at", path);
  if (size != expected.size) {
    return absl::DataLossError(absl::StrCat(path, ": size is ", size, " bytes, expected ",
                                            expected.size, " as in ", kManifestFile));
  }
  absl::StatusOr<std::string> bytes = ReadFile(path, expected.size);
  if (!bytes.ok()) return bytes;
  const std::string found = Sha256Hex(*bytes);
  if (found != expected.sha256) {
    return absl::DataLossError(absl::StrCat(path, ": SHA-256 is ", found, ", expected ",
                                            expected.sha256, " as in ", kManifestFile));
  }
  return bytes;
}

absl::StatusOr<Checkpoint> ReadNamed(const std::string& path, std::optional<int64_t> iteration) {
  absl::StatusOr<bool> there = IsDirectory(path);
  if (!there.ok()) return there.status();
  if (!*there) return absl::NotFoundError(absl::StrCat("there is no checkpoint ", path));
  const std::string manifest_path = absl::StrCat(path, "/", kManifestFile);
  absl::StatusOr<std::string> text = ReadFile(manifest_path);
  if (absl::IsNotFound(text.status())) return Missing(manifest_path);
  if (!text.ok()) return text.status();
  absl::StatusOr<Manifest> manifest = ParseManifest(*text);
  if (!manifest.ok()) {
    return absl::DataLossError(absl::StrCat(manifest_path, ": ", manifest.status().message()));
  }
  if (iteration.has_value() && manifest->iteration != *iteration) {
    return absl::DataLossError(absl::StrCat(manifest_path, ": iteration is ", manifest->iteration,
                                            ", expected ", *iteration));
  }
  Checkpoint checkpoint;
  checkpoint.iteration = manifest->iteration;
  absl::StatusOr<std::string> policy = ReadVerified(path, *manifest, kPolicyFile);
  if (!policy.ok()) return policy.status();
  absl::StatusOr<std::string> optimizer = ReadVerified(path, *manifest, kOptimizerFile);
  if (!optimizer.ok()) return optimizer.status();
  checkpoint.policy = *std::move(policy);
  checkpoint.optimizer = *std::move(optimizer);
  return checkpoint;
}

// "iter_12" -> 12; nothing for names that IterationName does not make.
std::optional<int64_t> ParseIterationName(const std::string& name) {
  absl::string_view digits = name;
  int64_t iteration = 0;
  if (!absl::ConsumePrefix(&digits, kIterationPrefix) || !absl::SimpleAtoi(digits, &iteration) ||
      iteration < 0 || IterationName(iteration) != name) {
    return std::nullopt;
  }
  return iteration;
}

}  // namespace

absl::Status PrepareCheckpointDirectory(const std::string& dir) {
  absl::Status status = CreateDirectories(dir);
  if (!status.ok()) return status;
  absl::StatusOr<std::vector<std::string>> names = Names(dir);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    absl::string_view replaced = name;
    if (absl::StartsWith(name, kTemporaryPrefix)) {
      status = RemoveTree(absl::StrCat(dir, "/", name));
    } else if (absl::ConsumePrefix(&replaced, kReplacedPrefix)) {
      const std::string original = absl::StrCat(dir, "/", replaced);
      absl::StatusOr<bool> there = IsDirectory(original);
      if (!there.ok()) return there.status();
      status = *there ? RemoveTree(absl::StrCat(dir, "/", name))
                      : RenameDurably(absl::StrCat(dir, "/", name), original);
    }
    if (!status.ok()) return status;
  }
  return SyncDirectory(dir);
}

absl::StatusOr<std::string> WriteCheckpoint(const std::string& dir, const Checkpoint& checkpoint) {
  if (checkpoint.iteration < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("checkpoint: iteration is ", checkpoint.iteration, ", must be 0 or more"));
  }
  const Manifest manifest = ManifestOf(checkpoint);
  const std::string& policy_sha256 = manifest.files.at(kPolicyFile).sha256;
  absl::StatusOr<Checkpoint> there = ReadCheckpoint(dir, checkpoint.iteration, policy_sha256);
  if (there.ok() && *there == checkpoint) {
    // Its name may be from an attempt that failed before it was synced.
    if (absl::Status status = SyncDirectory(dir); !status.ok()) return status;
    return policy_sha256;
  }
  absl::Status status = WriteNamed(dir, IterationName(checkpoint.iteration), checkpoint, manifest);
  if (!status.ok()) return status;
  return policy_sha256;
}

absl::StatusOr<Checkpoint> ReadCheckpoint(const std::string& dir, int64_t iteration,
                                          const std::string& policy_sha256) {
  const std::string path = absl::StrCat(dir, "/", IterationName(iteration));
  absl::StatusOr<Checkpoint> checkpoint = ReadNamed(path, iteration);
  if (!checkpoint.ok() || policy_sha256.empty()) return checkpoint;
  const std::string found = Sha256Hex(checkpoint->policy);
  if (found != policy_sha256) {
    return absl::DataLossError(absl::StrCat(path, "/", kPolicyFile, ": SHA-256 is ", found,
                                            ", expected ", policy_sha256, " as committed"));
  }
  return checkpoint;
}

absl::StatusOr<std::vector<int64_t>> ListCheckpoints(const std::string& dir) {
  absl::StatusOr<std::vector<std::string>> names = Names(dir);
  if (!names.ok()) return names.status();
  std::vector<int64_t> iterations;
  for (const std::string& name : *names) {
    const std::optional<int64_t> iteration = ParseIterationName(name);
    if (!iteration.has_value()) continue;
    absl::StatusOr<bool> directory = IsDirectory(absl::StrCat(dir, "/", name));
    if (!directory.ok()) return directory.status();
    if (*directory) iterations.push_back(*iteration);
  }
  std::sort(iterations.begin(), iterations.end());
  return iterations;
}

absl::Status PruneCheckpoints(const std::string& dir, const std::set<int64_t>& keep) {
  absl::StatusOr<std::vector<int64_t>> iterations = ListCheckpoints(dir);
  if (!iterations.ok()) return iterations.status();
  for (int64_t iteration : *iterations) {
    if (keep.contains(iteration)) continue;
    absl::Status status = RemoveNamed(dir, IterationName(iteration));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CopyBestCheckpoint(const std::string& dir, int64_t iteration) {
  absl::StatusOr<Checkpoint> checkpoint = ReadCheckpoint(dir, iteration);
  if (!checkpoint.ok()) return checkpoint.status();
  return WriteNamed(dir, kBest, *checkpoint, ManifestOf(*checkpoint));
}

absl::StatusOr<Checkpoint> ReadBestCheckpoint(const std::string& dir) {
  return ReadNamed(absl::StrCat(dir, "/", kBest), std::nullopt);
}

}  // namespace shoal
