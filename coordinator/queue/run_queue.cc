#include "coordinator/queue/run_queue.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/printable.h"

namespace shoal {
namespace {

constexpr QueueState kQueueStates[] = {QueueState::kQueued, QueueState::kRunning,
                                       QueueState::kFinished, QueueState::kFailed,
                                       QueueState::kStopped};
constexpr ArtifactsState kArtifactsStates[] = {ArtifactsState::kNone, ArtifactsState::kPending,
                                               ArtifactsState::kMade, ArtifactsState::kFailed};

}  // namespace

const char* QueueStateName(QueueState state) {
  switch (state) {
    case QueueState::kQueued:
      return "queued";
    case QueueState::kRunning:
      return "running";
    case QueueState::kFinished:
      return "finished";
    case QueueState::kFailed:
      return "failed";
    case QueueState::kStopped:
      return "stopped";
  }
  return "?";
}

std::optional<QueueState> ParseQueueState(const std::string& name) {
  for (const QueueState state : kQueueStates) {
    if (name == QueueStateName(state)) return state;
  }
  return std::nullopt;
}

const char* ArtifactsStateName(ArtifactsState state) {
  switch (state) {
    case ArtifactsState::kNone:
      return "none";
    case ArtifactsState::kPending:
      return "pending";
    case ArtifactsState::kMade:
      return "made";
    case ArtifactsState::kFailed:
      return "failed";
  }
  return "?";
}

std::optional<ArtifactsState> ParseArtifactsState(const std::string& name) {
  for (const ArtifactsState state : kArtifactsStates) {
    if (name == ArtifactsStateName(state)) return state;
  }
  return std::nullopt;
}

absl::StatusOr<RunQueue> RunQueue::Restore(std::vector<QueueEntry> entries) {
  RunQueue queue;
  std::set<int64_t> places;
  for (QueueEntry& entry : entries) {
    if (!places.insert(entry.place).second) {
      return absl::DataLossError(absl::StrCat("two runs are at place ", entry.place, " of the line"));
    }
    if (entry.state == QueueState::kRunning && queue.running() != nullptr) {
      return absl::DataLossError(absl::StrCat("runs ", queue.running()->name, " and ", entry.name,
                                              " are both on"));
    }
    queue.Apply(std::move(entry));
  }
  return queue;
}

absl::StatusOr<QueueEntry> RunQueue::Get(const std::string& name) const {
  if (const QueueEntry* entry = Find(name)) return *entry;
  return absl::NotFoundError(
      absl::StrCat("there is no run ", Printable(name, 128), " here; `shoal runs` has all"));
}

absl::StatusOr<QueueEntry> RunQueue::Submit(const std::string& name, const std::string& token,
                                            absl::Time now) const {
  if (Find(name) != nullptr) {
    return absl::AlreadyExistsError(
        absl::StrCat("run ", name, " exists: `shoal train --resume ", name,
                     "` continues it; a new run needs another --run_name"));
  }
  if (queued() >= kMostQueued) {
    return absl::ResourceExhaustedError(absl::StrCat(
        queued(), " runs wait already, which is the most; try again when some are done"));
  }
  QueueEntry entry;
  entry.name = name;
  entry.token = token;
  entry.place = NextPlace();
  entry.submitted_at = now;
  return entry;
}

absl::StatusOr<QueueEntry> RunQueue::Resume(const std::string& name) const {
  absl::StatusOr<QueueEntry> entry = Get(name);
  if (!entry.ok()) return entry;
  switch (entry->state) {
    case QueueState::kQueued:
    case QueueState::kRunning:
      return entry;
    case QueueState::kFinished:
      return absl::FailedPreconditionError(absl::StrCat("run ", name, " is finished"));
    case QueueState::kFailed:
    case QueueState::kStopped:
      break;
  }
  if (queued() >= kMostQueued) {
    return absl::ResourceExhaustedError(absl::StrCat(queued(), " runs wait already"));
  }
  entry->state = QueueState::kQueued;
  entry->place = NextPlace();
  entry->stop_ordered = false;
  entry->message.clear();
  entry->artifacts = ArtifactsState::kNone;
  return entry;
}

absl::StatusOr<QueueEntry> RunQueue::Cancel(const std::string& name, absl::Time now) const {
  absl::StatusOr<QueueEntry> entry = Get(name);
  if (!entry.ok()) return entry;
  if (entry->state == QueueState::kQueued) {
    entry->state = QueueState::kStopped;
    entry->message = "taken out of the line by order";
    entry->ended_at = now;
  } else if (entry->state == QueueState::kRunning) {
    entry->stop_ordered = true;
  }
  return entry;
}

absl::StatusOr<QueueEntry> RunQueue::Start(const std::string& name, absl::Time now) const {
  const QueueEntry* first = next();
  if (first == nullptr || first->name != name) {
    return absl::FailedPreconditionError(absl::StrCat("run ", name, " is not the next one"));
  }
  QueueEntry entry = *first;
  entry.state = QueueState::kRunning;
  entry.started_at = now;
  entry.ended_at = absl::InfinitePast();
  return entry;
}

absl::StatusOr<QueueEntry> RunQueue::End(const std::string& name, const RunEnd& end,
                                         absl::Time now) const {
  const QueueEntry* on = running();
  if (on == nullptr || on->name != name) {
    return absl::FailedPreconditionError(absl::StrCat("run ", name, " is not on"));
  }
  QueueEntry entry = *on;
  entry.state = end.state;
  entry.message = end.message;
  entry.iteration = end.iteration;
  entry.policy_sha256 = end.policy_sha256;
  entry.ended_at = now;
  // There is something to show once something was committed.
  entry.artifacts = end.iteration > 0 ? ArtifactsState::kPending : ArtifactsState::kNone;
  return entry;
}

absl::StatusOr<QueueEntry> RunQueue::Artifacts(const std::string& name,
                                               const absl::Status& status) const {
  absl::StatusOr<QueueEntry> entry = Get(name);
  if (!entry.ok()) return entry;
  if (entry->artifacts != ArtifactsState::kPending) {
    return absl::FailedPreconditionError(absl::StrCat("nothing is left to make for run ", name));
  }
  entry->artifacts = status.ok() ? ArtifactsState::kMade : ArtifactsState::kFailed;
  if (!status.ok()) {
    absl::StrAppend(&entry->message, entry->message.empty() ? "" : "; ", status.message());
  }
  return entry;
}

void RunQueue::Apply(QueueEntry entry) {
  const std::string name = entry.name;
  entries_.insert_or_assign(name, std::move(entry));
}

const QueueEntry* RunQueue::Find(const std::string& name) const {
  const auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : &found->second;
}

const QueueEntry* RunQueue::running() const {
  for (const auto& [name, entry] : entries_) {
    if (entry.state == QueueState::kRunning) return &entry;
  }
  return nullptr;
}

const QueueEntry* RunQueue::next() const {
  if (running() != nullptr) return nullptr;
  for (const QueueEntry* entry : entries()) {
    if (entry->state == QueueState::kQueued) return entry;
  }
  return nullptr;
}

const QueueEntry* RunQueue::pending_artifacts() const {
  for (const QueueEntry* entry : entries()) {
    if (entry->artifacts == ArtifactsState::kPending) return entry;
  }
  return nullptr;
}

int64_t RunQueue::Ahead(const QueueEntry& entry) const {
  if (entry.state != QueueState::kQueued) return 0;
  return std::count_if(entries_.begin(), entries_.end(), [&](const auto& other) {
    return other.second.state == QueueState::kRunning ||
           (other.second.state == QueueState::kQueued && other.second.place < entry.place);
  });
}

std::vector<const QueueEntry*> RunQueue::entries() const {
  std::vector<const QueueEntry*> all;
  for (const auto& [name, entry] : entries_) all.push_back(&entry);
  std::sort(all.begin(), all.end(),
            [](const QueueEntry* a, const QueueEntry* b) { return a->place < b->place; });
  return all;
}

size_t RunQueue::queued() const {
  return std::count_if(entries_.begin(), entries_.end(), [](const auto& entry) {
    return entry.second.state == QueueState::kQueued;
  });
}

int64_t RunQueue::NextPlace() const {
  int64_t last = 0;
  for (const auto& [name, entry] : entries_) last = std::max(last, entry.place);
  return last + 1;
}

}  // namespace shoal
