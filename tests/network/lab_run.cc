#include "tests/network/lab_run.h"

#include <google/protobuf/util/json_util.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/files.h"
#include "coordinator/cli/status_text.h"
#include "tests/network/lab.h"

namespace shoal {
namespace {

// Generous: only a hang gets there.
constexpr absl::Duration kPatience = absl::Seconds(120);

}  // namespace

absl::StatusOr<RunRecord> RecordOf(const std::string& run_dir) {
  auto status = StatusFromFolder(run_dir);
  if (!status.ok()) return status.status();
  if (status->state() != v1::RunStatus::STATE_DONE) {
    return absl::FailedPreconditionError(absl::StrCat("the run is not done: ", status->DebugString()));
  }
  return ReadRunRecord(run_dir);
}

std::string ProgramFolder() {
  const auto self = std::filesystem::read_symlink("/proc/self/exe");
  return (self.parent_path().parent_path() / "bin").string();
}

LabRun::~LabRun() {
  for (auto& [name, process] : programs_) {
    (void)process->Signal(SIGKILL);
    process->WaitFor(absl::Seconds(5));
  }
}

absl::Status LabRun::Start(const std::string& name, const On& on, const std::string& program,
                           std::vector<std::string> arguments) {
  std::vector<std::string> command = {absl::StrCat(ProgramFolder(), "/", program)};
  command.insert(command.end(), arguments.begin(), arguments.end());
  SubprocessOptions options;
  options.argv = on(std::move(command));
  options.stdout_path = absl::StrCat(run_dir_, "/logs/", name, ".out");
  options.stderr_path = options.stdout_path;
  auto process = Subprocess::Start(options);
  if (!process.ok()) return process.status();
  programs_[name] = *std::move(process);
  return absl::OkStatus();
}

absl::Status LabRun::Kill(const std::string& name) {
  const auto found = programs_.find(name);
  if (found == programs_.end()) return absl::NotFoundError(name);
  if (absl::Status status = found->second->Signal(SIGKILL); !status.ok()) return status;
  const auto ended = found->second->WaitFor(kPatience);
  programs_.erase(found);
  if (!ended) return absl::DeadlineExceededError(absl::StrCat(name, " does not die"));
  return absl::OkStatus();
}

std::optional<v1::RunStatus> LabRun::Status(const On& on) const {
  const auto json =
      RunTool(on({absl::StrCat(ProgramFolder(), "/shoal"), "status", run_dir_, "-o", "json",
                  "--allow_insecure"}));
  v1::RunStatus status;
  if (!json.ok() || !google::protobuf::util::JsonStringToMessage(*json, &status).ok()) {
    return std::nullopt;
  }
  return status;
}

absl::StatusOr<v1::RunStatus> LabRun::WaitFor(
    const std::string& what, const On& on,
    const std::function<bool(const v1::RunStatus&)>& condition) {
  const absl::Time deadline = absl::Now() + kPatience;
  v1::RunStatus last;
  while (absl::Now() < deadline) {
    // Starting the command paces the loop.
    const auto status = Status(on);
    if (status) {
      last = *status;
      if (condition(last)) return last;
      if (last.state() == v1::RunStatus::STATE_DONE || last.state() == v1::RunStatus::STATE_FAILED) {
        return absl::FailedPreconditionError(
            absl::StrCat("the run ended before ", what, ": ", last.DebugString()));
      }
    }
    if (absl::Status alive = CheckPrograms(); !alive.ok()) return alive;
  }
  return absl::DeadlineExceededError(absl::StrCat("waited for ", what, ": ", last.DebugString()));
}

absl::Status LabRun::WaitForEnd(const std::string& name) {
  const auto found = programs_.find(name);
  if (found == programs_.end()) return absl::NotFoundError(name);
  const absl::Time deadline = absl::Now() + kPatience;
  bool ended = false;
  while (!ended && absl::Now() < deadline) {
    ended = found->second->WaitFor(absl::Milliseconds(100)).has_value();
    if (absl::Status alive = CheckPrograms(); !alive.ok()) return alive;
  }
  if (ended) return absl::OkStatus();
  const auto status = Status([](std::vector<std::string> command) { return command; });
  return absl::DeadlineExceededError(absl::StrCat(name, " does not end: ", LastWords(name),
                                                  status ? status->DebugString() : ""));
}

absl::Status LabRun::CheckPrograms() {
  for (auto& [name, process] : programs_) {
    const auto ended = process->Poll();
    if (ended && !ended->success()) {
      return absl::InternalError(
          absl::StrCat(name, " ended with ", ended->ToString(), ": ", LastWords(name)));
    }
  }
  return absl::OkStatus();
}

std::string LabRun::LastWords(const std::string& name) const {
  const std::string text = ReadFile(absl::StrCat(run_dir_, "/logs/", name, ".out")).value_or("");
  return text.substr(text.size() - std::min<size_t>(text.size(), 2000));
}

}  // namespace shoal
