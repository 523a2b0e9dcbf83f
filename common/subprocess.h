#pragma once

// A child process: started, watched, signalled, and never left behind.

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace shoal {

// How a process ended.
struct ExitStatus {
  int code = 0;    // What it returned; 0 if a signal ended it.
  int signal = 0;  // What ended it; 0 if it returned.

  bool success() const { return code == 0 && signal == 0; }
  // "exit code 3", "signal 9 (Killed)".
  std::string ToString() const;
};

struct SubprocessOptions {
  // The program and its arguments. A program without a slash is looked for in PATH.
  std::vector<std::string> argv{};
  // Files that its output is appended to, made if need be (their folders are not). Empty: ours.
  // Both may be the same.
  std::string stdout_path{};
  std::string stderr_path{};
  // What it reads from its standard input, to the end. It is held in memory, so nobody waits for a
  // child that does not read.
  std::string input{};
  // Added to our environment, replacing names that are there.
  std::vector<std::pair<std::string, std::string>> extra_environment{};
  // Whether it gets SIGTERM when the thread that started it ends, however that comes about. Start
  // it from a thread that lives as long as it should, such as main's.
  bool die_with_parent = true;
  // How long the destructor waits after SIGTERM before it sends SIGKILL.
  absl::Duration grace = absl::Seconds(5);
};

// The child leads a process group of its own, so a terminal's Ctrl-C reaches us and not it, and
// signals sent through this object reach its children too. It starts with an empty signal mask and
// default signal handlers, whatever ours are, and without our file descriptors (as far as these are
// close-on-exec, as all of this project's are).
//
// Thread-safe. Nobody else may wait for the child (no wait() for any child elsewhere).
class Subprocess {
 public:
  // kInvalidArgument: no program named. kNotFound, kPermissionDenied and so on, naming the program
  // or the file: it could not be started, and there is no child.
  static absl::StatusOr<std::unique_ptr<Subprocess>> Start(const SubprocessOptions& options);

  // If it still runs: SIGTERM, at most `grace` of waiting, SIGKILL, then at most five seconds more
  // (only a process stuck inside the kernel outlives that).
  ~Subprocess();
  Subprocess(const Subprocess&) = delete;
  Subprocess& operator=(const Subprocess&) = delete;

  pid_t pid() const { return pid_; }

  // How it ended; nothing while it runs.
  std::optional<ExitStatus> Poll();

  // The same, waiting until the deadline.
  std::optional<ExitStatus> WaitUntil(absl::Time deadline);
  std::optional<ExitStatus> WaitFor(absl::Duration timeout) {
    return WaitUntil(absl::Now() + timeout);
  }

  // Sends a signal to its process group. kFailedPrecondition if it has ended.
  absl::Status Signal(int signal);

 private:
  Subprocess(pid_t pid, int pid_fd, absl::Duration grace)
      : pid_(pid), pid_fd_(pid_fd), grace_(grace) {}

  const pid_t pid_;
  const int pid_fd_;  // Readable once it has ended; -1 where the kernel has no such thing.
  const absl::Duration grace_;
  absl::Mutex mutex_;
  std::optional<ExitStatus> exit_status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace shoal
