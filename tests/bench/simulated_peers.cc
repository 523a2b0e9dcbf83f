#include "tests/bench/simulated_peers.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <queue>
#include <random>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/duplex_stream.h"
#include "common/rpc.h"
#include "common/version.h"
#include "shoal/v1/learner.grpc.pb.h"
#include "shoal/v1/worker.grpc.pb.h"
#include "tests/run/fakes.h"

namespace shoal {
namespace {

constexpr absl::Duration kHeartbeat = absl::Seconds(1);
// Connections on their way at a time: a server gives a handshake ten seconds.
constexpr int kConnecting = 64;

std::shared_ptr<grpc::Channel> OwnConnection(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

// What all actors share.
struct Shared {
  std::atomic<bool> recording = false;
  std::atomic<int64_t> grants = 0;
  std::atomic<int> welcomed = 0;
  absl::Mutex mutex;
  // Why the first stream ended that should not have.
  absl::Status ended ABSL_GUARDED_BY(mutex);
  std::vector<double> latencies ABSL_GUARDED_BY(mutex);
};

class Actor final : public grpc::ClientBidiReactor<v1::WorkRequest, v1::WorkResponse> {
 public:
  // due: called with the time at which Fire is to be called.
  using Due = std::function<void(absl::Time, Actor*)>;

  Actor(int number, const SimulatedActorsOptions& options, Shared* shared, Due due)
      : options_(options),
        shared_(shared),
        due_(std::move(due)),
        stub_(v1::WorkerService::NewStub(OwnConnection(options.address))),
        random_(number) {
    stub_->async()->Work(&context_, this);
    // Keeps the call open while no operation is on its way; the end of reading lets go of it.
    AddHold();
    StartRead(&incoming_);
    StartCall();
    v1::WorkRequest request;
    v1::WorkerHello* hello = request.mutable_hello();
    hello->set_name(absl::StrCat("simulated-", number));
    hello->set_build(GetBuildInfo().Build());
    hello->set_cpu("none");
    hello->set_kernel_id("none");
    hello->set_protocol(v1::PROTOCOL_CURRENT);
    Send(std::move(request));
  }
  ~Actor() override {
    context_.TryCancel();
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&done_));
  }

  void Cancel() {
    absl::MutexLock lock(&mutex_);
    leaving_ = true;
    context_.TryCancel();
  }

  // Sends the result whose time has come, or a heartbeat.
  void Fire(absl::Time now) {
    v1::WorkRequest request;
    bool beat = false;
    {
      absl::MutexLock lock(&mutex_);
      if (holding_ && now >= answer_at_) {
        request = std::move(answer_);
        holding_ = false;
        answered_iteration_ = holding_iteration_;
        answered_at_ = absl::Now();
      } else if (now >= beat_at_) {
        request.mutable_heartbeat()->set_sequence(++beats_);
        beat_at_ = now + kHeartbeat;
        beat = true;
      } else {
        return;
      }
    }
    Send(std::move(request));
    if (beat) due_(now + kHeartbeat, this);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      RemoveHold();
      return;
    }
    if (incoming_.has_lease()) {
      OnLease(absl::Now());
    } else if (incoming_.has_welcome()) {
      const absl::Time first = absl::Now() + kHeartbeat * Uniform();
      {
        absl::MutexLock lock(&mutex_);
        beat_at_ = first;
      }
      due_(first, this);
      ++shared_->welcomed;
    } else if (incoming_.has_dismissal()) {
      absl::MutexLock lock(&shared_->mutex);
      shared_->ended.Update(absl::FailedPreconditionError(absl::StrCat(
          "the coordinator dismissed a simulated actor: ", incoming_.dismissal().message())));
    }
    StartRead(&incoming_);
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    outbox_.pop_front();
    if (!ok) outbox_.clear();
    if (!outbox_.empty()) StartWrite(&outbox_.front());
  }

  void OnDone(const grpc::Status& status) override {
    absl::MutexLock lock(&mutex_);
    done_ = true;
    if (leaving_) return;
    absl::MutexLock shared_lock(&shared_->mutex);
    if (shared_->ended.ok()) {
      shared_->ended = absl::UnavailableError(
          absl::StrCat("the coordinator ended a simulated actor's stream: ", status.error_message()));
    }
  }

 private:
  double Uniform() { return static_cast<double>(random_() >> 8) * 0x1p-24; }

  // Called by the reading side alone.
  void OnLease(absl::Time now) {
    const v1::Lease& lease = incoming_.lease();
    v1::WorkRequest answer;
    v1::WorkResult* result = answer.mutable_result();
    result->set_fencing(lease.fencing());
    v1::RolloutRecord record = FakeRecord(lease.rollout());
    record.set_next_state(std::string(options_.state_bytes, 's'));
    result->set_rollout(record.SerializeAsString());
    result->set_learner_session("session");
    const int64_t iteration = lease.rollout().plan().iteration();
    const absl::Time at =
        options_.hold == absl::ZeroDuration() ? now : now + options_.hold * (0.5 + Uniform());
    double latency = -1;
    {
      absl::MutexLock lock(&mutex_);
      if (answered_iteration_ == iteration) latency = absl::ToDoubleSeconds(now - answered_at_);
      answer_ = std::move(answer);
      answer_at_ = at;
      holding_ = true;
      holding_iteration_ = iteration;
    }
    if (shared_->recording) {
      ++shared_->grants;
      if (latency >= 0) {
        absl::MutexLock lock(&shared_->mutex);
        shared_->latencies.push_back(latency);
      }
    }
    if (at <= now) {
      Fire(now);
    } else {
      due_(at, this);
    }
  }

  void Send(v1::WorkRequest request) {
    absl::MutexLock lock(&mutex_);
    if (done_ || leaving_) return;
    outbox_.push_back(std::move(request));
    if (outbox_.size() == 1) StartWrite(&outbox_.front());
  }

  const SimulatedActorsOptions& options_;
  Shared* const shared_;
  const Due due_;
  const std::unique_ptr<v1::WorkerService::Stub> stub_;
  grpc::ClientContext context_;
  std::mt19937 random_;        // Of the reading side.
  v1::WorkResponse incoming_;  // Likewise.
  absl::Mutex mutex_;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  bool leaving_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<v1::WorkRequest> outbox_ ABSL_GUARDED_BY(mutex_);  // The front is being written.
  bool holding_ ABSL_GUARDED_BY(mutex_) = false;
  v1::WorkRequest answer_ ABSL_GUARDED_BY(mutex_);
  absl::Time answer_at_ ABSL_GUARDED_BY(mutex_);
  int64_t holding_iteration_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t answered_iteration_ ABSL_GUARDED_BY(mutex_) = -1;
  absl::Time answered_at_ ABSL_GUARDED_BY(mutex_);
  absl::Time beat_at_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  uint64_t beats_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace

class SimulatedActors::Crowd {
 public:
  explicit Crowd(const SimulatedActorsOptions& options)
      : options_(options), thread_([this] { SendWhatIsDue(); }) {}

  ~Crowd() {
    for (auto& actor : actors_) actor->Cancel();
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    thread_.join();
    actors_.clear();
  }

  absl::Status Connect(absl::Time deadline) {
    for (int i = 0; i < options_.actors; ++i) {
      while (i - shared_.welcomed >= kConnecting) {
        if (absl::Status status = Wait(deadline); !status.ok()) return status;
      }
      actors_.push_back(std::make_unique<Actor>(
          i, options_, &shared_, [this](absl::Time at, Actor* actor) { Queue(at, actor); }));
    }
    while (shared_.welcomed < options_.actors) {
      if (absl::Status status = Wait(deadline); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  Shared& shared() { return shared_; }

 private:
  struct Entry {
    absl::Time at;
    Actor* actor;
    bool operator<(const Entry& other) const { return at > other.at; }
  };

  absl::Status Wait(absl::Time deadline) {
    {
      absl::MutexLock lock(&shared_.mutex);
      if (!shared_.ended.ok()) return shared_.ended;
    }
    if (absl::Now() > deadline) {
      return absl::DeadlineExceededError(absl::StrCat("of ", options_.actors, " simulated actors ",
                                                      shared_.welcomed.load(), " are welcomed"));
    }
    absl::SleepFor(absl::Milliseconds(1));
    return absl::OkStatus();
  }

  void Queue(absl::Time at, Actor* actor) {
    absl::MutexLock lock(&mutex_);
    queue_.push({at, actor});
  }

  bool Urgent() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || (!queue_.empty() && queue_.top().at < waking_at_);
  }

  void SendWhatIsDue() {
    std::vector<Actor*> due;
    while (true) {
      absl::Time now;
      {
        absl::MutexLock lock(&mutex_);
        waking_at_ = queue_.empty() ? absl::InfiniteFuture() : queue_.top().at;
        mutex_.AwaitWithDeadline(absl::Condition(this, &Crowd::Urgent), waking_at_);
        if (stopping_) return;
        now = absl::Now();
        for (; !queue_.empty() && queue_.top().at <= now; queue_.pop()) {
          due.push_back(queue_.top().actor);
        }
      }
      for (Actor* actor : due) actor->Fire(now);
      due.clear();
    }
  }

  const SimulatedActorsOptions options_;
  Shared shared_;
  absl::Mutex mutex_;
  std::priority_queue<Entry> queue_ ABSL_GUARDED_BY(mutex_);
  absl::Time waking_at_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::unique_ptr<Actor>> actors_;
  std::thread thread_;
};

SimulatedActors::SimulatedActors(const SimulatedActorsOptions& options)
    : crowd_(std::make_unique<Crowd>(options)) {}
SimulatedActors::~SimulatedActors() = default;

absl::Status SimulatedActors::AwaitWelcome(absl::Time deadline) {
  return crowd_->Connect(deadline);
}

void SimulatedActors::Begin() {
  Shared& shared = crowd_->shared();
  absl::MutexLock lock(&shared.mutex);
  shared.grants = 0;
  shared.latencies.clear();
  shared.recording = true;
}

absl::Status SimulatedActors::Take(LeaseFigures* figures) {
  Shared& shared = crowd_->shared();
  shared.recording = false;
  absl::MutexLock lock(&shared.mutex);
  figures->grants = shared.grants;
  figures->latencies = std::move(shared.latencies);
  return shared.ended;
}

class SimulatedLearner::Stream {
 public:
  explicit Stream(const std::string& address)
      : stub_(v1::LearnerService::NewStub(OwnConnection(address))),
        stream_([this](grpc::ClientContext* context, auto* reactor) {
          stub_->async()->Learn(context, reactor);
        }),
        thread_([this] { Learn(); }) {}
  ~Stream() {
    stopping_ = true;
    stream_.Cancel();
    thread_.join();
  }

 private:
  void Learn() {
    v1::LearnRequest request;
    v1::LearnerHello* hello = request.mutable_hello();
    hello->set_build(GetBuildInfo().Build());
    hello->set_cpu("none");
    hello->set_device("none");
    hello->set_address("unix:/nowhere");
    hello->set_session("session");
    hello->set_protocol(v1::PROTOCOL_CURRENT);
    stream_.Send(std::move(request));
    absl::Time beat = absl::Now() + kHeartbeat;
    uint64_t beats = 0;
    v1::LearnResponse response;
    while (!stopping_) {
      const StreamEvent event = stream_.Receive(beat - absl::Now(), &response);
      if (event == StreamEvent::kEnded) return;
      if (event == StreamEvent::kMessage) Answer(response);
      if (absl::Now() < beat) continue;
      v1::LearnRequest heartbeat;
      heartbeat.mutable_heartbeat()->set_sequence(++beats);
      stream_.Send(std::move(heartbeat));
      beat += kHeartbeat;
    }
  }

  void Answer(const v1::LearnResponse& response) {
    v1::LearnRequest request;
    if (response.has_welcome()) {
      const int64_t committed = response.welcome().committed_iteration();
      request.mutable_ready()->set_iteration(committed);
      request.mutable_ready()->set_policy_sha256(FakePolicy(committed));
    } else if (response.has_begin_update()) {
      const int64_t iteration = response.begin_update().plan().iteration();
      request.mutable_update_done()->set_iteration(iteration);
      request.mutable_update_done()->set_policy_sha256(FakePolicy(iteration));
    } else if (response.has_retain()) {
      request.mutable_retained()->set_best_iteration(response.retain().best_iteration());
    } else {
      return;
    }
    stream_.Send(std::move(request));
  }

  std::atomic<bool> stopping_ = false;
  const std::unique_ptr<v1::LearnerService::Stub> stub_;
  DuplexStream<v1::LearnRequest, v1::LearnResponse> stream_;
  std::thread thread_;
};

SimulatedLearner::SimulatedLearner(const std::string& address)
    : stream_(std::make_unique<Stream>(address)) {}
SimulatedLearner::~SimulatedLearner() = default;

}  // namespace shoal
