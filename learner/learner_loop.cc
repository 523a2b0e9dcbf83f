#include "learner/learner_loop.h"

#include <optional>
#include <random>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_format.h"
#include "common/logging.h"
#include "common/run_name.h"
#include "common/version.h"
#include "learner/learner_metrics.h"

namespace shoal {
namespace {

// Two versions act at a time with lag 1; evaluations may be some behind.
constexpr size_t kPoliciesInMemory = 4;

// Names one stream among all streams of all learners. Not part of any result.
std::string NewSessionId() {
  std::random_device device;
  std::string id;
  for (int i = 0; i < 4; ++i) absl::StrAppendFormat(&id, "%08x", device());
  return id;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LearnerLoop>> LearnerLoop::Create(const LearnerOptions& options,
                                                                 TrainerFactory factory) {
  const absl::StatusOr<std::shared_ptr<grpc::Channel>> channel =
      ConnectChannel(options.coordinator);
  if (!channel.ok()) return channel.status();
  auto loop = absl::WrapUnique(new LearnerLoop(options, std::move(factory), *channel));
  // Nothing larger than a chunk comes in. A call holds what it has received until it is looked at.
  ServerOptions server_options = options.server;
  server_options.max_receive_bytes = 2 * kMaxPushBytes;
  absl::StatusOr<std::unique_ptr<RpcServer>> server =
      StartServer(server_options, {&loop->row_service_, &loop->policy_service_});
  if (!server.ok()) return server.status();
  loop->server_ = *std::move(server);
  return loop;
}

LearnerLoop::LearnerLoop(const LearnerOptions& options, TrainerFactory factory,
                         const std::shared_ptr<grpc::Channel>& coordinator)
    : options_(options),
      coordinator_(v1::LearnerService::NewStub(coordinator)),
      run_dir_(options.run_dir),
      policies_(kPoliciesInMemory,
                [this](const std::string& sha256) {
                  absl::ReleasableMutexLock lock(&run_mutex_);
                  const std::string run_dir = run_dir_;
                  lock.Release();
                  return FindPolicyOnDisk(run_dir, sha256);
                }),
      row_service_(&rows_, options.rows, stats_),
      policy_service_(&policies_),
      state_(options.run_dir, options.threads, std::move(factory), &rows_, &policies_, stats_),
      link_(MakeHandlers(), options.link),
      device_(options.device),
      thread_([this] { Work(); }) {}

LearnerLoop::~LearnerLoop() {
  Stop();
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

LearnerLoop::Link::Handlers LearnerLoop::MakeHandlers() {
  Link::Handlers handlers;
  handlers.start = [this](grpc::ClientContext* context, Link::Stream::Reactor* reactor) {
    coordinator_->async()->Learn(context, reactor);
  };
  handlers.hello = [this] { return Hello(); };
  handlers.message = [this](const Link::SessionPtr& session, const v1::LearnResponse& message) {
    OnMessage(session, message);
  };
  handlers.lost = [this] { DropTasks(); };
  return handlers;
}

v1::LearnRequest LearnerLoop::Hello() {
  session_id_ = NewSessionId();
  v1::LearnRequest request;
  v1::LearnerHello* hello = request.mutable_hello();
  hello->set_build(GetBuildInfo().Build());
  hello->set_cpu(GetBuildInfo().cpu);
  hello->set_address(options_.advertise.empty() ? address() : options_.advertise);
  hello->set_protocol(v1::PROTOCOL_CURRENT);
  hello->set_session(session_id_);
  hello->set_any_run(!options_.runs.empty());
  absl::MutexLock lock(&mutex_);
  hello->set_device(device_);
  return request;
}

void LearnerLoop::OnMessage(const Link::SessionPtr& session, const v1::LearnResponse& message) {
  absl::MutexLock lock(&mutex_);
  if (tasks_.size() >= kMostTasks) {
    // Nothing may be left out, so begin again.
    LogWarning("the coordinator sends faster than can be learned", {{"tasks", tasks_.size()}});
    session->cancellation.Cancel();
    session->stream.Cancel();
    return;
  }
  tasks_.push_back({session, session_id_, message});
}

void LearnerLoop::DropTasks() {
  stats_->in_run = false;
  absl::MutexLock lock(&mutex_);
  // What was committed stays so without the stream: a run's last Retain comes just before its end.
  std::erase_if(tasks_, [](const Task& task) { return !task.message.has_retain(); });
}

void LearnerLoop::Work() {
  const auto due = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !tasks_.empty();
  };
  while (true) {
    Task task;
    {
      const PhaseTimer timer(stats_->wait);
      absl::MutexLock lock(&mutex_);
      busy_ = false;
      mutex_.Await(absl::Condition(&due));
      if (stopping_) return;
      busy_ = true;
      busy_since_ = absl::Now();
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    Do(task);
  }
}

v1::LearnRequest LearnerLoop::Begin(const v1::LearnerWelcome& welcome,
                                    const std::string& session_id) {
  if (!options_.runs.empty()) {
    const absl::StatusOr<std::string> run_dir =
        RunFolder(options_.runs, welcome.options().run_name());
    if (!run_dir.ok()) {
      v1::LearnRequest request;
      request.mutable_update_failed()->set_fatal(true);
      request.mutable_update_failed()->set_message(std::string(run_dir.status().message()));
      return request;
    }
    state_.UseRun(*run_dir);
    absl::MutexLock lock(&run_mutex_);
    run_dir_ = *run_dir;
  }
  return state_.Begin(welcome, session_id);
}

void LearnerLoop::Do(const Task& task) {
  std::optional<v1::LearnRequest> answer;
  switch (task.message.kind_case()) {
    case v1::LearnResponse::kWelcome:
      answer = Begin(task.message.welcome(), task.session_id);
      if (answer->has_ready()) {
        absl::MutexLock lock(&mutex_);
        device_ = state_.device();
      }
      break;
    case v1::LearnResponse::kBeginUpdate:
      answer = state_.Update(task.message.begin_update(), task.session->cancellation);
      break;
    case v1::LearnResponse::kRetain: {
      v1::Retained* retained = answer.emplace().mutable_retained();
      // What is kept too long costs room, not the run.
      if (absl::Status status = state_.Retain(task.message.retain()); !status.ok()) {
        LogWarning("checkpoints were not put in order", {{"error", status}});
        retained->set_message(std::string(status.message()));
      }
      retained->set_best_iteration(state_.best_iteration());
      break;
    }
    default:
      LogWarning("unknown message from the coordinator",
                 {{"kind", static_cast<int>(task.message.kind_case())}});
  }
  // After a loss of the stream this does nothing.
  if (answer.has_value()) task.session->stream.Send(*std::move(answer));
}

void LearnerLoop::FillMetrics(MetricValues& values) {
  LearnerQueues queues;
  queues.tasks_capacity = kMostTasks;
  queues.rows = rows_.rows_held();
  queues.rows_capacity = rows_.rows_capacity();
  queues.streams_capacity = static_cast<int64_t>(options_.rows.max_streams);
  {
    absl::MutexLock lock(&mutex_);
    queues.tasks = static_cast<int64_t>(tasks_.size());
    if (busy_) queues.busy_seconds = absl::ToDoubleSeconds(absl::Now() - busy_since_);
  }
  FillLearnerMetrics(*stats_, queues, values);
}

bool LearnerLoop::Drain(absl::Duration limit) {
  const absl::Time end = absl::Now() + limit;
  server_->Drain(end);
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithDeadline(absl::Condition(this, &LearnerLoop::Idle), end);
}

}  // namespace shoal
