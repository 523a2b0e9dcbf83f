#include "tests/network/lab.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/files.h"
#include "common/subprocess.h"

namespace shoal {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrefix = "shoal-lab-";
constexpr const char* kBridge = "bridge";
constexpr absl::Duration kToolLimit = absl::Seconds(30);

// Where the tools are, also for users whose PATH leaves the administrator's folders out.
std::string ToolPath(const std::string& name) {
  const char* path = getenv("PATH");
  for (absl::string_view folder :
       absl::StrSplit(absl::StrCat(path != nullptr ? path : "", ":/usr/sbin:/sbin"), ':')) {
    const std::string file = absl::StrCat(folder, "/", name);
    if (access(file.c_str(), X_OK) == 0) return file;
  }
  return name;
}

bool Exists(const std::string& tool) { return absl::StrContains(ToolPath(tool), "/"); }

// Whether a test's process runs under this id. One that has ended, and whose parent has not noticed
// yet, has no program file any more.
bool IsTest(const std::string& pid) {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/" + pid + "/exe", error);
  return !error && absl::StrContains(program.filename().string(), "_test");
}

// Namespaces of tests that no longer run. Their process id may belong to another program by now, or,
// seldom, to another test: then they stay until the next time.
void RemoveLeftovers() {
  std::error_code error;
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator("/run/netns", error)) {
    names.push_back(entry.path().filename());
  }
  for (const std::string& name : names) {
    absl::string_view rest = name;
    if (!absl::ConsumePrefix(&rest, kPrefix)) continue;
    const std::string pid(rest.substr(0, rest.find('-')));
    if (pid != std::to_string(getpid()) && IsTest(pid)) continue;
    (void)RunTool({"ip", "netns", "del", name});
  }
}

absl::Status Each(const std::vector<std::vector<std::string>>& commands) {
  for (const std::vector<std::string>& command : commands) {
    if (auto done = RunTool(command); !done.ok()) return done.status();
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> RunTool(std::vector<std::string> argv) {
  std::string folder = (fs::temp_directory_path() / "shoal-tool-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return absl::ErrnoToStatus(errno, folder);
  const std::string command = absl::StrJoin(argv, " ");
  SubprocessOptions options;
  argv[0] = ToolPath(argv[0]);
  options.argv = std::move(argv);
  options.stdout_path = folder + "/out";
  options.stderr_path = folder + "/error";
  auto process = Subprocess::Start(options);
  absl::StatusOr<std::string> result = "";
  if (!process.ok()) {
    result = process.status();
  } else {
    const auto ended = (*process)->WaitFor(kToolLimit);
    result = ReadFile(options.stdout_path);
    if (!ended) {
      result = absl::DeadlineExceededError(absl::StrCat(command, " does not end"));
    } else if (!ended->success()) {
      result = absl::FailedPreconditionError(absl::StrCat(
          command, ": ", ended->ToString(), ": ", ReadFile(options.stderr_path).value_or("")));
    }
  }
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  return result;
}

std::string NetworkLab::Missing() {
  if (geteuid() != 0) return "network namespaces need root";
  for (const char* tool : {"ip", "tc", "nft"}) {
    if (!Exists(tool)) return absl::StrCat("there is no ", tool, " (iproute2 and nftables have them)");
  }
  // The smallest lab that uses everything.
  auto lab = Create({"probe"});
  absl::Status status = lab.status();
  if (status.ok()) status = (*lab)->Cut("probe");
  if (status.ok()) status = (*lab)->Lose(1);
  if (status.ok()) status = (*lab)->SlowDown("probe", "1mbit");
  if (status.ok()) status = RunTool((*lab)->On("probe", {ToolPath("ip"), "link"})).status();
  return status.ok() ? "" : absl::StrCat("the kernel does not allow it: ", status.message());
}

absl::StatusOr<std::unique_ptr<NetworkLab>> NetworkLab::Create(
    const std::vector<std::string>& machines) {
  RemoveLeftovers();
  auto lab = absl::WrapUnique(new NetworkLab(absl::StrCat(kPrefix, getpid(), "-"), machines));
  if (absl::Status status = lab->Build(); !status.ok()) return status;
  return lab;
}

absl::Status NetworkLab::Build() {
  const std::string bridge = Namespace(kBridge);
  absl::Status status = Each({
      {"ip", "netns", "add", bridge},
      {"ip", "-n", bridge, "link", "add", "br0", "type", "bridge"},
      {"ip", "-n", bridge, "link", "set", "br0", "up"},
  });
  for (const std::string& machine : machines_) {
    if (!status.ok()) return status;
    const std::string name = Namespace(machine);
    const std::string port = Port(machine);
    status = Each({
        {"ip", "netns", "add", name},
        {"ip", "-n", bridge, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name},
        {"ip", "-n", bridge, "link", "set", port, "master", "br0", "up"},
        {"ip", "-n", name, "addr", "add", Address(machine) + "/24", "dev", "eth0"},
        {"ip", "-n", name, "link", "set", "eth0", "up"},
        {"ip", "-n", name, "link", "set", "lo", "up"},
    });
  }
  if (!status.ok()) return status;
  return Nft(
      "add table bridge lab;"
      "add counter bridge lab lost;"
      "add set bridge lab cut { type ifname; };"
      "add chain bridge lab links { type filter hook forward priority 0; policy accept; };"
      "add rule bridge lab links iifname @cut drop;"
      "add rule bridge lab links oifname @cut drop");
}

NetworkLab::~NetworkLab() {
  for (const std::string& machine : machines_) {
    (void)RunTool({"ip", "netns", "del", Namespace(machine)});
  }
  (void)RunTool({"ip", "netns", "del", Namespace(kBridge)});
}

int NetworkLab::IndexOf(const std::string& machine) const {
  return static_cast<int>(std::find(machines_.begin(), machines_.end(), machine) - machines_.begin());
}

std::string NetworkLab::Address(const std::string& machine) const {
  return absl::StrCat("10.77.0.", IndexOf(machine) + 1);
}

std::string NetworkLab::Port(const std::string& machine) const {
  return absl::StrCat("port", IndexOf(machine));
}

std::vector<std::string> NetworkLab::On(const std::string& machine,
                                        std::vector<std::string> command) const {
  std::vector<std::string> all = {ToolPath("ip"), "netns", "exec", Namespace(machine)};
  all.insert(all.end(), command.begin(), command.end());
  return all;
}

absl::StatusOr<std::string> NetworkLab::OnBridge(std::vector<std::string> command) const {
  command[0] = ToolPath(command[0]);
  return RunTool(On(kBridge, std::move(command)));
}

absl::Status NetworkLab::Nft(const std::string& commands) const {
  return OnBridge({"nft", commands}).status();
}

absl::Status NetworkLab::Cut(const std::string& machine) {
  return Nft(absl::StrCat("add element bridge lab cut { \"", Port(machine), "\" }"));
}

absl::Status NetworkLab::Heal(const std::string& machine) {
  return Nft(absl::StrCat("delete element bridge lab cut { \"", Port(machine), "\" }"));
}

absl::Status NetworkLab::Lose(int percent) {
  return Nft(absl::StrCat("add rule bridge lab links numgen random mod 100 < ", percent,
                          " counter name lost drop"));
}

absl::StatusOr<int64_t> NetworkLab::Lost() const {
  auto text = OnBridge({"nft", "list", "counter", "bridge", "lab", "lost"});
  if (!text.ok()) return text.status();
  const std::string mark = "packets ";
  const size_t at = text->find(mark);
  int64_t packets = 0;
  if (at == std::string::npos ||
      !absl::SimpleAtoi(text->substr(at + mark.size(), text->find(' ', at + mark.size()) - at - mark.size()),
                        &packets)) {
    return absl::InternalError(absl::StrCat("nft printed no counter: ", *text));
  }
  return packets;
}

absl::Status NetworkLab::SlowDown(const std::string& machine, const std::string& rate) {
  auto shape = [&](const std::string& name, const std::string& interface) {
    return std::vector<std::string>{"tc",   "-n",   Namespace(name), "qdisc", "replace", "dev",
                                    interface, "root", "tbf",         "rate",  rate,      "burst",
                                    "16kb", "latency", "100ms"};
  };
  return Each({shape(kBridge, Port(machine)), shape(machine, "eth0")});
}

}  // namespace shoal
