// A learner: serves RowService and PolicyService to actors, and does what a coordinator asks on its
// stream, which it finds again after every loss.
//
// One thread talks to the coordinator (Run), so that heartbeats go on; one learns, a task after
// another; gRPC's own receive rows meanwhile.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/coordinator_link.h"
#include "common/metrics/metrics.h"
#include "common/rpc.h"
#include "learner/ingest/policy_service.h"
#include "learner/ingest/policy_store.h"
#include "learner/ingest/row_service.h"
#include "learner/ingest/row_store.h"
#include "learner/learner_state.h"
#include "learner/learner_stats.h"
#include "shoal/v1/learner.grpc.pb.h"

namespace shoal {

struct LearnerOptions {
  std::string coordinator;  // "unix:/path" or "host:port"
  // Holds checkpoints/; "": each run's folder is RUNS/NAME, by the name that its options have.
  std::string run_dir;
  std::string runs;
  ServerOptions server = {.keepalive = kBulkKeepalive};
  std::string advertise;  // What actors are told; empty: where the server really listens.
  int threads = 1;
  // What learns, in words, as long as no run has said it.
  std::string device;
  RowServiceOptions rows;
  LinkTimes link;
};

class LearnerLoop {
 public:
  // Starts to serve. Errors are those of StartServer and ConnectChannel.
  static absl::StatusOr<std::unique_ptr<LearnerLoop>> Create(const LearnerOptions& options,
                                                             TrainerFactory factory);
  // Stops. Waits for an update in progress, which cannot be interrupted.
  ~LearnerLoop();

  // Where RowService and PolicyService are served.
  const std::string& address() const { return server_->address(); }

  // Blocks. OK: the run is over, or Stop was called. FailedPrecondition: this learner does not fit
  // the run, with the coordinator's message. Call it once.
  absl::Status Run() { return link_.Run(); }

  // Makes Run return at once. Any thread.
  void Stop() { link_.Stop(); }

  // Thread safe.
  void FillMetrics(MetricValues& values);

  // After Run: ends the calls of actors and waits until checkpoints are in order and no update is
  // in progress, both for at most so long. False: an update goes on; leaving it loses nothing but
  // work.
  bool Drain(absl::Duration limit);

 private:
  using Link = CoordinatorLink<v1::LearnRequest, v1::LearnResponse>;

  struct Task {
    Link::SessionPtr session;
    std::string session_id;
    v1::LearnResponse message;
  };
  // A coordinator sends an update at a time, and a Retain after each.
  static constexpr size_t kMostTasks = 16;

  LearnerLoop(const LearnerOptions& options, TrainerFactory factory,
              const std::shared_ptr<grpc::Channel>& coordinator);

  Link::Handlers MakeHandlers();
  v1::LearnRequest Hello();
  void OnMessage(const Link::SessionPtr& session, const v1::LearnResponse& message);
  void DropTasks();
  // The learning thread.
  void Work();
  void Do(const Task& task);
  v1::LearnRequest Begin(const v1::LearnerWelcome& welcome, const std::string& session_id);
  bool Idle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !busy_ && tasks_.empty(); }

  const LearnerOptions options_;
  const std::unique_ptr<v1::LearnerService::Stub> coordinator_;
  const std::shared_ptr<LearnerStats> stats_ = std::make_shared<LearnerStats>();
  // Of the run that is on. Asked by gRPC's threads through policies_, which comes after it.
  mutable absl::Mutex run_mutex_;
  std::string run_dir_ ABSL_GUARDED_BY(run_mutex_);
  RowStore rows_;
  PolicyStore policies_;
  RowServiceImpl row_service_;
  PolicyServiceImpl policy_service_;
  LearnerState state_;  // Only on the learning thread.
  std::unique_ptr<RpcServer> server_;
  std::string session_id_;  // Only on the thread in Run.
  Link link_;
  absl::Mutex mutex_;
  std::string device_ ABSL_GUARDED_BY(mutex_);
  std::deque<Task> tasks_ ABSL_GUARDED_BY(mutex_);
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time busy_since_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace shoal
