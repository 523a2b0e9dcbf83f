// The line of runs with its file and its runs' folders: what is decided is durable before it is told.
//
// Thread safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/files.h"
#include "coordinator/queue/queue_store.h"
#include "coordinator/queue/run_queue.h"
#include "shoal/v1/queue.pb.h"

namespace shoal {

class QueueKeeper {
 public:
  // Takes the folder (made where it is not there), which belongs to one coordinator at a time, and
  // puts in order what a death may have left. FailedPrecondition: another has it.
  static absl::StatusOr<std::unique_ptr<QueueKeeper>> Open(const std::string& runs);

  const std::string& runs() const { return runs_; }

  // What QueueService answers; the codes are those of queue.proto.
  absl::StatusOr<v1::QueuedRun> Submit(const v1::SubmitRunRequest& request, absl::Time now);
  // A run whose folder `shoal init` has made in runs(): at the end of the line, where the line does
  // not have it. One that it has stays as it is, in line or ended. NotFound: there is no such folder;
  // InvalidArgument: a name that is none, or the folder is that of a run of another name.
  absl::StatusOr<v1::QueuedRun> Adopt(const std::string& name, absl::Time now);
  absl::StatusOr<v1::QueuedRun> Resume(const std::string& name);
  absl::StatusOr<v1::QueuedRun> Cancel(const std::string& name, absl::Time now);
  absl::StatusOr<v1::QueuedRun> Get(const std::string& name) const;
  // InvalidArgument: a page size or token that cannot be.
  absl::StatusOr<v1::ListRunsResponse> List(const v1::ListRunsRequest& request) const;

  struct Turn {
    QueueEntry entry;
    bool was_on = false;  // It was on already: a coordinator before has ended in the middle.
  };
  // The run to be on now: the one that was on, or the first in line, which is on from now; nothing:
  // the line is empty, or the first one's folder cannot be had, with which it has failed. Errors are
  // queue.db's.
  absl::StatusOr<std::optional<Turn>> TakeNext(absl::Time now);
  // Until a run's turn has come, or the deadline.
  void AwaitTurn(absl::Time deadline) const;
  // Whether the run that is on was ordered to stop.
  bool stop_ordered() const;
  absl::Status End(const std::string& name, const RunEnd& end, absl::Time now);

  // A run whose report, plots and videos are to be made; "": none.
  std::string PendingArtifacts() const;
  absl::Status ArtifactsDone(const std::string& name, const absl::Status& outcome);

 private:
  QueueKeeper(std::string runs, DirectoryLock lock, QueueStore store, RunQueue queue);
  absl::Status TidyUp() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Makes a decision durable, then takes it.
  absl::StatusOr<QueueEntry> Commit(absl::StatusOr<QueueEntry> decision)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  v1::QueuedRun ToProto(const QueueEntry& entry) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  const std::string runs_;
  const DirectoryLock lock_;
  mutable absl::Mutex mutex_;
  QueueStore store_ ABSL_GUARDED_BY(mutex_);
  RunQueue queue_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace shoal
