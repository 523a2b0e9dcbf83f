// manifest.json of a checkpoint: which files belong to it, and how to know that they are whole.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"

namespace shoal {

struct FileRecord {
  uint64_t size = 0;   // Bytes.
  std::string sha256;  // 64 lowercase hex digits.
};

struct Manifest {
  int64_t iteration = 0;
  std::map<std::string, FileRecord> files;  // By name inside the checkpoint.
};

// Equal manifests give equal text.
std::string SerializeManifest(const Manifest& manifest);

// kInvalidArgument, saying what is wrong with it.
absl::StatusOr<Manifest> ParseManifest(const std::string& text);

}  // namespace shoal
