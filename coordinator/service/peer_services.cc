#include "coordinator/service/peer_services.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "common/rpc.h"
#include "coordinator/run/ports.h"
#include "coordinator/service/bidi_stream.h"
#include "coordinator/service/peer_checks.h"

namespace shoal {
namespace {

template <class Response>
Response Dismiss(const absl::Status& status) {
  Response response;
  response.mutable_dismissal()->set_reason(v1::Dismissal::REASON_UNFIT);
  response.mutable_dismissal()->set_message(std::string(status.message()));
  return response;
}

BidiLimits ToBidiLimits(const PeerLimits& limits) {
  BidiLimits result;
  result.hello = limits.hello;
  result.close = limits.close;
  return result;
}

// How often the guard looks.
absl::Duration Period(const PeerLimits& limits) {
  return std::clamp(std::min(limits.hello, limits.close) / 4, absl::Milliseconds(5),
                    absl::Milliseconds(250));
}

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

absl::Status TooFast() {
  return absl::ResourceExhaustedError("more messages than heartbeats need");
}

class WorkerStream final : public BidiStream<v1::WorkRequest, v1::WorkResponse>, public WorkerPort {
 public:
  WorkerStream(grpc::CallbackServerContext* context, RunHost* host, StreamGuard* guard,
               const PeerLimits& limits)
      : BidiStream(context, guard, "WorkerService.Work", ToBidiLimits(limits)), host_(host), limits_(limits) {}

  void Send(v1::WorkResponse response) override {
    if (response.has_welcome()) {
      absl::MutexLock lock(&mutex_);
      n_steps_ = response.welcome().options().n_steps();
      budget_.emplace(limits_, ToDuration(response.welcome().heartbeat_interval()));
    } else if (response.has_lease()) {
      absl::MutexLock lock(&mutex_);
      leases_.Given(response.lease(), n_steps_);
    }
    BidiStream::Send(response);
    if (response.has_dismissal()) Close(grpc::Status::OK);
  }
  void Abort() override { BidiStream::Abort(); }

 protected:
  size_t MaxMessageBytes() override {
    absl::MutexLock lock(&mutex_);
    return std::max(limits_.message_bytes, leases_.max_bytes());
  }

  void OnMessage(v1::WorkRequest& message) override {
    if (id_ == 0) {
      OnHello(message);
      return;
    }
    v1::RolloutRecord record;
    if (absl::Status status = CheckMessage(message); !status.ok()) {
      Refuse("bad_message", status);
    } else if (message.has_heartbeat() && !WithinBudget()) {
      Refuse("too_fast", TooFast());
    } else if (status = CheckAnswer(message, &record); !status.ok()) {
      Refuse("bad_answer", status);
    } else {
      host_->With([&](RunLoop& loop, absl::Time now) {
        loop.OnWorkerMessage(id_, message, now, &record);
      });
    }
  }
  void OnEnd() override {
    if (id_ == 0) return;
    host_->With([&](RunLoop& loop, absl::Time now) { loop.WorkerGone(id_, now); });
  }

 private:
  void OnHello(const v1::WorkRequest& message) {
    if (!message.has_hello()) {
      Refuse("no_hello", absl::InvalidArgumentError("a worker opens with its hello"));
      return;
    }
    if (absl::Status status = CheckHello(message.hello()); !status.ok()) {
      Refuse("bad_hello", status);
      return;
    }
    Welcomed();
    auto id = host_->With([&](RunLoop& loop, absl::Time now) {
      return loop.WorkerArrived(message.hello(), this, now);
    });
    if (id.ok()) {
      id_ = *id;
    } else {
      Log("unfit", id.status());
      Send(Dismiss<v1::WorkResponse>(id.status()));
    }
  }
  bool WithinBudget() {
    absl::MutexLock lock(&mutex_);
    return !budget_ || budget_->Take(absl::Now());
  }
  absl::Status CheckAnswer(const v1::WorkRequest& message, v1::RolloutRecord* record) {
    if (message.has_heartbeat()) return absl::OkStatus();
    const absl::StatusOr<v1::Lease> lease = [&] {
      absl::MutexLock lock(&mutex_);
      return leases_.Take(message);
    }();
    if (!lease.ok()) return lease.status();
    return message.has_result() ? CheckRecord(*lease, message.result(), record) : absl::OkStatus();
  }

  RunHost* const host_;
  const PeerLimits limits_;
  WorkerId id_ = 0;  // Used by the stream's reading side alone.
  // Sent to and heard from in different threads. Taken under the host's lock, and never before it.
  absl::Mutex mutex_;
  int64_t n_steps_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<HeartbeatBudget> budget_ ABSL_GUARDED_BY(mutex_);
  LeaseBook leases_ ABSL_GUARDED_BY(mutex_);
};

class LearnerStream final : public BidiStream<v1::LearnRequest, v1::LearnResponse>,
                            public LearnerPort {
 public:
  LearnerStream(grpc::CallbackServerContext* context, RunHost* host, StreamGuard* guard,
                const PeerLimits& limits)
      : BidiStream(context, guard, "LearnerService.Learn", ToBidiLimits(limits)), host_(host), limits_(limits) {}

  void Send(v1::LearnResponse response) override {
    if (response.has_welcome()) {
      absl::MutexLock lock(&mutex_);
      // Another welcome is no new budget.
      if (!budget_) budget_.emplace(limits_, ToDuration(response.welcome().heartbeat_interval()));
    }
    {
      absl::MutexLock lock(&mutex_);
      book_.Sent(response);
    }
    BidiStream::Send(response);
    if (response.has_dismissal()) Close(grpc::Status::OK);
  }
  void Abort() override { BidiStream::Abort(); }

 protected:
  size_t MaxMessageBytes() override {
    absl::MutexLock lock(&mutex_);
    return limits_.message_bytes + book_.max_bytes();
  }

  void OnMessage(v1::LearnRequest& message) override {
    if (!arrived_) {
      OnHello(message);
      return;
    }
    if (absl::Status status = CheckMessage(message); !status.ok()) {
      Refuse("bad_message", status);
      return;
    }
    const absl::StatusOr<bool> answers = [&] {
      absl::MutexLock lock(&mutex_);
      return book_.Take(message);
    }();
    if (!answers.ok()) {
      Refuse("bad_answer", answers.status());
    } else if (!*answers && !WithinBudget()) {
      // An update's end that nobody asked for is for the run to judge, but not often.
      Refuse("too_fast", TooFast());
    } else {
      host_->With(
          [&](RunLoop& loop, absl::Time now) { loop.OnLearnerMessage(this, message, now); });
    }
  }
  void OnEnd() override {
    if (!arrived_) return;
    host_->With([&](RunLoop& loop, absl::Time now) { loop.LearnerGone(this, now); });
  }

 private:
  void OnHello(const v1::LearnRequest& message) {
    if (!message.has_hello()) {
      Refuse("no_hello", absl::InvalidArgumentError("a learner opens with its hello"));
      return;
    }
    if (absl::Status status = CheckHello(message.hello()); !status.ok()) {
      Refuse("bad_hello", status);
      return;
    }
    Welcomed();
    const absl::Status status = host_->With([&](RunLoop& loop, absl::Time now) {
      return loop.LearnerArrived(message.hello(), this, now);
    });
    arrived_ = status.ok();
    if (arrived_) return;
    if (absl::IsFailedPrecondition(status)) {
      Log("unfit", status);
      Send(Dismiss<v1::LearnResponse>(status));
    } else {
      Refuse("second_learner", status);
    }
  }
  bool WithinBudget() {
    absl::MutexLock lock(&mutex_);
    return !budget_ || budget_->Take(absl::Now());
  }

  RunHost* const host_;
  const PeerLimits limits_;
  bool arrived_ = false;  // Used by the stream's reading side alone.
  // Sent to and heard from in different threads. Taken under the host's lock, and never before it.
  absl::Mutex mutex_;
  std::optional<HeartbeatBudget> budget_ ABSL_GUARDED_BY(mutex_);
  LearnerBook book_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

WorkerServiceImpl::WorkerServiceImpl(RunHost* host, const PeerLimits& limits)
    : host_(host), limits_(limits), guard_(limits.workers, limits.workers_per_host, Period(limits), limits.log) {}

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* WorkerServiceImpl::Work(
    grpc::CallbackServerContext* context) {
  auto* stream = new WorkerStream(context, host_, &guard_, limits_);  // deletes itself
  stream->Begin();
  return stream;
}

LearnerServiceImpl::LearnerServiceImpl(RunHost* host, const PeerLimits& limits)
    : host_(host), limits_(limits), guard_(limits.learners, limits.learners_per_host, Period(limits), limits.log) {}

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* LearnerServiceImpl::Learn(
    grpc::CallbackServerContext* context) {
  auto* stream = new LearnerStream(context, host_, &guard_, limits_);  // deletes itself
  stream->Begin();
  return stream;
}

}  // namespace shoal
