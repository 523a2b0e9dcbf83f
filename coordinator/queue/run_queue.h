// The line of runs of a standing coordinator: what waits, what is on, what is next.
//
// Decisions only: no gRPC, clock, thread or file. A method that changes something comes in two steps,
// so that the caller can make the change durable between them: the first says what the entry will be,
// Apply makes it so. Not thread safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace shoal {

enum class QueueState { kQueued, kRunning, kFinished, kFailed, kStopped };
// "queued", "running", "finished", "failed", "stopped".
const char* QueueStateName(QueueState state);
std::optional<QueueState> ParseQueueState(const std::string& name);

// The step after a run's end: report, plots, videos.
enum class ArtifactsState { kNone, kPending, kMade, kFailed };
const char* ArtifactsStateName(ArtifactsState state);  // "none", "pending", "made", "failed"
std::optional<ArtifactsState> ParseArtifactsState(const std::string& name);

struct QueueEntry {
  std::string name;
  // Of the submission; see queue.proto.
  std::string token;
  QueueState state = QueueState::kQueued;
  // Its place: grows with every run that is put in line, across restarts.
  int64_t place = 0;
  // It is to stop. Durable, so that a restart does not forget it.
  bool stop_ordered = false;
  std::string message;
  ArtifactsState artifacts = ArtifactsState::kNone;
  absl::Time submitted_at = absl::InfinitePast();
  absl::Time started_at = absl::InfinitePast();  // Infinite past: not yet.
  absl::Time ended_at = absl::InfinitePast();
  // Of the last commit, once it has ended.
  int64_t iteration = 0;
  std::string policy_sha256;
};

// How a run ended.
struct RunEnd {
  QueueState state = QueueState::kFinished;  // finished, failed or stopped
  std::string message;
  int64_t iteration = 0;
  std::string policy_sha256;
};

class RunQueue {
 public:
  // Runs that wait at a time.
  static constexpr size_t kMostQueued = 1000;

  // In any order, names all different. DataLoss: two run at a time, or two have one place.
  static absl::StatusOr<RunQueue> Restore(std::vector<QueueEntry> entries);

  // A new run at the end of the line. AlreadyExists: there is one of this name; its token tells the
  // caller whether it is this submission. ResourceExhausted: too many wait.
  absl::StatusOr<QueueEntry> Submit(const std::string& name, const std::string& token,
                                    absl::Time now) const;
  // A stopped or failed one at the end of the line; one that waits or is on as it is. NotFound;
  // FailedPrecondition: it is finished.
  absl::StatusOr<QueueEntry> Resume(const std::string& name) const;
  // A waiting one is stopped; the one that is on is ordered to stop; others as they are. NotFound.
  absl::StatusOr<QueueEntry> Cancel(const std::string& name, absl::Time now) const;
  // The first in line is on. FailedPrecondition: it is not the first, or another is on.
  absl::StatusOr<QueueEntry> Start(const std::string& name, absl::Time now) const;
  // It is over. FailedPrecondition: it is not on.
  absl::StatusOr<QueueEntry> End(const std::string& name, const RunEnd& end, absl::Time now) const;
  // Its report, plots and videos are made, or why not. FailedPrecondition: none are pending.
  absl::StatusOr<QueueEntry> Artifacts(const std::string& name, const absl::Status& status) const;

  // Replaces the entry of this name, or adds it.
  void Apply(QueueEntry entry);

  // null: there is none.
  const QueueEntry* Find(const std::string& name) const;
  // The one that is on; null: none is.
  const QueueEntry* running() const;
  // The first of those that wait, while none is on; null otherwise.
  const QueueEntry* next() const;
  // The first one, in line's order, whose artifacts are pending; null: none.
  const QueueEntry* pending_artifacts() const;
  // Runs that come before a waiting one; 0 for others.
  int64_t Ahead(const QueueEntry& entry) const;
  // By place.
  std::vector<const QueueEntry*> entries() const;

 private:
  size_t queued() const;
  int64_t NextPlace() const;
  absl::StatusOr<QueueEntry> Get(const std::string& name) const;

  std::map<std::string, QueueEntry> entries_;
};

}  // namespace shoal
