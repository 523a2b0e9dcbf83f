// RunLoop: what actors give for their leases, and what it means.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/hash.h"
#include "common/logging.h"
#include "coordinator/run/run_loop.h"

namespace shoal {
namespace {

// Failures that say nothing of the item: it is just tried again.
bool Passes(int32_t code) {
  switch (static_cast<absl::StatusCode>(code)) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kResourceExhausted:
      return true;
    default:
      return false;
  }
}

std::string ItemText(const ItemKey& item) {
  return item.kind == ItemKind::kRollout
             ? absl::StrCat("iteration ", item.group, ", shard ", item.index)
             : absl::StrCat("evaluation ", item.group, ", scene ", item.index);
}

}  // namespace

std::string RunLoop::WorkerText(const v1::WorkerHello& hello) {
  return absl::StrCat(hello.name(), " (", hello.build(), ", ", hello.cpu(), ")");
}

absl::Status RunLoop::OnResult(Worker& worker, const v1::WorkResult& result,
                               v1::RolloutRecord* record, absl::Time now) {
  worker.active = std::max(0, worker.active - 1);
  ++worker.items_done;
  const auto item = leases_->Find(result.fencing());
  if (!item) return OnLateResult(worker, result);
  const bool rollout = item->kind == ItemKind::kRollout;
  if (rollout != (result.record_case() == v1::WorkResult::kRollout)) {
    return absl::InvalidArgumentError(
        absl::StrCat(WorkerText(worker.hello), " answered ", ItemText(*item),
                     " with a record of another kind"));
  }
  leases_->Complete(result.fencing(), now);
  if (rollout) return OnRollout(*item, worker, result, record, now);
  training_->AddEvaluationSeconds(result.compute_seconds());
  auto verdict = evaluations_->Accept(*item, result.evaluation(), WorkerText(worker.hello));
  if (!verdict.ok()) return verdict.status();
  if (*verdict != EvaluationBoard::Verdict::kMismatch) return absl::OkStatus();
  return Mismatch(*item, FirstWorker(*item, worker), worker);
}

absl::Status RunLoop::OnLateResult(const Worker& worker, const v1::WorkResult& result) {
  // Of an iteration or evaluation that is over, or of a lease before the coordinator's restart. The
  // record of a rollout says what it is of, that of a scene does not.
  if (result.has_evaluation()) return OnLateScene(worker, result);
  v1::RolloutRecord record;
  if (!result.has_rollout() || !record.ParseFromString(result.rollout())) return absl::OkStatus();
  auto committed = Store()->ShardChecksum(record.iteration(), record.shard());
  if (absl::IsNotFound(committed.status())) return absl::OkStatus();
  if (!committed.ok()) return committed.status();
  if (*committed == Xxh3_128Hex(result.rollout())) return absl::OkStatus();
  auto first = Store()->ShardWorker(record.iteration(), record.shard());
  if (!first.ok()) return first.status();
  return Mismatch(ItemKey{ItemKind::kRollout, record.iteration(), record.shard()}, *first, worker);
}

absl::Status RunLoop::OnLateScene(const Worker& worker, const v1::WorkResult& result) {
  const auto item = leases_->FindRetired(result.fencing());
  if (!item) return absl::OkStatus();
  auto scenes = Store()->LoadEvaluationScenes(item->group);
  if (!scenes.ok()) return scenes.status();
  for (const EvaluationScene& scene : *scenes) {
    if (scene.scene == item->index && scene.record != result.evaluation()) {
      return Mismatch(*item, scene.worker, worker);
    }
  }
  return absl::OkStatus();
}

absl::Status RunLoop::OnRollout(const ItemKey& item, Worker& worker, const v1::WorkResult& result,
                                v1::RolloutRecord* record, absl::Time now) {
  v1::RolloutRecord parsed;
  if (record == nullptr && parsed.ParseFromString(result.rollout())) record = &parsed;
  auto verdict = training_->Accept(item, result, record, WorkerText(worker.hello), now);
  if (!verdict.ok()) return verdict.status();
  if (*verdict != RolloutBoard::Verdict::kMismatch) return absl::OkStatus();
  absl::Status status = Mismatch(item, FirstWorker(item, worker), worker);
  if (status.ok()) training_->AdoptRows(item, result);
  return status;
}

std::string RunLoop::FirstWorker(const ItemKey& item, const Worker& second) const {
  if (item.kind == ItemKind::kEvaluation) return evaluations_->Worker(item);
  const std::string known = training_->Result(item).worker;
  if (!known.empty()) return known;
  // Its rows are with the learner and its record is still on the way.
  for (const WorkerId holder : leases_->Holders(item)) {
    auto found = workers_.find(holder);
    if (found != workers_.end() && &found->second != &second) return WorkerText(found->second.hello);
  }
  return "";
}

void RunLoop::Alarm(const std::string& message) {
  LogError(message);
  ++alarms_;
  alarm_ = message;
}

absl::Status RunLoop::Mismatch(const ItemKey& item, const std::string& first,
                               const Worker& second) {
  const std::string message = absl::StrCat(
      "two results of ", ItemText(item), " differ: that of ",
      first.empty() ? "an actor that is not known any more" : first, " and that of ", WorkerText(second.hello),
      ". Equal builds on sound machines give equal bytes");
  if (run_.options.on_mismatch() == "warn") {
    Alarm(message);
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat(message, "; --on_mismatch warn goes on regardless"));
}

absl::Status RunLoop::OnFailure(Worker& worker, const v1::WorkFailure& failure, absl::Time now) {
  worker.active = std::max(0, worker.active - 1);
  const auto item = leases_->Find(failure.fencing());
  if (!item) return absl::OkStatus();
  const bool passes = Passes(failure.code());
  const int failures = leases_->Fail(failure.fencing(), passes, now);
  LogWarning("item failed", {{"item", ItemText(*item)}, {"worker", worker.hello.name()},
                             {"code", failure.code()}, {"message", failure.message()}});
  // The learner has other rows for this shard.
  if (failure.code() == static_cast<int>(absl::StatusCode::kAlreadyExists)) {
    absl::Status status = Mismatch(*item, FirstWorker(*item, worker), worker);
    if (!status.ok()) return status;
  }
  if (passes || failures < kMaxFailures) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(ItemText(*item), " failed ", failures,
                                                    " times, last on ", WorkerText(worker.hello),
                                                    ": ", failure.message()));
}

}  // namespace shoal
