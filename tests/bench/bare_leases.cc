#include "tests/bench/bare_leases.h"

#include <grpcpp/grpcpp.h>

#include <deque>
#include <iostream>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "common/rpc.h"
#include "shoal/v1/worker.grpc.pb.h"
#include "tests/run/fakes.h"

namespace shoal {
namespace {

// As a run of `school` gives it, all of one iteration.
v1::WorkResponse MakeLease(int state_bytes) {
  v1::WorkResponse response;
  v1::Lease& lease = *response.mutable_lease();
  lease.set_fencing(1);
  lease.set_learner_address("127.0.0.1:50052");
  v1::RolloutItem& item = *lease.mutable_rollout();
  item.mutable_plan()->set_iteration(1);
  item.mutable_plan()->set_num_fish(22);
  item.set_policy_sha256(FakePolicy(0));
  item.set_state(std::string(static_cast<size_t>(state_bytes), 's'));
  for (int e = 0; e < 8; ++e) item.add_environments();
  return response;
}

class Stream final : public grpc::ServerBidiReactor<v1::WorkRequest, v1::WorkResponse> {
 public:
  explicit Stream(const v1::WorkResponse& lease) : lease_(lease) { StartRead(&incoming_); }

  void OnReadDone(bool ok) override {
    if (!ok) {
      absl::MutexLock lock(&mutex_);
      ended_ = true;
      if (queue_.empty()) Finish(grpc::Status::OK);
      return;
    }
    if (incoming_.has_heartbeat()) {
      v1::WorkResponse beat;
      *beat.mutable_heartbeat() = incoming_.heartbeat();
      Send(std::move(beat));
    } else {
      if (incoming_.has_hello()) {
        v1::WorkResponse welcome;
        welcome.mutable_welcome();
        Send(std::move(welcome));
      }
      Send(lease_);
    }
    StartRead(&incoming_);
  }
  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    queue_.pop_front();
    if (!ok) queue_.clear();
    if (!queue_.empty()) {
      StartWrite(&queue_.front());
    } else if (ended_) {
      Finish(grpc::Status::OK);
    }
  }
  void OnDone() override { delete this; }

 private:
  void Send(v1::WorkResponse response) {
    absl::MutexLock lock(&mutex_);
    queue_.push_back(std::move(response));
    if (queue_.size() == 1) StartWrite(&queue_.front());
  }

  const v1::WorkResponse& lease_;
  v1::WorkRequest incoming_;
  absl::Mutex mutex_;
  // The front is being written.
  std::deque<v1::WorkResponse> queue_ ABSL_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

class BareLeases final : public v1::WorkerService::CallbackService {
 public:
  explicit BareLeases(int state_bytes) : lease_(MakeLease(state_bytes)) {}
  grpc::ServerBidiReactor<v1::WorkRequest, v1::WorkResponse>* Work(
      grpc::CallbackServerContext*) override {
    return new Stream(lease_);  // deletes itself
  }

 private:
  const v1::WorkResponse lease_;
};

}  // namespace

absl::Status ServeBareLeases(const std::string& listen, int state_bytes) {
  BareLeases service(state_bytes);
  ServerOptions options;
  options.listen = listen;
  const auto server = StartServer(options, {&service});
  if (!server.ok()) return server.status();
  std::cout << "listening on " << (*server)->address() << std::endl;
  absl::Notification().WaitForNotification();
  return absl::OkStatus();
}

}  // namespace shoal
