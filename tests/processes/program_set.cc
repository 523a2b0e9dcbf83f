#include "tests/processes/program_set.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/files.h"
#include "common/rpc.h"
#include "coordinator/cli/prepare_run.h"
#include "coordinator/cli/run_summary.h"

namespace shoal {
namespace {

namespace fs = std::filesystem;

// Only a hang gets there, under a sanitizer on a busy machine too.
constexpr absl::Duration kPatience = absl::Seconds(240);
// Of a program told to end.
constexpr absl::Duration kEndPatience = absl::Seconds(30);
// Between looks at something that cannot be waited for.
constexpr absl::Duration kPause = absl::Milliseconds(5);

std::string BuildFolder() {
  return fs::read_symlink("/proc/self/exe").parent_path().parent_path().string();
}

std::string LastLines(const std::string& file) {
  const auto text = ReadFile(file);
  if (!text.ok()) return "";
  std::vector<std::string> lines = absl::StrSplit(*text, '\n');
  if (lines.size() > 15) lines.erase(lines.begin(), lines.end() - 15);
  return absl::StrJoin(lines, "\n");
}

}  // namespace

v1::RunOptions SmallRun(const std::string& folder, int iterations) {
  const std::string tail = folder + "/tail.json";
  EXPECT_TRUE(WriteFileAtomically(tail, "{\"velocities\": [[-0.3, -0.4], [-0.2, 0], [0, -0.5], "
                                        "[-1, -0.1], [-0.7, -0.7], [-0.25, -0.05]]}")
                  .ok());
  v1::RunOptions options;
  options.set_curriculum(absl::StrCat("9:", iterations / 2, ",12:", iterations - iterations / 2));
  options.set_num_envs(12);
  options.set_envs_per_shard(5);
  options.set_n_steps(24);
  options.set_batch_size(100);
  options.set_policy_hidden_sizes("16,8");
  options.set_multi_eval_interval(2);
  options.set_multi_eval_probe_episodes(2);
  options.set_eval_multi_fish(12);
  options.set_eval_multi_episodes(3);
  options.set_eval_episodes(1);
  options.set_best_checkpoint_eval_episodes(2);
  options.set_gate_delay(0);
  options.set_episode_limit(60);
  options.set_tail_seed_stage_spec("3:" + tail);
  options.set_tail_inject("every_rollout");
  options.set_tail_inject_fraction(0.5);
  options.set_seed(11);
  return options;
}

std::string MakeRun(const std::string& folder, const std::string& name, v1::RunOptions options) {
  RunRequest request;
  request.out = folder + "/runs";
  request.command_line = std::move(options);
  request.command_line.set_run_name(name);
  const auto run = PrepareRun(request);
  EXPECT_TRUE(run.ok()) << run.status();
  return run.value_or("");
}

absl::StatusOr<std::string> Outcome(const std::string& run_dir) {
  auto summary = RunSummary(run_dir);
  if (!summary.ok()) return summary.status();
  const auto gate = ReadFile(run_dir + "/penalty_stage_debug.jsonl");
  if (!gate.ok()) return gate.status();
  std::vector<std::string> lines = absl::StrSplit(*summary, '\n');
  std::erase_if(lines, [](const std::string& line) { return absl::StartsWith(line, "files: "); });
  return absl::StrCat(*gate, absl::StrJoin(lines, "\n"));
}

ProgramSet::ProgramSet(const Options& options) : options_(options) {
  // Short, since the path of a Unix socket is.
  sockets_ = "/tmp/shoal-set-XXXXXX";
  EXPECT_NE(mkdtemp(sockets_.data()), nullptr);
  address_ = absl::StrCat("unix:", sockets_, "/coordinator.sock");
}

ProgramSet::~ProgramSet() {
  for (auto& [name, program] : programs_) {
    // A stopped process, too, must end.
    if (!program->Poll().has_value()) program->Signal(SIGKILL).IgnoreError();
  }
  programs_.clear();
  std::error_code ignored;
  fs::remove_all(sockets_, ignored);
}

std::string ProgramSet::Log(const std::string& name) const {
  return absl::StrCat(options_.run_dir, "/logs/", name);
}

std::vector<std::string> ProgramSet::CommandLine(const std::string& name) const {
  std::vector<std::string> line;
  const std::string place =
      options_.runs.empty() ? "--run_dir=" + options_.run_dir : "--runs=" + options_.runs;
  if (name == "coordinator") {
    const std::string& other = options_.coordinator_program;
    line = {other.empty() ? BuildFolder() + "/bin/shoal-coordinator" : other, place,
            "--listen=" + address_, absl::StrCat("--lease_seconds=", options_.lease_seconds)};
  } else if (absl::StartsWith(name, "learner")) {
    line = {BuildFolder() + "/tests/shoal-fake-learner", "--coordinator=" + address_,
            absl::StrCat("--listen=unix:", sockets_, "/", name, ".sock"), place};
  } else {
    line = {BuildFolder() + "/bin/shoal-actor", "--coordinator=" + address_, "--name=" + name};
  }
  line.push_back(absl::StrCat("--log=", Log(name), ".log"));
  const auto more = options_.more.find(name);
  if (more != options_.more.end()) line.insert(line.end(), more->second.begin(), more->second.end());
  return line;
}

void ProgramSet::Start(const std::string& name) {
  SubprocessOptions options;
  options.argv = CommandLine(name);
  options.stdout_path = options.stderr_path = Log(name) + ".out";
  std::error_code ignored;
  fs::remove(options.stdout_path, ignored);
  auto process = Subprocess::Start(options);
  ASSERT_TRUE(process.ok()) << process.status();
  ASSERT_TRUE(programs_.emplace(name, *std::move(process)).second) << name << " runs already";
  if (name == "coordinator") AwaitListening();
}

void ProgramSet::AwaitListening() {
  // A channel that has tried in vain pauses before it tries again; this one comes when there is
  // somebody to connect to.
  stub_ = nullptr;
  const std::string line = absl::StrCat("listening on ", address_, "\n");
  const absl::Time deadline = absl::Now() + kPatience;
  while (!absl::StrContains(ReadFile(Log("coordinator") + ".out").value_or(""), line)) {
    if (!Check() || !Runs("coordinator")) return;
    ASSERT_LT(absl::Now(), deadline) << "the coordinator does not listen";
    absl::SleepFor(kPause);
  }
  stub_ = v1::RunService::NewStub(*ConnectChannel(address_, options_.channel));
}

void ProgramSet::Signal(const std::string& name, int signal) {
  const absl::Status status = programs_.at(name)->Signal(signal);
  EXPECT_TRUE(status.ok()) << name << ": " << status;
}

void ProgramSet::Kill(const std::string& name) {
  // It may have ended by itself just now.
  programs_.at(name)->Signal(SIGKILL).IgnoreError();
  EXPECT_TRUE(programs_.at(name)->WaitFor(kEndPatience).has_value()) << name;
  programs_.erase(name);
}

void ProgramSet::End(const std::string& name) {
  programs_.at(name)->Signal(SIGTERM).IgnoreError();
  const auto ended = programs_.at(name)->WaitFor(kEndPatience);
  EXPECT_TRUE(ended.has_value() && ended->success())
      << name << (ended ? " ended with " + ended->ToString() : " does not end") << "\n"
      << LastLines(Log(name) + ".out") << LastLines(Log(name) + ".log");
  programs_.erase(name);
}

bool ProgramSet::Runs(const std::string& name) {
  const auto found = programs_.find(name);
  return found != programs_.end() && !found->second->Poll().has_value();
}

bool ProgramSet::Check() {
  for (auto& [name, program] : programs_) {
    const auto ended = program->Poll();
    if (!ended || ended->success() || failed_) continue;
    failed_ = true;
    ADD_FAILURE() << name << " ended with " << ended->ToString() << "\n"
                  << LastLines(Log(name) + ".out") << LastLines(Log(name) + ".log");
  }
  return !failed_;
}

std::optional<v1::RunStatus> ProgramSet::Status() {
  if (stub_ == nullptr) return std::nullopt;
  const auto context = MakeContext(absl::Seconds(1));
  v1::GetStatusResponse response;
  if (!stub_->GetStatus(context.get(), v1::GetStatusRequest(), &response).ok()) return std::nullopt;
  return response.status();
}

bool ProgramSet::Await(const std::string& what,
                       const std::function<bool(const v1::RunStatus&)>& condition) {
  const absl::Time deadline = absl::Now() + kPatience;
  std::optional<v1::RunStatus> status;
  while (Check() && Runs("coordinator") && absl::Now() < deadline) {
    status = Status();
    if (status && condition(*status)) return true;
    absl::SleepFor(kPause);
  }
  if (!failed_) {
    failed_ = true;
    ADD_FAILURE() << what << ": "
                  << (Runs("coordinator") ? "does not come about" : "the coordinator ended before")
                  << "; last status: " << (status ? status->ShortDebugString() : "none");
  }
  return false;
}

bool ProgramSet::AwaitCommitted(int64_t iteration) {
  return Await(absl::StrCat("iteration ", iteration, " is committed"),
               [&](const v1::RunStatus& status) { return status.committed_iteration() >= iteration; });
}

bool ProgramSet::AwaitEnd() {
  const absl::Time deadline = absl::Now() + kPatience;
  for (auto& [name, program] : programs_) {
    while (Check() && !program->WaitFor(absl::Milliseconds(100)).has_value()) {
      if (absl::Now() < deadline) continue;
      failed_ = true;
      ADD_FAILURE() << name << " does not end\n" << LastLines(Log(name) + ".log");
    }
    if (!Check()) return false;
  }
  return true;
}

}  // namespace shoal
