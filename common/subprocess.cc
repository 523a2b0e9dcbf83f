#include "common/subprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

extern char** environ;

namespace shoal {
namespace {

constexpr absl::Duration kKillWait = absl::Seconds(5);

// What the child could not do, sent through a pipe that closes by itself when it succeeds.
struct StartError {
  enum What : int { kProgram, kStdout, kStderr };
  What what;
  int error;
};

// Everything the child needs between fork and exec, made beforehand: in the child of a program with
// threads only async-signal-safe calls are allowed, so nothing may be allocated there.
struct ChildPlan {
  std::vector<char*> argv;
  std::vector<char*> environment;
  const char* stdout_path = nullptr;
  const char* stderr_path = nullptr;
  bool die_with_parent = false;
  pid_t parent = 0;
  int error_fd = -1;
  // Its standard input; -1: nothing to read.
  int input_fd = -1;
};

std::vector<std::string> Environment(const SubprocessOptions& options) {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const bool replaced =
        std::any_of(options.extra_environment.begin(), options.extra_environment.end(),
                    [entry](const auto& extra) {
                      return absl::StartsWith(*entry, absl::StrCat(extra.first, "="));
                    });
    if (!replaced) environment.emplace_back(*entry);
  }
  for (const auto& [name, value] : options.extra_environment) {
    environment.push_back(absl::StrCat(name, "=", value));
  }
  return environment;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

[[noreturn]] void FailChild(const ChildPlan& plan, StartError::What what) {
  const StartError error{what, errno};
  // A write this small to a pipe is whole or fails, and then the parent is gone.
  if (write(plan.error_fd, &error, sizeof(error)) < 0) _exit(126);
  _exit(127);
}

void Redirect(const ChildPlan& plan, const char* path, int target, StartError::What what) {
  if (path == nullptr) return;
  const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd < 0 || dup2(fd, target) < 0) FailChild(plan, what);
}

[[noreturn]] void RunChild(const ChildPlan& plan) {
  setpgid(0, 0);
  if (plan.die_with_parent) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != plan.parent) _exit(126);
  }
  // exec keeps ignored signals ignored and blocked ones blocked; a child must be stoppable.
  for (int signal = 1; signal < NSIG; ++signal) {
    if (signal != SIGKILL && signal != SIGSTOP) ::signal(signal, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);

  const int input_fd = plan.input_fd >= 0 ? plan.input_fd : open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (input_fd >= 0) dup2(input_fd, STDIN_FILENO);
  Redirect(plan, plan.stdout_path, STDOUT_FILENO, StartError::kStdout);
  Redirect(plan, plan.stderr_path, STDERR_FILENO, StartError::kStderr);
  execvpe(plan.argv[0], plan.argv.data(), plan.environment.data());
  FailChild(plan, StartError::kProgram);
}

// Reads what the child reports; nothing if it has become the program.
std::optional<StartError> ReadStartError(int fd) {
  StartError error;
  ssize_t got;
  do {
    got = read(fd, &error, sizeof(error));
  } while (got < 0 && errno == EINTR);
  if (got == static_cast<ssize_t>(sizeof(error))) return error;
  return std::nullopt;
}

// A file without a name that holds `text`, to be read from its begin; the caller closes it.
absl::StatusOr<int> FileOf(const std::string& text) {
  const int fd = memfd_create("input", MFD_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, "cannot hold a child's input in memory");
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t wrote = write(fd, text.data() + done, text.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) {
      const absl::Status status =
          absl::ErrnoToStatus(errno, "cannot hold a child's input in memory");
      close(fd);
      return status;
    }
    done += static_cast<size_t>(wrote);
  }
  lseek(fd, 0, SEEK_SET);
  return fd;
}

absl::Status StartErrorStatus(const StartError& error, const SubprocessOptions& options) {
  switch (error.what) {
    case StartError::kStdout:
      return absl::ErrnoToStatus(error.error, absl::StrCat("cannot open ", options.stdout_path));
    case StartError::kStderr:
      return absl::ErrnoToStatus(error.error, absl::StrCat("cannot open ", options.stderr_path));
    case StartError::kProgram:
      break;
  }
  return absl::ErrnoToStatus(error.error, absl::StrCat("cannot start ", options.argv[0]));
}

ExitStatus FromWaitStatus(int status) {
  if (WIFSIGNALED(status)) return {0, WTERMSIG(status)};
  return {WEXITSTATUS(status), 0};
}

}  // namespace

std::string ExitStatus::ToString() const {
  if (signal == 0) return absl::StrCat("exit code ", code);
  return absl::StrCat("signal ", signal, " (", strsignal(signal), ")");
}

absl::StatusOr<std::unique_ptr<Subprocess>> Subprocess::Start(const SubprocessOptions& options) {
  if (options.argv.empty() || options.argv[0].empty()) {
    return absl::InvalidArgumentError("no program to start is named");
  }
  std::vector<std::string> arguments = options.argv;
  std::vector<std::string> environment = Environment(options);
  int input_fd = -1;
  if (!options.input.empty()) {
    absl::StatusOr<int> input = FileOf(options.input);
    if (!input.ok()) return input.status();
    input_fd = *input;
  }
  const absl::Cleanup close_input = [input_fd] {
    if (input_fd >= 0) close(input_fd);
  };
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "cannot make a pipe");
  ChildPlan plan;
  plan.argv = Pointers(arguments);
  plan.environment = Pointers(environment);
  if (!options.stdout_path.empty()) plan.stdout_path = options.stdout_path.c_str();
  if (!options.stderr_path.empty()) plan.stderr_path = options.stderr_path.c_str();
  plan.die_with_parent = options.die_with_parent;
  plan.parent = getpid();
  plan.error_fd = pipe_fds[1];
  plan.input_fd = input_fd;

  const pid_t pid = fork();
  if (pid == 0) RunChild(plan);
  const int fork_error = errno;
  close(pipe_fds[1]);
  if (pid < 0) {
    close(pipe_fds[0]);
    return absl::ErrnoToStatus(fork_error, absl::StrCat("cannot start ", options.argv[0]));
  }
  // The child does the same; whoever is first, the group exists once this returns.
  setpgid(pid, pid);
  const std::optional<StartError> error = ReadStartError(pipe_fds[0]);
  close(pipe_fds[0]);
  if (error.has_value()) {
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return StartErrorStatus(*error, options);
  }
  const int pid_fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  return std::unique_ptr<Subprocess>(new Subprocess(pid, pid_fd, options.grace));
}

Subprocess::~Subprocess() {
  if (!Poll().has_value()) {
    Signal(SIGTERM).IgnoreError();
    if (!WaitFor(grace_).has_value()) {
      Signal(SIGKILL).IgnoreError();
      WaitFor(kKillWait);
    }
  }
  if (pid_fd_ >= 0) close(pid_fd_);
}

std::optional<ExitStatus> Subprocess::Poll() {
  absl::MutexLock lock(&mutex_);
  if (exit_status_.has_value()) return exit_status_;
  int status;
  pid_t waited;
  do {
    waited = waitpid(pid_, &status, WNOHANG);
  } while (waited < 0 && errno == EINTR);
  if (waited == pid_) exit_status_ = FromWaitStatus(status);
  return exit_status_;
}

std::optional<ExitStatus> Subprocess::WaitUntil(absl::Time deadline) {
  // Without a pid_fd the wait is a row of short ones.
  const absl::Duration longest = pid_fd_ >= 0 ? absl::Hours(1) : absl::Milliseconds(10);
  while (true) {
    std::optional<ExitStatus> status = Poll();
    const absl::Duration left = deadline - absl::Now();
    if (status.has_value() || left <= absl::ZeroDuration()) return status;
    pollfd wait{pid_fd_, POLLIN, 0};
    const absl::Duration slice = absl::Ceil(std::min(left, longest), absl::Milliseconds(1));
    poll(&wait, 1, static_cast<int>(absl::ToInt64Milliseconds(slice)));
  }
}

absl::Status Subprocess::Signal(int signal) {
  absl::MutexLock lock(&mutex_);
  // Once it has been waited for, its number may belong to somebody else.
  if (exit_status_.has_value()) {
    return absl::FailedPreconditionError(
        absl::StrCat("process ", pid_, " has ended: ", exit_status_->ToString()));
  }
  if (kill(-pid_, signal) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot signal process ", pid_));
  }
  return absl::OkStatus();
}

}  // namespace shoal
