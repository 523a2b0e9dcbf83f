// Follows a run over RunService, through restarts of its coordinator.
#pragma once

#include <grpcpp/channel.h>

#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "shoal/v1/run.grpc.pb.h"

namespace shoal {

// Thread safe.
class RunWatch {
 public:
  // Begins to follow; a coordinator that is not there yet is waited for. InvalidArgument: no address.
  static absl::StatusOr<std::unique_ptr<RunWatch>> Start(const std::string& address);
  ~RunWatch();

  // The latest status: as soon as there is a new one, else at the deadline. Before the first one it is
  // empty (total_iterations is 0).
  v1::RunStatus WaitForStatus(absl::Time deadline);
  // How often the coordinator has said something, be it a refusal. It sends a status five times a
  // second, changed or not: a number that stays is a coordinator that hangs, or is gone.
  int64_t answers() const;
  // Stop after the next commit. Unavailable, DeadlineExceeded: no answer, within 2 s.
  absl::Status SendStop();

 private:
  explicit RunWatch(std::shared_ptr<grpc::Channel> channel);
  void FollowUntilClosed();
  void FollowOnce();

  const std::unique_ptr<v1::RunService::Stub> stub_;
  mutable absl::Mutex mutex_;
  v1::RunStatus status_ ABSL_GUARDED_BY(mutex_);
  bool is_new_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t answers_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  // The call in progress, to be cancelled by the destructor.
  grpc::ClientContext* call_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::thread thread_;
};

}  // namespace shoal
