// An actor: takes leases from a coordinator and answers each with a result or a failure. It holds no
// state that matters; whatever it was doing can be done again by another.
//
// One thread talks to the coordinator (Run), one computes, one pushes the rows of what was computed. A
// lease whose stream is lost is dropped.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/coordinator_link.h"
#include "actor/actor_metrics.h"
#include "actor/lease_executor.h"
#include "shoal/v1/worker.grpc.pb.h"

namespace shoal {

struct ActorOptions {
  std::string coordinator;  // "unix:/path" or "host:port"
  std::string name;         // for people
  ExecutorOptions executor;
  LinkTimes link;
};

class ActorLoop {
 public:
  // Leases asked for at a time: rows of one are pushed while the other is computed.
  static constexpr int kLeases = 2;
  // Leases waiting besides those in work; more are given back at once.
  static constexpr size_t kMostWaiting = 2;

  // InvalidArgument and others: an address or a backend that cannot be.
  static absl::StatusOr<std::unique_ptr<ActorLoop>> Create(const ActorOptions& options);
  // Stops. Waits for a computation in progress, which cannot be interrupted, and drops a push.
  ~ActorLoop();

  // Blocks. OK: the run is over, or Stop was called. FailedPrecondition: this actor does not fit
  // the run, with the coordinator's message. Call it once.
  absl::Status Run();

  // Makes Run return at once, whatever is being computed. Any thread.
  void Stop() { link_.Stop(); }

  // Thread safe.
  void FillMetrics(MetricValues& values) const {
    FillActorMetrics(*stats_, kMostWaiting, values);
  }

 private:
  using Link = CoordinatorLink<v1::WorkRequest, v1::WorkResponse>;

  struct Task {
    Link::SessionPtr session;
    std::shared_ptr<const v1::WorkerWelcome> run;
    v1::Lease lease;
  };
  struct Delivery {
    Task task;
    ComputedLease computed;
  };

  // What this actor has done, and how long it took.
  struct Totals {
    int64_t rollouts = 0, evaluations = 0, failures = 0;
    double rollout_seconds = 0, push_seconds = 0, evaluation_seconds = 0;
  };

  ActorLoop(const ActorOptions& options, const std::string& kernel_id,
            const std::shared_ptr<grpc::Channel>& coordinator);

  Link::Handlers MakeHandlers();
  v1::WorkRequest Hello() const;
  void OnMessage(const Link::SessionPtr& session, const v1::WorkResponse& response);
  void DropWaiting();
  // The computing thread, and the one that pushes and answers.
  void Work();
  void Deliver();
  void Compute(Task task);
  void Answer(const Task& task, v1::WorkRequest request);
  // What was sent, by what was asked for.
  void Count(const Task& task, bool failed);
  // Adds to the totals.
  void Add(const v1::WorkRequest& request);
  void LogTotals();

  const ActorOptions options_;
  const std::string kernel_id_;
  const std::unique_ptr<v1::WorkerService::Stub> coordinator_;
  const std::shared_ptr<ActorStats> stats_ = std::make_shared<ActorStats>();
  LeaseExecutor executor_;
  std::shared_ptr<const v1::WorkerWelcome> run_;  // Only on the thread in Run.
  Link link_;
  absl::Mutex mutex_;
  std::deque<Task> waiting_ ABSL_GUARDED_BY(mutex_);
  // At most one beside the one that is pushed: a learner that is slow holds the computing up.
  std::optional<Delivery> computed_ ABSL_GUARDED_BY(mutex_);
  Totals totals_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread computing_, pushing_;
};

}  // namespace shoal
