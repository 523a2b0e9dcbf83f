#include "tests/faults/cluster.h"

#include <signal.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/files.h"
#include "common/rpc.h"

namespace shoal {
namespace {

// More starts than any number of faults in one run explains.
constexpr int kMostRestarts = 1000;

}  // namespace

absl::StatusOr<std::unique_ptr<Cluster>> Cluster::Start(const ClusterOptions& options) {
  std::unique_ptr<Cluster> cluster(new Cluster(options));
  // Short: the path of a Unix socket has at most 107 bytes.
  std::string folder = "/tmp/shoal-faults-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) {
    return absl::ErrnoToStatus(errno, "cannot make a folder for sockets");
  }
  cluster->socket_dir_ = folder;
  absl::Status status = CreateDirectories(options.run_dir + "/logs");
  const std::string coordinator = absl::StrCat("unix:", folder, "/c");
  if (status.ok()) {
    status = cluster->Add("coordinator",
                          {options.programs + "/shoal-coordinator", "--run_dir", options.run_dir,
                           "--listen", coordinator, "--lease_seconds",
                           absl::StrCat(options.lease_seconds)});
  }
  if (status.ok()) {
    status = cluster->Add("learner", {options.programs + "/shoal-learner", "--run_dir",
                                      options.run_dir, "--coordinator", coordinator, "--listen",
                                      absl::StrCat("unix:", folder, "/l"), "--threads",
                                      absl::StrCat(options.learner_threads)});
  }
  for (int i = 0; status.ok() && i < options.actors; ++i) status = cluster->AddActor();
  if (!status.ok()) return status;
  auto channel = ConnectChannel(coordinator);
  if (!channel.ok()) return channel.status();
  cluster->stub_ = v1::RunService::NewStub(*channel);
  return cluster;
}

Cluster::~Cluster() {
  for (Member& member : members_) {
    if (member.process) (void)member.process->Signal(SIGKILL);
  }
  members_.clear();
  std::error_code ignored;
  std::filesystem::remove_all(socket_dir_, ignored);
}

absl::Status Cluster::Add(const std::string& name, std::vector<std::string> argv) {
  Member member;
  member.name = name;
  argv.insert(argv.end(), {"--log", absl::StrCat(options_.run_dir, "/logs/", name, ".log")});
  member.options.argv = std::move(argv);
  member.options.stdout_path = absl::StrCat(options_.run_dir, "/logs/", name, ".out");
  member.options.stderr_path = member.options.stdout_path;
  members_.push_back(std::move(member));
  return Launch(members_.back(), {});
}

absl::Status Cluster::AddActor() {
  const std::string name = absl::StrCat("actor-", next_actor_++);
  return Add(name, {options_.programs + "/shoal-actor", "--name", name, "--coordinator",
                    absl::StrCat("unix:", socket_dir_, "/c")});
}

absl::Status Cluster::Launch(Member& member, const Environment& environment) {
  SubprocessOptions options = member.options;
  options.extra_environment = environment;
  auto process = Subprocess::Start(options);
  if (!process.ok()) return process.status();
  member.process = *std::move(process);
  member.frozen = false;
  return absl::OkStatus();
}

Cluster::Member* Cluster::Find(const std::string& name) {
  const auto found = std::find_if(members_.begin(), members_.end(),
                                  [&](const Member& member) { return member.name == name; });
  return found == members_.end() ? nullptr : &*found;
}

std::vector<std::string> Cluster::actors() const {
  std::vector<std::string> names;
  for (const Member& member : members_) {
    if (absl::StartsWith(member.name, "actor-") && !member.leaving) names.push_back(member.name);
  }
  return names;
}

absl::Status Cluster::Poll() {
  for (Member& member : members_) {
    if (!member.process) continue;
    const auto ended = member.process->Poll();
    if (!ended) continue;
    member.process.reset();
    if (member.name == "coordinator" && ended->success()) {
      done_ = true;
      return absl::OkStatus();
    }
    if (ended->signal == 0 && ended->code != 0) {
      return absl::FailedPreconditionError(
          absl::StrCat(member.name, " ended with ", ended->ToString(), ": ", LastWords(member)));
    }
    if (member.leaving) continue;
    if (++restarts_ > kMostRestarts) {
      return absl::FailedPreconditionError(
          absl::StrCat(restarts_, " starts, last of ", member.name, ": ", LastWords(member)));
    }
    if (absl::Status status = Launch(member, {}); !status.ok()) return status;
  }
  members_.erase(std::remove_if(members_.begin(), members_.end(),
                                [](const Member& m) { return m.leaving && !m.process; }),
                 members_.end());
  return absl::OkStatus();
}

void Cluster::AwaitEnd(absl::Duration limit) {
  Member& coordinator = members_.front();
  if (coordinator.process) coordinator.process->WaitFor(limit);
}

absl::Status Cluster::Restart(const std::string& name, const Environment& environment) {
  if (absl::Status status = Kill(name); !status.ok()) return status;
  Member* member = Find(name);
  member->process->WaitFor(absl::Seconds(10));
  ++restarts_;
  return Launch(*member, environment);
}

absl::Status Cluster::Kill(const std::string& name) {
  Member* member = Find(name);
  if (member == nullptr || !member->process) return absl::NotFoundError(name + " is not there");
  // It may have ended by itself in between.
  (void)member->process->Signal(SIGKILL);
  return absl::OkStatus();
}

absl::Status Cluster::Freeze(const std::string& name) {
  Member* member = Find(name);
  if (member == nullptr || !member->process) return absl::NotFoundError(name + " is not there");
  member->frozen = member->process->Signal(SIGSTOP).ok();
  return absl::OkStatus();
}

absl::Status Cluster::Thaw(const std::string& name) {
  Member* member = Find(name);
  if (member == nullptr || !member->process) return absl::OkStatus();
  if (member->frozen) (void)member->process->Signal(SIGCONT);
  member->frozen = false;
  return absl::OkStatus();
}

absl::Status Cluster::RemoveActor(const std::string& name) {
  Member* member = Find(name);
  if (member == nullptr || !member->process) return absl::NotFoundError(name + " is not there");
  member->leaving = true;
  (void)member->process->Signal(SIGTERM);
  return absl::OkStatus();
}

absl::StatusOr<v1::RunStatus> Cluster::Status() const {
  const auto context = MakeContext(absl::Milliseconds(500));
  v1::GetStatusResponse response;
  const grpc::Status status = stub_->GetStatus(context.get(), {}, &response);
  if (!status.ok()) return FromGrpc(status);
  return response.status();
}

absl::Status Cluster::WaitForOthers(absl::Duration limit) {
  const absl::Time deadline = absl::Now() + limit;
  for (Member& member : members_) {
    if (!member.process) continue;
    if (member.frozen) (void)member.process->Signal(SIGCONT);
    const auto ended = member.process->WaitUntil(deadline);
    // One that was away when the run ended looks for a coordinator that is gone; the supervisor
    // of a real cluster would end it.
    if (!ended) (void)member.process->Signal(SIGTERM);
    const auto told = ended ? ended : member.process->WaitFor(absl::Seconds(10));
    if (!told) return absl::DeadlineExceededError(member.name + " does not end");
    if (told->signal == 0 && told->code != 0) {
      return absl::FailedPreconditionError(absl::StrCat(
          member.name, " ended with ", told->ToString(), ": ", LastWords(member)));
    }
  }
  return absl::OkStatus();
}

std::string Cluster::LastWords(const Member& member) const {
  auto text = ReadFile(member.options.stderr_path);
  if (!text.ok()) return "";
  const std::vector<std::string> lines = absl::StrSplit(*text, '\n', absl::SkipWhitespace());
  return lines.empty() ? "" : lines.back();
}

}  // namespace shoal
