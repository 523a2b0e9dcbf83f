#include "coordinator/cli/local_cluster.h"

#include <signal.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/files.h"

namespace shoal {
namespace {

namespace fs = std::filesystem;

// A program that ends so soon after its start, so often running, is not started again.
constexpr absl::Duration kQuick = absl::Seconds(10);
constexpr int kMaxQuickEnds = 5;
constexpr absl::Duration kFirstPause = absl::Milliseconds(200);
constexpr absl::Duration kLongestPause = absl::Seconds(3);

absl::StatusOr<std::string> MakeSocketDirectory() {
  const char* tmp = getenv("TMPDIR");
  std::string pattern = absl::StrCat(tmp != nullptr && *tmp != '\0' ? tmp : "/tmp", "/shoal-XXXXXX");
  if (mkdtemp(pattern.data()) == nullptr) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot make a folder for sockets, ", pattern));
  }
  return pattern;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LocalCluster>> LocalCluster::Start(
    const LocalClusterOptions& options) {
  auto sockets = MakeSocketDirectory();
  if (!sockets.ok()) return sockets.status();
  std::unique_ptr<LocalCluster> cluster(new LocalCluster());
  cluster->socket_dir_ = *sockets;
  cluster->run_dir_ = options.run_dir;
  cluster->common_ = options.security;
  cluster->common_.push_back(absl::StrCat("--log_format=", options.log_format));
  cluster->coordinator_address_ =
      options.listen.empty() ? absl::StrCat("unix:", *sockets, "/coordinator.sock") : options.listen;
  const std::string& coordinator = cluster->coordinator_address_;
  const std::string bin = fs::read_symlink("/proc/self/exe").parent_path().string();
  auto log = [&](const std::string& name) {
    return absl::StrCat("--log=", options.run_dir, "/logs/", name, ".log");
  };
  // The n-th program's option.
  auto metrics = [&](int n) {
    return absl::StrCat("--metrics_port=", options.metrics_port > 0 ? options.metrics_port + n : 0);
  };
  if (absl::Status s = CreateDirectories(absl::StrCat(options.run_dir, "/logs")); !s.ok()) return s;
  absl::Status status = cluster->Add(
      "coordinator", {absl::StrCat(bin, "/shoal-coordinator"), absl::StrCat("--run_dir=", options.run_dir),
                      absl::StrCat("--listen=", coordinator), log("coordinator"), metrics(0)});
  if (status.ok()) {
    status = cluster->Add(
        "learner", {absl::StrCat(bin, "/shoal-learner"), absl::StrCat("--coordinator=", coordinator),
                    options.listen.empty() ? absl::StrCat("--listen=unix:", *sockets, "/learner.sock")
                                           : "--listen=127.0.0.1:0",
                    absl::StrCat("--run_dir=", options.run_dir),
                    absl::StrCat("--threads=", options.learner_threads), log("learner"), metrics(1)});
  }
  for (int i = 0; status.ok() && i < options.actors; ++i) {
    const std::string name = absl::StrCat("actor-", i);
    status = cluster->Add(name, {absl::StrCat(bin, "/shoal-actor"),
                                 absl::StrCat("--coordinator=", coordinator),
                                 absl::StrCat("--name=", name),
                                 absl::StrCat("--backend=", options.backend), log(name), metrics(2 + i)});
  }
  if (!status.ok()) return status;
  return cluster;
}

LocalCluster::~LocalCluster() {
  for (Program& program : programs_) {
    if (program.process) (void)program.process->Signal(SIGTERM);
  }
  WaitForEnd(absl::Now() + absl::Seconds(3));
  Kill();
  programs_.clear();
  std::error_code ignored;
  fs::remove_all(socket_dir_, ignored);
}

absl::Status LocalCluster::Add(const std::string& name, std::vector<std::string> argv) {
  Program program;
  program.name = name;
  program.options.argv = std::move(argv);
  program.options.argv.insert(program.options.argv.end(), common_.begin(), common_.end());
  program.options.stdout_path = absl::StrCat(run_dir_, "/logs/", name, ".out");
  program.options.stderr_path = program.options.stdout_path;
  // What an earlier start of the run had to say is not this one's.
  std::error_code ignored;
  fs::remove(program.options.stdout_path, ignored);
  programs_.push_back(std::move(program));
  return Launch(programs_.back(), absl::Now());
}

absl::Status LocalCluster::Launch(Program& program, absl::Time now) {
  auto process = Subprocess::Start(program.options);
  if (!process.ok()) {
    return absl::Status(process.status().code(), absl::StrCat("cannot start ", program.name, ": ",
                                                              process.status().message()));
  }
  program.process = *std::move(process);
  program.started_at = now;
  program.restart_at = absl::InfiniteFuture();
  return absl::OkStatus();
}

absl::Status LocalCluster::Poll(absl::Time now, std::vector<std::string>& news) {
  for (Program& program : programs_) {
    if (program.process) {
      const auto ended = program.process->Poll();
      if (!ended) continue;
      program.process.reset();
      if (absl::Status s = OnEnd(program, *ended, now, news); !s.ok()) return s;
    } else if (now >= program.restart_at) {
      if (absl::Status status = Launch(program, now); !status.ok()) return status;
      ++program.restarts;
    }
  }
  return absl::OkStatus();
}

absl::Status LocalCluster::OnEnd(Program& program, const ExitStatus& status, absl::Time now,
                                 std::vector<std::string>& news) {
  const bool said_why = status.signal == 0 && status.code != 0;
  const std::string words = said_why ? LastWords(program) : "";
  // A coordinator that ends by itself has said why; starting it again would change nothing.
  if (said_why && &program == &programs_.front()) {
    return absl::Status(status.code == 2 ? absl::StatusCode::kInvalidArgument
                                         : absl::StatusCode::kFailedPrecondition,
                        words.empty() ? "the coordinator ended with " + status.ToString() : words);
  }
  program.quick_ends = now - program.started_at < kQuick ? program.quick_ends + 1 : 0;
  if (program.quick_ends >= kMaxQuickEnds) {
    return absl::FailedPreconditionError(absl::StrCat(
        program.name, " ended ", program.quick_ends, " times soon after its start, last with ",
        status.ToString(), words.empty() ? "" : ": ", words, " (", run_dir_, "/logs/", program.name,
        ".log)"));
  }
  const absl::Duration pause =
      std::min(kLongestPause, kFirstPause * (1 << std::min(program.quick_ends, 4)));
  program.restart_at = now + pause;
  news.push_back(absl::StrCat(program.name, " ended (", status.ToString(), ")",
                              words.empty() ? "" : ": ", words, "; it is started again"));
  return absl::OkStatus();
}

std::string LocalCluster::LastWords(const Program& program) const {
  auto text = ReadFile(program.options.stderr_path);
  if (!text.ok()) return "";
  std::vector<std::string> lines = absl::StrSplit(*text, '\n', absl::SkipWhitespace());
  return lines.empty() ? "" : lines.back();
}

void LocalCluster::WaitForEnd(absl::Time deadline) {
  for (Program& program : programs_) {
    if (program.process) program.process->WaitUntil(deadline);
  }
}

void LocalCluster::Kill() {
  for (Program& program : programs_) {
    if (program.process) (void)program.process->Signal(SIGKILL);
  }
  WaitForEnd(absl::Now() + absl::Seconds(5));
}

}  // namespace shoal
