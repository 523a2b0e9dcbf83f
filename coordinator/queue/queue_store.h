// DIR/queue.db: the line of runs, as it survives. Written by the one process that has DIR's lock.
//
// Not thread safe. Errors are those of coordinator/store/database.h.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "coordinator/queue/run_queue.h"
#include "coordinator/store/database.h"

namespace shoal {

class QueueStore {
 public:
  // Opens or makes the file. FailedPrecondition: of another version, or not a queue's.
  static absl::StatusOr<QueueStore> Open(const std::string& path);

  // DataLoss: a row that cannot be.
  absl::StatusOr<std::vector<QueueEntry>> Load() const;
  // Adds the entry or replaces the one of its name; durable when it returns.
  absl::Status Save(const QueueEntry& entry);

 private:
  explicit QueueStore(Database database) : database_(std::move(database)) {}

  Database database_;
};

}  // namespace shoal
