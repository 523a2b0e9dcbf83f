#include "common/shutdown.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <utility>

#include "common/logging.h"

namespace shoal {
namespace {

sigset_t ShutdownSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

}  // namespace

struct ShutdownSignal::Descriptors {
  Descriptors() {
    const sigset_t signals = ShutdownSignals();
    pthread_sigmask(SIG_BLOCK, &signals, &old_mask);
    signals_fd = signalfd(-1, &signals, SFD_CLOEXEC);
    stop_fd = eventfd(0, EFD_CLOEXEC);
    // A program that cannot be stopped in order must not start.
    if (signals_fd < 0 || stop_fd < 0) std::abort();
  }
  ~Descriptors() {
    close(signals_fd);
    close(stop_fd);
    pthread_sigmask(SIG_SETMASK, &old_mask, nullptr);
  }

  sigset_t old_mask;
  int signals_fd;
  int stop_fd;
};

ShutdownSignal::ShutdownSignal(Callbacks callbacks)
    : callbacks_(std::move(callbacks)),
      descriptors_(std::make_unique<Descriptors>()),
      thread_([this] { Run(); }) {}

ShutdownSignal::~ShutdownSignal() {
  const uint64_t one = 1;
  // An eventfd's counter takes this write unless it is near 2^64.
  if (write(descriptors_->stop_fd, &one, sizeof(one)) != sizeof(one)) std::abort();
  thread_.join();
}

bool ShutdownSignal::WaitFor(absl::Duration timeout) const {
  absl::MutexLock lock(&mutex_);
  const auto signalled = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return count_ > 0; };
  return mutex_.AwaitWithTimeout(absl::Condition(&signalled), timeout);
}

int ShutdownSignal::count() const {
  absl::MutexLock lock(&mutex_);
  return count_;
}

int ShutdownSignal::last_signal() const {
  absl::MutexLock lock(&mutex_);
  return last_signal_;
}

void ShutdownSignal::Run() {
  while (true) {
    pollfd waits[2] = {{descriptors_->stop_fd, POLLIN, 0}, {descriptors_->signals_fd, POLLIN, 0}};
    if (poll(waits, 2, -1) < 0) continue;  // Only EINTR is possible here.
    if (waits[0].revents != 0) return;
    signalfd_siginfo info;
    if (read(descriptors_->signals_fd, &info, sizeof(info)) == sizeof(info)) {
      Handle(static_cast<int>(info.ssi_signo));
    }
  }
}

void ShutdownSignal::Handle(int signal) {
  int count;
  {
    absl::MutexLock lock(&mutex_);
    count = ++count_;
    last_signal_ = signal;
  }
  LogInfo("asked to stop", {{"signal", signal}, {"times", count}});
  if (count == 1) {
    if (callbacks_.first) callbacks_.first();
  } else if (callbacks_.second) {
    if (count == 2) callbacks_.second();
  } else {
    _exit(128 + signal);
  }
}

void DieWithParent(pid_t parent) {
  if (parent == 0) parent = getppid();
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  // A parent that ended before the call above has sent nothing.
  if (getppid() != parent) kill(getpid(), SIGTERM);
}

}  // namespace shoal
