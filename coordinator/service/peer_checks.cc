#include "coordinator/service/peer_checks.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/printable.h"
#include "common/rpc.h"
#include "coordinator/evaluation/measurements.h"
#include "coordinator/evaluation/summary.h"

namespace shoal {
namespace {

using Field = std::pair<const char*, const std::string*>;

absl::Status CheckFields(std::initializer_list<Field> fields) {
  for (const auto& [name, value] : fields) {
    if (value->size() > kMaxHelloField) {
      return absl::InvalidArgumentError(absl::StrCat(name, " has ", value->size(),
                                                     " bytes; at most ", kMaxHelloField,
                                                     " are accepted"));
    }
    if (!IsPrintable(*value)) {
      return absl::InvalidArgumentError(absl::StrCat(
          name, " \"", Printable(*value, kMaxHelloField), "\" has characters that do not show"));
    }
  }
  return absl::OkStatus();
}

bool IsSha256(const std::string& text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

absl::Status CheckPolicy(const std::string& sha256) {
  if (IsSha256(sha256)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("policy_sha256 \"", Printable(sha256, kMaxHelloField),
                   "\" is not 64 lowercase hexadecimal digits"));
}

bool IsTime(double seconds) { return std::isfinite(seconds) && seconds >= 0; }

absl::Status CheckResult(const v1::WorkResult& result) {
  if (!IsTime(result.compute_seconds()) || !IsTime(result.push_seconds())) {
    return absl::InvalidArgumentError("a result's seconds must be at least 0 and finite");
  }
  return CheckFields({{"learner_session", &result.learner_session()}});
}

absl::Status NotOf(const std::string& item, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat("the record for ", item, " ", why));
}

absl::Status CheckRollout(const v1::RolloutItem& item, const std::string& bytes,
                          v1::RolloutRecord& record) {
  const std::string name =
      absl::StrCat("iteration ", item.plan().iteration(), ", shard ", item.shard());
  if (!record.ParseFromString(bytes)) return NotOf(name, "cannot be read");
  if (record.iteration() != item.plan().iteration() || record.shard() != item.shard()) {
    return NotOf(name, absl::StrCat("is one of iteration ", record.iteration(), ", shard ",
                                    record.shard()));
  }
  if (record.policy_sha256() != item.policy_sha256()) {
    return NotOf(name, absl::StrCat("acted with policy ",
                                    Printable(record.policy_sha256(), kMaxHelloField)));
  }
  if (record.environments_size() != item.environments_size()) {
    return NotOf(name, absl::StrCat("has ", record.environments_size(), " environments of ",
                                    item.environments_size()));
  }
  for (int e = 0; e < item.environments_size(); ++e) {
    const int slots = item.environments(e).tail_velocities_size() / 2;
    if (record.environments(e).overrides() > slots) {
      return NotOf(name, absl::StrCat("used ", record.environments(e).overrides(), " of ", slots,
                                      " tail slots"));
    }
  }
  for (const v1::EpisodeRecord& episode : record.episodes()) {
    const int first = item.first_environment();
    if (episode.environment() < first ||
        episode.environment() >= first + item.environments_size()) {
      return NotOf(name, absl::StrCat("has an episode of environment ", episode.environment()));
    }
  }
  // Folding looks at every number. It wants the iteration's first shard first.
  record.set_shard(0);
  const auto folded = FoldIteration(item.plan(), std::span(&record, 1), /*tail_slots_left=*/false);
  record.set_shard(item.shard());
  return folded.ok() ? absl::OkStatus() : NotOf(name, std::string(folded.status().message()));
}

absl::Status CheckEvaluation(const v1::EvaluationItem& item, const std::string& bytes) {
  const std::string name = absl::StrCat("evaluation ", item.evaluation(), ", scene ", item.index());
  v1::EvaluationEpisode episode;
  if (!episode.ParseFromString(bytes)) return NotOf(name, "cannot be read");
  if (episode.seed() != item.seed() || episode.num_fish() != item.num_fish()) {
    return NotOf(name, absl::StrCat("is one of seed ", episode.seed(), " with ",
                                    episode.num_fish(), " fish"));
  }
  const auto summary = SummarizeEvaluation(std::span(&episode, 1));
  return summary.ok() ? absl::OkStatus() : NotOf(name, std::string(summary.status().message()));
}

// Without what is long and says nothing of the answer: the state.
v1::Lease ForChecks(const v1::Lease& lease) {
  if (!lease.has_rollout()) return lease;
  v1::Lease result;
  result.set_fencing(lease.fencing());
  v1::RolloutItem& item = *result.mutable_rollout();
  *item.mutable_plan() = lease.rollout().plan();
  item.set_shard(lease.rollout().shard());
  item.set_first_environment(lease.rollout().first_environment());
  item.set_policy_sha256(lease.rollout().policy_sha256());
  *item.mutable_environments() = lease.rollout().environments();
  return result;
}

}  // namespace

absl::Status CheckHello(const v1::WorkerHello& hello) {
  return CheckFields({{"name", &hello.name()},
                      {"build", &hello.build()},
                      {"cpu", &hello.cpu()},
                      {"kernel_id", &hello.kernel_id()}});
}

absl::Status CheckHello(const v1::LearnerHello& hello) {
  return CheckFields({{"build", &hello.build()},
                      {"cpu", &hello.cpu()},
                      {"device", &hello.device()},
                      {"address", &hello.address()},
                      {"session", &hello.session()}});
}

absl::Status CheckMessage(v1::WorkRequest& message) {
  switch (message.kind_case()) {
    case v1::WorkRequest::kHeartbeat:
      return absl::OkStatus();
    case v1::WorkRequest::kResult:
      return CheckResult(message.result());
    case v1::WorkRequest::kFailure: {
      v1::WorkFailure& failure = *message.mutable_failure();
      failure.set_message(Printable(failure.message(), kMaxText));
      return absl::OkStatus();
    }
    case v1::WorkRequest::kHello:
      return absl::InvalidArgumentError("a worker says hello once");
    default:
      return absl::InvalidArgumentError("a message of no kind that this coordinator knows");
  }
}

absl::Status CheckMessage(v1::LearnRequest& message) {
  switch (message.kind_case()) {
    case v1::LearnRequest::kHeartbeat:
      return absl::OkStatus();
    case v1::LearnRequest::kReady:
      return CheckPolicy(message.ready().policy_sha256());
    case v1::LearnRequest::kUpdateDone: {
      const v1::UpdateDone& done = message.update_done();
      if (!IsTime(done.update_seconds()) || !IsTime(done.checkpoint_seconds())) {
        return absl::InvalidArgumentError("an update's seconds must be at least 0 and finite");
      }
      return CheckPolicy(done.policy_sha256());
    }
    case v1::LearnRequest::kUpdateFailed: {
      v1::UpdateFailed& failed = *message.mutable_update_failed();
      failed.set_message(Printable(failed.message(), kMaxText));
      return absl::OkStatus();
    }
    case v1::LearnRequest::kRetained: {
      v1::Retained& retained = *message.mutable_retained();
      retained.set_message(Printable(retained.message(), kMaxText));
      return absl::OkStatus();
    }
    case v1::LearnRequest::kCheckpointDamaged: {
      v1::CheckpointDamaged& damaged = *message.mutable_checkpoint_damaged();
      damaged.set_message(Printable(damaged.message(), kMaxText));
      for (const v1::CheckpointName& name : damaged.intact()) {
        if (absl::Status status = CheckPolicy(name.policy_sha256()); !status.ok()) return status;
      }
      return absl::OkStatus();
    }
    case v1::LearnRequest::kHello:
      return absl::InvalidArgumentError("a learner says hello once");
    default:
      return absl::InvalidArgumentError("a message of no kind that this coordinator knows");
  }
}

absl::Status CheckRecord(const v1::Lease& lease, const v1::WorkResult& result,
                         v1::RolloutRecord* parsed) {
  if (lease.has_rollout() != result.has_rollout() ||
      lease.has_evaluation() != result.has_evaluation()) {
    return absl::InvalidArgumentError(
        absl::StrCat("lease ", lease.fencing(), " is answered with a record of another kind"));
  }
  return lease.has_rollout() ? CheckRollout(lease.rollout(), result.rollout(), *parsed)
                             : CheckEvaluation(lease.evaluation(), result.evaluation());
}

size_t MaxAnswerBytes(const v1::Lease& lease, int64_t n_steps) {
  // Bytes of messages without and with all that repeats in them, generously.
  constexpr int64_t kRest = 4096, kEnvironment = 512, kFishState = 32, kEpisode = 128, kDeath = 96;
  int64_t bytes = kRest;
  if (lease.has_rollout()) {
    const int64_t fish = lease.rollout().plan().num_fish();
    const int64_t episode = kEpisode + fish * kDeath;
    // One more: the running episode's record is part of the state.
    const int64_t environment = kEnvironment + fish * kFishState + (n_steps + 1) * episode;
    bytes += lease.rollout().environments_size() * environment;
  } else {
    bytes += lease.evaluation().num_fish() * (kFishState + kDeath);
  }
  return static_cast<size_t>(std::clamp<int64_t>(bytes, kRest, kMaxMessageBytes));
}

void LearnerBook::Sent(const v1::LearnResponse& response) {
  if (response.has_welcome()) {
    welcome_ = response.welcome().committed_iteration();
  } else if (response.has_begin_update()) {
    ++updates_;
    shards_ = response.begin_update().shards_size();
  } else if (response.has_retain()) {
    ++retains_;
  }
}

size_t LearnerBook::max_bytes() const {
  // A shard's number in a failed update, and a version's number and SHA-256.
  constexpr int64_t kShard = 5, kVersion = 96;
  const int64_t versions = welcome_ ? std::min<int64_t>(*welcome_, kMaxMessageBytes) + 1 : 0;
  const int64_t bytes = (updates_ > 0 ? kShard * shards_ : 0) + kVersion * versions;
  return static_cast<size_t>(std::min<int64_t>(bytes, kMaxMessageBytes));
}

absl::StatusOr<bool> LearnerBook::Take(const v1::LearnRequest& message) {
  switch (message.kind_case()) {
    case v1::LearnRequest::kReady:
    case v1::LearnRequest::kCheckpointDamaged: {
      if (!welcome_) return absl::InvalidArgumentError("a learner answers a welcome once");
      const int64_t welcome = *std::exchange(welcome_, std::nullopt);
      if (message.has_checkpoint_damaged() && message.checkpoint_damaged().iteration() != welcome) {
        return absl::InvalidArgumentError(
            absl::StrCat("a damaged checkpoint of iteration ",
                         message.checkpoint_damaged().iteration(), "; asked for was ", welcome));
      }
      return true;
    }
    case v1::LearnRequest::kUpdateDone:
    case v1::LearnRequest::kUpdateFailed:
      return updates_ > 0 && updates_-- > 0;
    case v1::LearnRequest::kRetained:
      return retains_ > 0 && retains_-- > 0;
    default:
      return false;
  }
}

void LeaseBook::Given(const v1::Lease& lease, int64_t n_steps) {
  Entry& entry = leases_[lease.fencing()];
  entry.max_bytes = MaxAnswerBytes(lease, n_steps);
  entry.lease = ForChecks(lease);
}

size_t LeaseBook::max_bytes() const {
  size_t most = 0;
  for (const auto& [fencing, entry] : leases_) most = std::max(most, entry.max_bytes);
  return most;
}

absl::StatusOr<v1::Lease> LeaseBook::Take(const v1::WorkRequest& message) {
  const uint64_t fencing =
      message.has_result() ? message.result().fencing() : message.failure().fencing();
  const auto found = leases_.find(fencing);
  if (found == leases_.end()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "lease ", fencing, " was not given to this stream, or is answered already"));
  }
  v1::Lease lease = std::move(found->second.lease);
  leases_.erase(found);
  return lease;
}

}  // namespace shoal
