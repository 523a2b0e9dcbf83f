#include "actor/policy_cache.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "actor/policy/weights.h"
#include "common/hash.h"
#include "common/rpc.h"

namespace shoal {
namespace {

// Two networks of eight layers of 4096, the most that the options allow, are 0.94 GB.
constexpr size_t kMostPolicyBytes = size_t{1} << 30;

}  // namespace

absl::StatusOr<std::string> FetchPolicy(v1::PolicyService::Stub& learner, const std::string& sha256,
                                        absl::Duration limit) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + limit));
  v1::GetPolicyRequest request;
  request.set_policy_sha256(sha256);
  const auto reader = learner.GetPolicy(&context, request);
  std::string bytes;
  v1::GetPolicyResponse response;
  bool too_large = false;
  while (reader->Read(&response)) {
    if (bytes.size() + response.data().size() > kMostPolicyBytes) {
      too_large = true;
      context.TryCancel();
      break;
    }
    bytes += response.data();
  }
  const grpc::Status status = reader->Finish();
  if (too_large) {
    return absl::ResourceExhaustedError(
        absl::StrCat("policy ", sha256, " has more than ", kMostPolicyBytes, " bytes"));
  }
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return absl::UnavailableError(absl::StrCat("the learner did not send policy ", sha256,
                                               " within ", absl::FormatDuration(limit)));
  }
  if (!status.ok()) return FromGrpc(status);
  if (const std::string found = Sha256Hex(bytes); found != sha256) {
    return absl::DataLossError(absl::StrCat("policy ", sha256, " arrived with SHA-256 ", found));
  }
  return bytes;
}

PolicyCache::PolicyCache(std::string backend, size_t limit)
    : backend_(std::move(backend)), limit_(std::max<size_t>(limit, 1)) {}

absl::StatusOr<PolicyBackend*> PolicyCache::Get(const std::string& sha256,
                                                v1::PolicyService::Stub& learner,
                                                absl::Duration fetch_limit) {
  const auto found = std::find_if(versions_.begin(), versions_.end(),
                                  [&](const Version& version) { return version.sha256 == sha256; });
  if (found != versions_.end()) {
    std::rotate(versions_.begin(), found, found + 1);
    return versions_.front().backend.get();
  }
  const absl::StatusOr<std::string> bytes = FetchPolicy(learner, sha256, fetch_limit);
  if (!bytes.ok()) return bytes.status();
  const absl::StatusOr<PolicyWeights> weights = ParsePolicy(*bytes);
  if (!weights.ok()) return weights.status();
  absl::StatusOr<std::unique_ptr<PolicyBackend>> backend = CreateBackend(backend_, *weights);
  if (!backend.ok()) return backend.status();
  if (versions_.size() == limit_) versions_.pop_back();
  versions_.push_front({sha256, *std::move(backend)});
  return versions_.front().backend.get();
}

absl::StatusOr<std::string> KernelId(const std::string& backend) {
  // The id does not depend on the weights, so the smallest ones do.
  const auto layer = [](int in, int out) {
    return DenseLayer{in, out, std::vector<float>(in * out), std::vector<float>(out)};
  };
  PolicyWeights weights;
  weights.policy = {layer(weights.obs_dim, kPolicyActions)};
  weights.value = {layer(weights.obs_dim, 1)};
  const absl::StatusOr<std::unique_ptr<PolicyBackend>> made = CreateBackend(backend, weights);
  if (!made.ok()) return made.status();
  return (*made)->kernel_id();
}

}  // namespace shoal
