// The policy versions that actors may ask for, by the SHA-256 of their bytes: the latest few in
// memory, older ones wherever a lookup finds them (checkpoints on disk).
//
// Thread safe.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"

namespace shoal {

class PolicyStore {
 public:
  // The bytes of policy.safetensors, shared because several actors may be reading them.
  using Bytes = std::shared_ptr<const std::string>;
  // Finds the bytes with this SHA-256 (lowercase hex), or NotFound. Called from any thread.
  using Lookup = std::function<absl::StatusOr<std::string>(const std::string& sha256)>;

  // Keeps `memory_limit` versions, at least 1, in memory. lookup may be null.
  PolicyStore(size_t memory_limit, Lookup lookup);

  // Makes a version available; the oldest one may leave memory for it. Returns its SHA-256.
  std::string Publish(std::string bytes);

  // NotFound: no such version, with the hash. DataLoss: what was found has another hash. Else the
  // lookup's error.
  absl::StatusOr<Bytes> Find(const std::string& sha256);

 private:
  struct Version {
    std::string sha256;
    Bytes bytes;
  };

  void Keep(const std::string& sha256, Bytes bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t memory_limit_;
  const Lookup lookup_;
  absl::Mutex mutex_;
  std::deque<Version> versions_ ABSL_GUARDED_BY(mutex_);  // Oldest first.
};

}  // namespace shoal
