#include "coordinator/cli/logs_command.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/shutdown.h"
#include "coordinator/cli/exit_codes.h"
#include "coordinator/cli/log_folder.h"
#include "coordinator/cli/prepare_run.h"
#include "coordinator/cli/terminal.h"
#include "coordinator/store/run_store.h"

namespace shoal {
namespace {

constexpr absl::Duration kPollInterval = absl::Milliseconds(200);
// The programs' last words come a little after the run's end; then so many polls bring nothing.
constexpr int kQuietPolls = 5;

struct LogsArguments {
  std::string run;
  std::string coordinator;
  std::string out = "runs";
  bool follow = false;
  std::vector<std::string> components;
  std::string level = "debug";
  std::string output = "table";
};

class LogPrinter {
 public:
  LogPrinter(const LogsArguments& arguments, int level)
      : arguments_(arguments), level_(level), colours_(WantsColours(STDOUT_FILENO)) {}

  // What the folder has now; `last`: what nobody will end, too. True: it had something.
  absl::StatusOr<bool> Print(LogFolder& folder, bool last) {
    bool any = false;
    while (true) {
      auto event = folder.Next(last);
      if (!event.ok()) return event.status();
      if (!*event) break;
      any = true;
      if (Wanted(**event)) Write(**event);
    }
    if (std::fflush(stdout) == 0) return any;
    return absl::ErrnoToStatus(errno, "the standard output cannot be written");
  }

 private:
  bool Wanted(const LogEvent& event) const {
    // What no event is before has no level.
    if (level_ > 0 && LogLevelRank(event.level).value_or(0) < level_) return false;
    if (arguments_.components.empty()) return true;
    return std::any_of(arguments_.components.begin(), arguments_.components.end(),
                       [&event](const std::string& wanted) {
                         return wanted == event.component || wanted == event.name;
                       });
  }
  void Write(const LogEvent& event) const {
    const std::string text = arguments_.output == "json"
                                 ? LogLineJson(event.line, event.name)
                                 : LogLineText(event.line, event.name, colours_);
    std::fwrite(text.data(), 1, text.size(), stdout);
  }

  const LogsArguments& arguments_;
  const int level_;
  const bool colours_;
};

// Whether the run in a folder has ended.
class RunEnd {
 public:
  explicit RunEnd(std::string run_dir) : path_(absl::StrCat(std::move(run_dir), "/run.db")) {}

  absl::StatusOr<bool> Reached() {
    if (!store_) {
      auto store = RunStore::OpenReadOnly(path_);
      // It is not there yet, or its coordinator has it for itself just now.
      if (absl::IsNotFound(store.status()) || absl::IsUnavailable(store.status())) return false;
      if (!store.ok()) return store.status();
      store_.emplace(*std::move(store));
    }
    auto info = store_->Info();
    if (absl::IsUnavailable(info.status())) return false;
    if (!info.ok()) return info.status();
    return info->status != RunState::kRunning;
  }

 private:
  const std::string path_;
  std::optional<RunStore> store_;
};

// Each component that is asked for must be one of a file that is there.
absl::Status CheckComponents(const LogsArguments& arguments, const LogFolder& folder) {
  const std::vector<std::string> names = folder.Names();
  for (const std::string& wanted : arguments.components) {
    const bool known = std::any_of(names.begin(), names.end(), [&wanted](const std::string& name) {
      return name == wanted || name.substr(0, name.rfind('-')) == wanted;
    });
    if (known) continue;
    return absl::NotFoundError(absl::StrCat("--component ", wanted, ": the run has logs of ",
                                            names.empty() ? "none" : absl::StrJoin(names, ", ")));
  }
  return absl::OkStatus();
}

// The components that are asked for may come later; at the end they must have been there.
int Follow(const LogsArguments& arguments, LogFolder& folder, LogPrinter& printer, RunEnd end) {
  // Signals are taken over before anything is waited for; a second one ends the program.
  const ShutdownSignal signal;
  int quiet = 0;
  while (true) {
    auto over = end.Reached();
    if (!over.ok()) return ReportError(over.status());
    // The folder may come later than the run.
    const absl::Status status = folder.Refresh();
    if (!status.ok() && !absl::IsNotFound(status)) return ReportError(status);
    const bool last = *over && quiet >= kQuietPolls;
    auto any = printer.Print(folder, last);
    if (!any.ok()) return ReportError(any.status());
    if (last && !*any) {
      const absl::Status known = CheckComponents(arguments, folder);
      return known.ok() ? kExitDone : ReportError(known);
    }
    quiet = *any ? 0 : quiet + 1;
    if (signal.WaitFor(kPollInterval)) return kExitInterrupted;
  }
}

absl::Status CheckArguments(const LogsArguments& arguments) {
  if (!arguments.coordinator.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "shoal logs reads a run's folder, and the coordinator at ", arguments.coordinator,
        " does not hand logs out: give the run's name or folder on the machine of its programs. Those of "
        "a standing cluster log to their service (journalctl -u shoal-coordinator, docker compose logs, "
        "kubectl logs)"));
  }
  if (arguments.run.empty()) {
    return absl::InvalidArgumentError("shoal logs needs a run: its name or folder");
  }
  return absl::OkStatus();
}

int RunLogs(const LogsArguments& arguments) {
  if (absl::Status s = CheckArguments(arguments); !s.ok()) return ReportError(s);
  auto level = LogLevelRank(arguments.level);
  if (!level.ok()) return ReportError(level.status());
  auto run_dir = FindRun(arguments.out, arguments.run);
  if (!run_dir.ok()) return ReportError(run_dir.status());
  LogFolder folder(absl::StrCat(*run_dir, "/logs"));
  LogPrinter printer(arguments, *level);
  if (arguments.follow) return Follow(arguments, folder, printer, RunEnd(*run_dir));
  if (absl::Status status = folder.Refresh(); !status.ok()) return ReportError(status);
  if (absl::Status status = CheckComponents(arguments, folder); !status.ok()) {
    return ReportError(status);
  }
  const absl::Status printed = printer.Print(folder, /*last=*/true).status();
  return printed.ok() ? kExitDone : ReportError(printed);
}

}  // namespace

Command AddLogsCommand(CLI::App& app) {
  auto a = std::make_shared<LogsArguments>();
  CLI::App* logs = app.add_subcommand("logs", "the logs of a run's programs, merged by time");
  logs->add_option("run", a->run, "the run's name or folder")->type_name("RUN");
  logs->add_flag("-f,--follow", a->follow, "go on with what is written, until the run ends");
  logs->add_option("--component", a->components,
                   "only these programs: coordinator, learner, actor, or one by its file: actor-0")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("NAME");
  logs->add_option("--level", a->level, "from this level on: debug, info, warning or error")
      ->type_name("LEVEL")
      ->capture_default_str();
  logs->add_option("--out,--runs", a->out, "folder of all runs")
      ->type_name("DIR")
      ->capture_default_str();
  logs->add_option("-o,--output", a->output, "table, or json: one object a line")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  logs->add_option("--coordinator", a->coordinator, "refused: a coordinator hands no logs out")
      ->group("");
  return Command{logs, [a] { return RunLogs(*a); }};
}

}  // namespace shoal
