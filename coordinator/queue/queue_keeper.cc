#include "coordinator/queue/queue_keeper.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/logging.h"
#include "common/options.h"
#include "common/printable.h"
#include "common/run_name.h"
#include "coordinator/queue/submission.h"

namespace shoal {
namespace {

constexpr int kDefaultPage = 100;
constexpr int kLargestPage = 1000;

v1::QueuedRun::State ToProto(QueueState state) {
  switch (state) {
    case QueueState::kQueued:
      return v1::QueuedRun::STATE_QUEUED;
    case QueueState::kRunning:
      return v1::QueuedRun::STATE_RUNNING;
    case QueueState::kFinished:
      return v1::QueuedRun::STATE_FINISHED;
    case QueueState::kFailed:
      return v1::QueuedRun::STATE_FAILED;
    case QueueState::kStopped:
      return v1::QueuedRun::STATE_STOPPED;
  }
  return v1::QueuedRun::STATE_UNSPECIFIED;
}

v1::QueuedRun::Artifacts ToProto(ArtifactsState state) {
  switch (state) {
    case ArtifactsState::kNone:
      break;
    case ArtifactsState::kPending:
      return v1::QueuedRun::ARTIFACTS_PENDING;
    case ArtifactsState::kMade:
      return v1::QueuedRun::ARTIFACTS_MADE;
    case ArtifactsState::kFailed:
      return v1::QueuedRun::ARTIFACTS_FAILED;
  }
  return v1::QueuedRun::ARTIFACTS_UNSPECIFIED;
}

void SetTime(absl::Time time, google::protobuf::Timestamp* timestamp) {
  timestamp->set_seconds(absl::ToUnixSeconds(time));
  timestamp->set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(timestamp->seconds()))));
}

}  // namespace

QueueKeeper::QueueKeeper(std::string runs, DirectoryLock lock, QueueStore store, RunQueue queue)
    : runs_(std::move(runs)),
      lock_(std::move(lock)),
      store_(std::move(store)),
      queue_(std::move(queue)) {}

absl::StatusOr<std::unique_ptr<QueueKeeper>> QueueKeeper::Open(const std::string& runs) {
  if (absl::Status status = CreateDirectories(runs); !status.ok()) return status;
  auto lock = DirectoryLock::Acquire(runs);
  if (!lock.ok()) return lock.status();
  auto store = QueueStore::Open(absl::StrCat(runs, "/queue.db"));
  if (!store.ok()) return store.status();
  auto entries = store->Load();
  if (!entries.ok()) return entries.status();
  auto queue = RunQueue::Restore(*std::move(entries));
  if (!queue.ok()) return queue.status();
  auto keeper = absl::WrapUnique(
      new QueueKeeper(runs, *std::move(lock), *std::move(store), *std::move(queue)));
  absl::MutexLock mutex_lock(&keeper->mutex_);
  if (absl::Status status = keeper->TidyUp(); !status.ok()) return status;
  return keeper;
}

absl::Status QueueKeeper::TidyUp() {
  std::set<std::string> in_line;
  for (const QueueEntry* entry : queue_.entries()) {
    if (entry->state == QueueState::kQueued) in_line.insert(entry->name);
  }
  return DiscardAllBut(runs_, in_line);
}

absl::StatusOr<QueueEntry> QueueKeeper::Commit(absl::StatusOr<QueueEntry> decision) {
  if (!decision.ok()) return decision;
  if (absl::Status status = store_.Save(*decision); !status.ok()) return status;
  queue_.Apply(*decision);
  return decision;
}

absl::StatusOr<v1::QueuedRun> QueueKeeper::Submit(const v1::SubmitRunRequest& request,
                                                  absl::Time now) {
  absl::StatusOr<v1::RunOptions> options = CheckSubmission(request);
  if (!options.ok()) return options.status();
  const std::string& name = options->run_name();
  absl::MutexLock lock(&mutex_);
  if (const QueueEntry* there = queue_.Find(name); there && there->token == request.token()) {
    return ToProto(*there);
  }
  absl::StatusOr<QueueEntry> entry = queue_.Submit(name, request.token(), now);
  if (!entry.ok()) return entry.status();
  if (std::filesystem::exists(absl::StrCat(runs_, "/", name))) {
    return absl::AlreadyExistsError(absl::StrCat(
        "the coordinator's folder has a ", name,
        " that is no run of its line; a new run needs another --run_name"));
  }
  if (absl::Status s = PrepareSubmission(runs_, request, *options); !s.ok()) return s;
  entry = Commit(*std::move(entry));
  if (!entry.ok()) {
    Discard(runs_, name);
    return entry.status();
  }
  // It is in line whatever comes of this, which is tried again when it is its turn.
  if (absl::Status s = PutInPlace(runs_, name); !s.ok()) {
    LogWarning("the folder of a run did not get its name", {{"run", name}, {"error", s}});
  }
  LogInfo("run in line", {{"run", name}, {"ahead", queue_.Ahead(*entry)}});
  return ToProto(*entry);
}

absl::StatusOr<v1::QueuedRun> QueueKeeper::Adopt(const std::string& name, absl::Time now) {
  auto folder = RunFolder(runs_, name);
  if (!folder.ok()) return folder.status();
  absl::MutexLock lock(&mutex_);
  if (const QueueEntry* there = queue_.Find(name)) return ToProto(*there);
  const auto options = ReadOptionsFile(absl::StrCat(*folder, "/config.textproto"));
  if (absl::IsNotFound(options.status())) {
    return absl::NotFoundError(absl::StrCat(*folder, ": is no run's folder; `shoal init --out ", runs_,
                                            " --run_name ", name, "` makes one"));
  }
  if (!options.ok()) return options.status();
  if (options->run_name() != name) {
    return absl::InvalidArgumentError(absl::StrCat(*folder, ": is the folder of a run named ",
                                                   Printable(options->run_name(), 128)));
  }
  // Without a token: no submission is taken for this one.
  absl::StatusOr<QueueEntry> entry = Commit(queue_.Submit(name, "", now));
  if (!entry.ok()) return entry.status();
  LogInfo("run in line", {{"run", name}, {"ahead", queue_.Ahead(*entry)}});
  return ToProto(*entry);
}

absl::StatusOr<v1::QueuedRun> QueueKeeper::Resume(const std::string& name) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<QueueEntry> entry = Commit(queue_.Resume(name));
  if (!entry.ok()) return entry.status();
  LogInfo("run in line again", {{"run", name}, {"ahead", queue_.Ahead(*entry)}});
  return ToProto(*entry);
}

absl::StatusOr<v1::QueuedRun> QueueKeeper::Cancel(const std::string& name, absl::Time now) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<QueueEntry> entry = Commit(queue_.Cancel(name, now));
  if (!entry.ok()) return entry.status();
  LogInfo("run cancelled", {{"run", name}, {"state", QueueStateName(entry->state)}});
  return ToProto(*entry);
}

absl::StatusOr<v1::QueuedRun> QueueKeeper::Get(const std::string& name) const {
  absl::MutexLock lock(&mutex_);
  const QueueEntry* entry = queue_.Find(name);
  if (entry != nullptr) return ToProto(*entry);
  return absl::NotFoundError(absl::StrCat("this coordinator has no run ", Printable(name, 128)));
}

absl::StatusOr<v1::ListRunsResponse> QueueKeeper::List(const v1::ListRunsRequest& request) const {
  int64_t after = 0;
  if (request.page_size() < 0 || request.page_size() > kLargestPage ||
      (!request.page_token().empty() && !absl::SimpleAtoi(request.page_token(), &after))) {
    return absl::InvalidArgumentError(
        absl::StrCat("a page has 1 to ", kLargestPage, " runs, and a page token is one that a page "
                     "before gave"));
  }
  const int size = request.page_size() > 0 ? request.page_size() : kDefaultPage;
  absl::MutexLock lock(&mutex_);
  v1::ListRunsResponse response;
  int64_t last = 0;
  for (const QueueEntry* entry : queue_.entries()) {
    if (entry->place <= after) continue;
    if (response.runs_size() == size) {
      response.set_next_page_token(absl::StrCat(last));
      break;
    }
    *response.add_runs() = ToProto(*entry);
    last = entry->place;
  }
  return response;
}

absl::StatusOr<std::optional<QueueKeeper::Turn>> QueueKeeper::TakeNext(absl::Time now) {
  absl::MutexLock lock(&mutex_);
  if (const QueueEntry* on = queue_.running()) return Turn{*on, true};
  const QueueEntry* next = queue_.next();
  if (next == nullptr) return std::nullopt;
  absl::StatusOr<QueueEntry> entry = Commit(queue_.Start(next->name, now));
  if (!entry.ok()) return entry.status();
  absl::Status status = PutInPlace(runs_, entry->name);
  if (status.ok()) return Turn{*std::move(entry), false};
  LogError("a run has no folder", {{"run", entry->name}, {"error", status}});
  RunEnd end;
  end.state = QueueState::kFailed;
  end.message = std::string(status.message());
  status = Commit(queue_.End(entry->name, end, now)).status();
  if (!status.ok()) return status;
  return std::nullopt;
}

void QueueKeeper::AwaitTurn(absl::Time deadline) const {
  absl::MutexLock lock(&mutex_);
  const auto due = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return queue_.running() != nullptr || queue_.next() != nullptr;
  };
  mutex_.AwaitWithDeadline(absl::Condition(&due), deadline);
}

bool QueueKeeper::stop_ordered() const {
  absl::MutexLock lock(&mutex_);
  const QueueEntry* on = queue_.running();
  return on != nullptr && on->stop_ordered;
}

absl::Status QueueKeeper::End(const std::string& name, const RunEnd& end, absl::Time now) {
  absl::MutexLock lock(&mutex_);
  LogInfo("run over", {{"run", name},
                       {"state", QueueStateName(end.state)},
                       {"iteration", end.iteration},
                       {"message", end.message}});
  return Commit(queue_.End(name, end, now)).status();
}

std::string QueueKeeper::PendingArtifacts() const {
  absl::MutexLock lock(&mutex_);
  const QueueEntry* entry = queue_.pending_artifacts();
  return entry == nullptr ? "" : entry->name;
}

absl::Status QueueKeeper::ArtifactsDone(const std::string& name, const absl::Status& outcome) {
  absl::MutexLock lock(&mutex_);
  return Commit(queue_.Artifacts(name, outcome)).status();
}

v1::QueuedRun QueueKeeper::ToProto(const QueueEntry& entry) const {
  v1::QueuedRun run;
  run.set_name(entry.name);
  run.set_state(shoal::ToProto(entry.state));
  run.set_message(entry.message);
  run.set_ahead(queue_.Ahead(entry));
  SetTime(entry.submitted_at, run.mutable_submitted_at());
  if (entry.started_at != absl::InfinitePast()) SetTime(entry.started_at, run.mutable_started_at());
  if (entry.ended_at != absl::InfinitePast()) SetTime(entry.ended_at, run.mutable_ended_at());
  run.set_artifacts(shoal::ToProto(entry.artifacts));
  run.set_iteration(entry.iteration);
  run.set_policy_sha256(entry.policy_sha256);
  run.set_stopping(entry.stop_ordered && entry.state == QueueState::kRunning);
  return run;
}

}  // namespace shoal
