#include "coordinator/cli/run_watch.h"

#include <utility>

#include "absl/time/clock.h"
#include "common/rpc.h"

namespace shoal {
namespace {

// A stream is opened anew after so long, so that no call is without a deadline.
constexpr absl::Duration kLongestStream = absl::Hours(1);
constexpr absl::Duration kReconnect = absl::Milliseconds(100);

// Not the channel's or this program's own words.
bool OfTheCoordinator(const grpc::Status& status) {
  return status.error_code() != grpc::StatusCode::UNAVAILABLE &&
         status.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED &&
         status.error_code() != grpc::StatusCode::CANCELLED;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RunWatch>> RunWatch::Start(const std::string& address) {
  auto channel = ConnectChannel(address);
  if (!channel.ok()) return channel.status();
  return std::unique_ptr<RunWatch>(new RunWatch(*std::move(channel)));
}

RunWatch::RunWatch(std::shared_ptr<grpc::Channel> channel)
    : stub_(v1::RunService::NewStub(channel)), thread_([this] { FollowUntilClosed(); }) {}

RunWatch::~RunWatch() {
  {
    absl::MutexLock lock(&mutex_);
    closing_ = true;
    if (call_ != nullptr) call_->TryCancel();
  }
  thread_.join();
}

void RunWatch::FollowUntilClosed() {
  while (true) {
    FollowOnce();
    absl::MutexLock lock(&mutex_);
    if (mutex_.AwaitWithTimeout(absl::Condition(&closing_), kReconnect)) return;
  }
}

void RunWatch::FollowOnce() {
  const std::unique_ptr<grpc::ClientContext> context = MakeContext(kLongestStream, true);
  {
    absl::MutexLock lock(&mutex_);
    if (closing_) return;
    call_ = context.get();
  }
  auto reader = stub_->WatchRun(context.get(), v1::WatchRunRequest());
  v1::WatchRunResponse response;
  while (reader->Read(&response)) {
    absl::MutexLock lock(&mutex_);
    status_ = std::move(*response.mutable_status());
    is_new_ = true;
    ++answers_;
  }
  const grpc::Status end = reader->Finish();
  absl::MutexLock lock(&mutex_);
  if (OfTheCoordinator(end)) ++answers_;
  call_ = nullptr;
}

v1::RunStatus RunWatch::WaitForStatus(absl::Time deadline) {
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithDeadline(absl::Condition(&is_new_), deadline);
  is_new_ = false;
  return status_;
}

int64_t RunWatch::answers() const {
  absl::MutexLock lock(&mutex_);
  return answers_;
}

absl::Status RunWatch::SendStop() {
  const auto context = MakeContext(absl::Seconds(2));
  v1::StopRunResponse response;
  return FromGrpc(stub_->StopRun(context.get(), v1::StopRunRequest(), &response));
}

}  // namespace shoal
