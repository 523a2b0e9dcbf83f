// A standing coordinator as the commands of `shoal` see it: QueueService with deadlines.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "coordinator/cli/prepare_run.h"
#include "shoal/v1/queue.grpc.pb.h"

namespace shoal {

// "queued", "running", "finished", "failed", "stopped"; "unknown" of another build.
const char* QueuedRunStateName(v1::QueuedRun::State state);

// What a request of the command line sends: prepared and checked as for a run of this machine, in a
// temporary folder that is gone afterwards. Errors are PrepareRun's, and InvalidArgument for tail files
// that are larger than a coordinator accepts.
absl::StatusOr<v1::SubmitRunRequest> MakeSubmission(RunRequest request);

// Thread safe. Each call takes at most `timeout`. Errors are those of queue.proto; Unavailable where
// nobody answers; FailedPrecondition where the coordinator is one of a single run.
class ClusterClient {
 public:
  // InvalidArgument: no address.
  static absl::StatusOr<std::unique_ptr<ClusterClient>> Connect(const std::string& address,
                                                                absl::Duration timeout);

  const std::string& address() const { return address_; }

  // Tries again while nobody answers, until the timeout.
  absl::StatusOr<v1::QueuedRun> Submit(const v1::SubmitRunRequest& request);
  absl::StatusOr<v1::QueuedRun> Resume(const std::string& name);
  absl::StatusOr<v1::QueuedRun> Cancel(const std::string& name);
  absl::StatusOr<v1::QueuedRun> Get(const std::string& name);
  // All pages.
  absl::StatusOr<std::vector<v1::QueuedRun>> List();

  v1::QueueService::Stub& stub() { return *stub_; }
  // Says which coordinator, and what it can be that it does not answer.
  absl::Status Explain(const absl::Status& status) const;

 private:
  ClusterClient(const std::string& address, absl::Duration timeout,
                std::unique_ptr<v1::QueueService::Stub> stub);

  const std::string address_;
  const absl::Duration timeout_;
  const std::unique_ptr<v1::QueueService::Stub> stub_;
};

}  // namespace shoal
