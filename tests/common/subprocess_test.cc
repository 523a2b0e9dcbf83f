#include "common/subprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/common/temporary_directory.h"

namespace shoal {
namespace {

using testing::HasSubstr;

// Only a broken program waits this long.
constexpr absl::Duration kLong = absl::Seconds(60);

std::unique_ptr<Subprocess> StartShell(const std::string& script, SubprocessOptions options = {}) {
  options.argv = {"/bin/sh", "-c", script};
  absl::StatusOr<std::unique_ptr<Subprocess>> process = Subprocess::Start(options);
  EXPECT_TRUE(process.ok()) << process.status();
  return *std::move(process);
}

bool Exists(pid_t pid) { return kill(pid, 0) == 0; }

// A named pipe: opening it waits for the other side, so a child can say that it has come so far.
class Pipe {
 public:
  Pipe() { EXPECT_EQ(mkfifo(path().c_str(), 0600), 0); }
  std::string path() const { return folder_ / "pipe"; }
  void AwaitWriter() const { Slurp(path()); }

 private:
  TemporaryDirectory folder_;
};

TEST(Subprocess, ReportsExitCodes) {
  const std::unique_ptr<Subprocess> process = StartShell("exit 3");
  const std::optional<ExitStatus> status = process->WaitFor(kLong);
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->code, 3);
  EXPECT_EQ(status->signal, 0);
  EXPECT_FALSE(status->success());
  EXPECT_EQ(status->ToString(), "exit code 3");
  EXPECT_EQ(process->Poll()->code, 3);
  EXPECT_TRUE(StartShell("true")->WaitFor(kLong)->success());
}

TEST(Subprocess, ReportsSignals) {
  const std::optional<ExitStatus> status = StartShell("kill -9 $$")->WaitFor(kLong);
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->signal, SIGKILL);
  EXPECT_FALSE(status->success());
  EXPECT_EQ(status->ToString(), "signal 9 (Killed)");
}

TEST(Subprocess, WritesToFilesAndTakesItsEnvironment) {
  const TemporaryDirectory folder;
  Spill(folder / "log", "before\n");
  SubprocessOptions options;
  options.stdout_path = options.stderr_path = folder / "log";
  setenv("SHOAL_TEST_B", "ours", 1);
  options.extra_environment = {{"SHOAL_TEST_A", "a b"}, {"SHOAL_TEST_B", "replaced"}};
  const std::unique_ptr<Subprocess> process = StartShell(
      "echo \"$SHOAL_TEST_A\"; echo \"$SHOAL_TEST_B\" >&2; cat; test -n \"$PATH\"", options);
  EXPECT_TRUE(process->WaitFor(kLong)->success());
  EXPECT_EQ(Slurp(folder / "log"), "before\na b\nreplaced\n");
}

TEST(Subprocess, IsLookedForInPath) {
  SubprocessOptions options;
  options.argv = {"true"};
  const absl::StatusOr<std::unique_ptr<Subprocess>> process = Subprocess::Start(options);
  ASSERT_TRUE(process.ok()) << process.status();
  EXPECT_TRUE((*process)->WaitFor(kLong)->success());
}

TEST(Subprocess, SaysWhyItCannotStart) {
  const TemporaryDirectory folder;
  SubprocessOptions options;
  EXPECT_EQ(Subprocess::Start(options).status().code(), absl::StatusCode::kInvalidArgument);
  options.argv = {folder / "none"};
  const absl::Status none = Subprocess::Start(options).status();
  EXPECT_EQ(none.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(none.message()), HasSubstr("cannot start " + folder / "none"));
  options.argv = {"/bin/true"};
  options.stderr_path = folder / "no/log";
  EXPECT_THAT(std::string(Subprocess::Start(options).status().message()),
              HasSubstr("cannot open " + folder / "no/log"));
}

TEST(Subprocess, RunsUntilItIsSignalled) {
  const Pipe ready;
  const std::unique_ptr<Subprocess> process =
      StartShell("trap 'exit 7' TERM; echo > " + ready.path() + "; while :; do sleep 0.01; done");
  ready.AwaitWriter();
  EXPECT_FALSE(process->Poll().has_value());
  EXPECT_FALSE(process->WaitFor(absl::Milliseconds(1)).has_value());
  EXPECT_EQ(getpgid(process->pid()), process->pid());
  EXPECT_TRUE(process->Signal(SIGTERM).ok());
  EXPECT_EQ(process->WaitFor(kLong)->code, 7);
  const absl::Status ended = process->Signal(SIGTERM);
  EXPECT_EQ(ended.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(ended.message()), HasSubstr("exit code 7"));
}

// A launcher blocks SIGTERM for its own use, and its children must not inherit that.
TEST(Subprocess, CanBeStoppedWhereOurSignalsAreBlocked) {
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  const std::unique_ptr<Subprocess> process = StartShell("exec sleep 1000");
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  EXPECT_TRUE(process->Signal(SIGTERM).ok());
  EXPECT_EQ(process->WaitFor(kLong)->signal, SIGTERM);
}

TEST(Subprocess, IsStoppedByTheDestructor) {
  std::unique_ptr<Subprocess> process = StartShell("exec sleep 1000");
  const pid_t pid = process->pid();
  EXPECT_TRUE(Exists(pid));
  process.reset();
  EXPECT_FALSE(Exists(pid));
}

TEST(Subprocess, ReadsItsInput) {
  const TemporaryDirectory folder;
  SubprocessOptions options;
  options.stdout_path = folder / "out";
  // More than a pipe holds.
  options.input = std::string(1 << 20, 'x') + "end";
  const auto process = StartShell("cat", options);
  ASSERT_TRUE(process->WaitFor(kLong).has_value());
  EXPECT_EQ(Slurp(options.stdout_path), options.input);
}

TEST(Subprocess, NeedNotReadItsInput) {
  SubprocessOptions options;
  options.input = std::string(1 << 20, 'x');
  const auto process = StartShell("exit 3", options);
  const auto exit = process->WaitFor(kLong);
  ASSERT_TRUE(exit.has_value());
  EXPECT_EQ(exit->code, 3);
}

TEST(Subprocess, IsKilledIfItDoesNotStop) {
  const Pipe ready;
  SubprocessOptions options;
  options.grace = absl::Milliseconds(5);
  std::unique_ptr<Subprocess> process =
      StartShell("trap '' TERM; echo > " + ready.path() + "; exec sleep 1000", options);
  ready.AwaitWriter();
  const pid_t pid = process->pid();
  process.reset();
  EXPECT_FALSE(Exists(pid));
}

// The child of a process that ends without a word holds the only writing end of a pipe; the pipe's
// end says that it has ended too.
TEST(Subprocess, EndsWithItsParent) {
  int pipe_fds[2];
  ASSERT_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
  const pid_t parent = fork();
  if (parent == 0) {
    dup2(pipe_fds[1], STDOUT_FILENO);
    const std::unique_ptr<Subprocess> process = StartShell("exec sleep 1000");
    _exit(process->Poll().has_value() ? 1 : 0);
  }
  close(pipe_fds[1]);
  int status = -1;
  ASSERT_EQ(waitpid(parent, &status, 0), parent);
  EXPECT_EQ(status, 0);
  char byte;
  EXPECT_EQ(read(pipe_fds[0], &byte, 1), 0);
  close(pipe_fds[0]);
}

}  // namespace
}  // namespace shoal
