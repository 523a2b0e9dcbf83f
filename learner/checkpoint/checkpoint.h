// Checkpoints: the weights and the optimizer's state after an update, as files that survive a
// crash.
//
//   DIR/iter_N/policy.safetensors       the policy (actor/policy/weights.h)
//   DIR/iter_N/optimizer.safetensors    what the next update needs besides
//   DIR/iter_N/manifest.json            format_version 1, iteration, size and SHA-256 of the two
//   DIR/best/                           a copy of one of them
//
// A directory gets its name only when its files are complete and synced; until then it is called
// .tmp-*, and so it is while it is being removed. So what is called iter_N or best is whole, unless
// the disk has lost it, which reading notices. N >= 0.
//
// Functions keep no state. One process writes to a DIR at a time (no two calls that write at once);
// any may read. Errors of the file system keep its code (kNotFound, kPermissionDenied,
// kResourceExhausted, ...) and name the path.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace shoal {

inline constexpr char kPolicyFile[] = "policy.safetensors";
inline constexpr char kOptimizerFile[] = "optimizer.safetensors";
inline constexpr char kManifestFile[] = "manifest.json";

// Bytes of the files; what is in them is the caller's.
struct Checkpoint {
  int64_t iteration = 0;
  std::string policy;
  std::string optimizer;

  bool operator==(const Checkpoint&) const = default;
};

// To be called once before a run starts to write: makes DIR and removes what a crash has left under
// temporary names (or puts back what it has left half replaced).
absl::Status PrepareCheckpointDirectory(const std::string& dir);

// Writes DIR/iter_N; when it returns, the checkpoint is on the disk. Returns policy_sha256, the
// SHA-256 of `policy` in hex. If iter_N is there with the same content, nothing is written; with
// another content, or damaged, it is replaced.
absl::StatusOr<std::string> WriteCheckpoint(const std::string& dir, const Checkpoint& checkpoint);

// DIR/iter_N, verified. `policy_sha256`, if not empty, is what the policy must have.
// kNotFound: there is no iter_N. kDataLoss: a file is missing, has another size or SHA-256 than the
// manifest or the caller says (the message has file, expected and found value), or the manifest is
// none.
absl::StatusOr<Checkpoint> ReadCheckpoint(const std::string& dir, int64_t iteration,
                                          const std::string& policy_sha256 = "");

// The iterations N for which there is an iter_N, ascending; their files are not looked at. Empty if
// there is no DIR.
absl::StatusOr<std::vector<int64_t>> ListCheckpoints(const std::string& dir);

// Removes every iter_N whose N is not in `keep`. best stays.
absl::Status PruneCheckpoints(const std::string& dir, const std::set<int64_t>& keep);

// Makes DIR/best a copy of iter_N, which is verified first. At any moment best is the old one or
// the new one (on file systems that cannot exchange two names: or absent for an instant).
absl::Status CopyBestCheckpoint(const std::string& dir, int64_t iteration);

// DIR/best, verified as ReadCheckpoint does; its iteration is in it. kNotFound: there is none.
absl::StatusOr<Checkpoint> ReadBestCheckpoint(const std::string& dir);

}  // namespace shoal
