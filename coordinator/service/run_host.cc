#include "coordinator/service/run_host.h"

#include <utility>

namespace shoal {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(100);
// A commit of so many items takes a core for tens of milliseconds, and leases that go out meanwhile come
// first. Who waits for the commit hardly loses by it: this program has little else to run then.
constexpr int kManyShards = 512;
constexpr int kNiceness = 10;

}  // namespace

RunHost::RunHost(std::unique_ptr<RunLoop> loop)
    : loop_(std::move(loop)),
      background_(std::make_unique<BackgroundThread>(&mutex_, loop_->shards() < kManyShards ? 0 : kNiceness)) {
  With([this](RunLoop& run, absl::Time) { run.SetBackground(background_.get()); });
  ticker_ = std::thread([this] { TickUntilClosed(); });
}

RunHost::~RunHost() {
  Close();
  ticker_.join();
  background_.reset();
}

void RunHost::TickUntilClosed() {
  absl::MutexLock lock(&mutex_);
  while (!mutex_.AwaitWithTimeout(absl::Condition(&closing_), kTick)) {
    loop_->Tick(absl::Now());
  }
}

v1::RunStatus RunHost::Status() const {
  absl::MutexLock lock(&mutex_);
  return loop_->Status(absl::Now());
}

bool RunHost::WaitUntilOver(absl::Time deadline) const {
  absl::MutexLock lock(&mutex_);
  auto over = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return closing_ || loop_->over(); };
  return mutex_.AwaitWithDeadline(absl::Condition(&over), deadline);
}

bool RunHost::failed() const {
  absl::MutexLock lock(&mutex_);
  return loop_->failed();
}

void RunHost::Close() {
  absl::MutexLock lock(&mutex_);
  closing_ = true;
}

}  // namespace shoal
