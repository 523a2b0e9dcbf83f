#include "actor/policy_cache.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "actor/policy/weights.h"
#include "common/hash.h"
#include "common/rpc.h"

namespace shoal {
namespace {

// Two networks of eight layers of 4096, the most that the options allow, are 0.94 GB.
constexpr size_t kMostPolicyBytes = size_t{1} << 30;
// As long as a learner allows.
constexpr absl::Duration kLongestFetch = absl::Minutes(10);

// Gathers the pieces of one policy. Ends its call when it goes.
class PolicyReader final : private grpc::ClientReadReactor<v1::GetPolicyResponse> {
 public:
  PolicyReader(v1::PolicyService::Stub& learner, const v1::GetPolicyRequest& request)
      : request_(request) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + kLongestFetch));
    learner.async()->GetPolicy(&context_, &request_, this);
    StartRead(&piece_);
    StartCall();
  }
  ~PolicyReader() override {
    context_.TryCancel();
    absl::MutexLock lock(&mutex_);
    // gRPC ends a call that is cancelled, whatever the peer does.
    mutex_.Await(absl::Condition(&done_));
  }

  // False: for so long nothing came.
  bool WaitForEnd(absl::Duration limit) {
    absl::MutexLock lock(&mutex_);
    while (!done_) {
      const size_t before = bytes_.size();
      auto progress = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return done_ || bytes_.size() > before;
      };
      if (!mutex_.AwaitWithTimeout(absl::Condition(&progress), limit)) return false;
    }
    return true;
  }

  // After the end:
  bool too_large() const {
    absl::MutexLock lock(&mutex_);
    return too_large_;
  }
  grpc::Status status() const {
    absl::MutexLock lock(&mutex_);
    return status_;
  }
  std::string TakeBytes() {
    absl::MutexLock lock(&mutex_);
    return std::move(bytes_);
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return;
    absl::MutexLock lock(&mutex_);
    too_large_ = bytes_.size() + piece_.data().size() > kMostPolicyBytes;
    if (too_large_) {
      context_.TryCancel();
      return;
    }
    bytes_ += piece_.data();
    StartRead(&piece_);
  }
  void OnDone(const grpc::Status& status) override {
    absl::MutexLock lock(&mutex_);
    status_ = status;
    done_ = true;
  }

  const v1::GetPolicyRequest request_;
  grpc::ClientContext context_;
  v1::GetPolicyResponse piece_;  // Belongs to gRPC while it reads.
  mutable absl::Mutex mutex_;
  std::string bytes_ ABSL_GUARDED_BY(mutex_);
  bool too_large_ ABSL_GUARDED_BY(mutex_) = false;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<std::string> FetchPolicy(v1::PolicyService::Stub& learner, const std::string& sha256,
                                        absl::Duration limit) {
  v1::GetPolicyRequest request;
  request.set_policy_sha256(sha256);
  PolicyReader reader(learner, request);
  if (!reader.WaitForEnd(limit)) {
    return absl::UnavailableError(absl::StrCat("the learner has sent nothing of policy ", sha256,
                                               " for ", absl::FormatDuration(limit)));
  }
  if (reader.too_large()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("policy ", sha256, " has more than ", kMostPolicyBytes, " bytes"));
  }
  const grpc::Status status = reader.status();
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return absl::UnavailableError(absl::StrCat("the learner did not send policy ", sha256,
                                               " within ", absl::FormatDuration(kLongestFetch)));
  }
  if (!status.ok()) return FromGrpc(status);
  std::string bytes = reader.TakeBytes();
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
