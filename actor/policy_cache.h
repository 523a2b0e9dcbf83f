// The policies that an actor acts with: fetched from the learner by the SHA-256 of their bytes,
// checked, made into inference backends, and kept while they are among the last few used.
//
// Not thread safe: a backend belongs to one thread.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "actor/policy/backend.h"
#include "shoal/v1/rows.grpc.pb.h"

namespace shoal {

// The bytes of a version. `limit` is for the time between two pieces; how long the whole takes
// depends on the link (at most 10 minutes). Unavailable: no piece within the limit, or no learner. NotFound: it does
// not have the version. DataLoss: what came has another SHA-256; the message names both.
// ResourceExhausted: more bytes than any policy has.
absl::StatusOr<std::string> FetchPolicy(v1::PolicyService::Stub& learner, const std::string& sha256,
                                        absl::Duration limit);

class PolicyCache {
 public:
  // backend: a name for CreateBackend. Keeps `limit` versions, at least 1.
  PolicyCache(std::string backend, size_t limit);

  // The backend of a version, which stays valid until the next Get. Errors are those of
  // FetchPolicy, and InvalidArgument for bytes that are no policy.
  absl::StatusOr<PolicyBackend*> Get(const std::string& sha256, v1::PolicyService::Stub& learner,
                                     absl::Duration fetch_limit);

 private:
  struct Version {
    std::string sha256;
    std::unique_ptr<PolicyBackend> backend;
  };

  const std::string backend_;
  const size_t limit_;
  std::deque<Version> versions_;  // The one used last is at the front.
};

// What the backends of this name are called within a run (WorkerHello.kernel_id).
absl::StatusOr<std::string> KernelId(const std::string& backend);

}  // namespace shoal
