#include "learner/ingest/policy_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/hash.h"

namespace shoal {

PolicyStore::PolicyStore(size_t memory_limit, Lookup lookup)
    : memory_limit_(std::max<size_t>(memory_limit, 1)), lookup_(std::move(lookup)) {}

std::string PolicyStore::Publish(std::string bytes) {
  std::string sha256 = Sha256Hex(bytes);
  absl::MutexLock lock(&mutex_);
  Keep(sha256, std::make_shared<const std::string>(std::move(bytes)));
  return sha256;
}

void PolicyStore::Keep(const std::string& sha256, Bytes bytes) {
  for (const Version& version : versions_) {
    if (version.sha256 == sha256) return;
  }
  if (versions_.size() == memory_limit_) versions_.pop_front();
  versions_.push_back({sha256, std::move(bytes)});
}

absl::StatusOr<PolicyStore::Bytes> PolicyStore::Find(const std::string& sha256) {
  {
    absl::MutexLock lock(&mutex_);
    for (const Version& version : versions_) {
      if (version.sha256 == sha256) return version.bytes;
    }
  }
  const absl::Status not_found =
      absl::NotFoundError(absl::StrCat("no policy with SHA-256 \"", sha256, "\" here"));
  if (!lookup_) return not_found;
  absl::StatusOr<std::string> bytes = lookup_(sha256);
  if (absl::IsNotFound(bytes.status())) return not_found;
  if (!bytes.ok()) return bytes.status();
  const std::string found = Sha256Hex(*bytes);
  if (found != sha256) {
    return absl::DataLossError(
        absl::StrCat("the policy kept under SHA-256 ", sha256, " has SHA-256 ", found));
  }
  // Not kept in memory: old versions are asked for rarely (evaluations), and actors cache them.
  return std::make_shared<const std::string>(*std::move(bytes));
}

}  // namespace shoal
