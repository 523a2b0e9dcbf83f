#include "coordinator/cli/sweep_runner.h"

#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "common/files.h"
#include "common/subprocess.h"
#include "coordinator/cli/run_summary.h"
#include "nlohmann/json.hpp"

namespace shoal {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr absl::Duration kPoll = absl::Milliseconds(100);
// A run that is asked to end commits its iteration first.
constexpr absl::Duration kGrace = absl::Seconds(60);

// One that is being trained.
struct Training {
  size_t run = 0;
  std::unique_ptr<Subprocess> process;
  int interrupts_sent = 0;
};

std::string RunFolder(const SweepRunnerOptions& options, const SweepRun& run) {
  return absl::StrCat(options.out, "/", run.name);
}

std::string LogPath(const SweepRunnerOptions& options, const SweepRun& run) {
  return absl::StrCat(options.out, "/logs/", run.name, ".log");
}

bool IsDone(const SweepRunnerOptions& options, const SweepRun& run) {
  auto info = ReadRunInfo(RunFolder(options, run));
  return info.ok() && info->status == RunState::kDone;
}

absl::StatusOr<Training> Start(const SweepRunnerOptions& options, const SweepRun& run, size_t index) {
  SubprocessOptions child;
  child.argv = {options.shoal, "train", absl::StrCat("--out=", options.out)};
  if (fs::exists(absl::StrCat(RunFolder(options, run), "/config.textproto"))) {
    // Its own options are in its folder; how many programs it uses is given anew.
    child.argv.push_back(absl::StrCat("--resume=", run.name));
    for (const std::string& argument : run.arguments) {
      if (argument.starts_with("--actors=") || argument.starts_with("--learner_threads=")) {
        child.argv.push_back(argument);
      }
    }
  } else {
    child.argv.insert(child.argv.end(), run.arguments.begin(), run.arguments.end());
  }
  child.stdout_path = child.stderr_path = LogPath(options, run);
  child.grace = kGrace;
  auto process = Subprocess::Start(child);
  if (!process.ok()) return process.status();
  return Training{index, *std::move(process)};
}

// How a run ended that is not done, with the last thing it said.
std::string Failure(const SweepRunnerOptions& options, const SweepRun& run, const ExitStatus& status) {
  std::string last;
  if (auto text = ReadFile(LogPath(options, run)); text.ok()) {
    for (absl::string_view line : absl::StrSplit(*text, '\n', absl::SkipWhitespace())) {
      last = std::string(line);
    }
  }
  return absl::StrCat(status.ToString(), last.empty() ? "" : absl::StrCat(": ", last), " (",
                      LogPath(options, run), ")");
}

// Passes on how often the sweep was interrupted.
void Interrupt(int interrupts, std::vector<Training>& running) {
  for (Training& training : running) {
    for (; training.interrupts_sent < std::min(interrupts, 2); ++training.interrupts_sent) {
      (void)training.process->Signal(SIGINT);
    }
  }
}

}  // namespace

absl::Status OpenSweep(const std::string& out, const std::vector<SweepRun>& runs) {
  if (absl::Status status = CreateDirectories(absl::StrCat(out, "/logs")); !status.ok()) return status;
  const std::string path = absl::StrCat(out, "/sweep.json");
  Json known = Json::object();
  if (auto text = ReadFile(path); text.ok()) {
    known = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
    if (!known.is_object()) return absl::DataLossError(absl::StrCat(path, " is no sweep's"));
  } else if (!absl::IsNotFound(text.status())) {
    return text.status();
  }
  for (const SweepRun& run : runs) {
    // Programs and threads change no result.
    Json arguments = Json::array();
    for (const std::string& argument : run.arguments) {
      if (argument.starts_with("--actors=") || argument.starts_with("--learner_threads=")) continue;
      arguments.push_back(argument);
    }
    Json& entry = known[run.name];
    if (entry.is_null()) {
      entry = std::move(arguments);
    } else if (entry != arguments) {
      return absl::FailedPreconditionError(
          absl::StrCat(out, " has a run ", run.name, " with other options: ", entry.dump(),
                       ", not ", arguments.dump(), "; give another --out or another name"));
    }
  }
  return WriteFileAtomically(path, known.dump(1) + "\n");
}

absl::StatusOr<std::vector<std::string>> TrainSweep(const SweepRunnerOptions& options,
                                                    const std::vector<SweepRun>& runs) {
  std::vector<std::string> results(runs.size());
  std::vector<Training> running;
  size_t next = 0, finished = 0;
  const auto note = [&](size_t index, const std::string& text) {
    ++finished;
    options.say(absl::StrCat(finished, "/", runs.size(), "  ", runs[index].name, "  ", text));
  };
  while (next < runs.size() || !running.empty()) {
    const int interrupts = options.interrupts();
    if (interrupts > 0 && running.empty()) break;
    while (interrupts == 0 && next < runs.size() && static_cast<int>(running.size()) < options.jobs) {
      const size_t index = next++;
      if (IsDone(options, runs[index])) {
        note(index, "is done");
        continue;
      }
      auto training = Start(options, runs[index], index);
      if (training.ok()) {
        running.push_back(*std::move(training));
      } else {
        results[index] = std::string(training.status().message());
        note(index, absl::StrCat("FAILED: ", results[index]));
      }
    }
    Interrupt(interrupts, running);
    for (size_t i = 0; i < running.size();) {
      // The wait for one run's end paces the loop.
      const auto status = running[i].process->WaitFor(kPoll / static_cast<double>(running.size()));
      if (!status) {
        ++i;
        continue;
      }
      const size_t index = running[i].run;
      running.erase(running.begin() + static_cast<ptrdiff_t>(i));
      const bool done = status->success() && IsDone(options, runs[index]);
      if (!done) results[index] = Failure(options, runs[index], *status);
      note(index, done ? "done" : absl::StrCat(options.interrupts() > 0 ? "stopped" : "FAILED: ",
                                               options.interrupts() > 0 ? "" : results[index]));
    }
  }
  if (options.interrupts() > 0) return absl::CancelledError("interrupted");
  return results;
}

}  // namespace shoal
