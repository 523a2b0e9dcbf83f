// shoal-faults: trains a small configuration again and again while programs are killed, stopped,
// added and removed, and compares every run with an undisturbed one.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/logging.h"
#include "coordinator/verify/run_record.h"
#include "tests/faults/fault_run.h"

namespace shoal {
namespace {

// With fewer faults not every kind's turn has come.
constexpr int kFaultsForEveryKind = kFaultKindCount;
// Runs at most with those kinds alone that have found nothing to hit in all runs before.
constexpr int kMostRunsForMissed = 4;

struct Arguments {
  int faults = 25;
  double hours = 0;
  uint64_t seed = 1;
  uint64_t first = 0;
  std::vector<std::string> only;
  int faults_per_run = 9;
  int lag = -1;
  std::string programs;
  std::string file_layer;
  std::string folder;
};

std::string OwnFolder() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path().string();
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void Print(const FaultTally& tally, int runs) {
  std::printf("%-26s %8s %8s\n", "fault", "injected", "missed");
  for (const FaultKind kind : kFaultKinds) {
    const auto injected = tally.injected.find(kind), missed = tally.missed.find(kind);
    std::printf("%-26s %8d %8d\n", FaultName(kind),
                injected == tally.injected.end() ? 0 : injected->second,
                missed == tally.missed.end() ? 0 : missed->second);
  }
  const double slowest = tally.recovery_seconds.empty()
                             ? 0
                             : *std::max_element(tally.recovery_seconds.begin(),
                                                 tally.recovery_seconds.end());
  std::printf("%d faults in %d runs, %d programs started again, went on %zu times: to the next commit "
              "median %.2f s, at most %.2f s\n",
              tally.total(), runs, tally.restarts, tally.recovery_seconds.size(),
              Median(tally.recovery_seconds), slowest);
  std::fflush(stdout);
}

std::string Names(const std::set<FaultKind>& kinds) {
  return absl::StrJoin(kinds, ",", [](std::string* out, FaultKind kind) { *out += FaultName(kind); });
}

absl::StatusOr<std::set<FaultKind>> ParseKinds(const std::vector<std::string>& names) {
  std::set<FaultKind> kinds;
  for (const std::string& name : names) {
    const auto kind = std::find_if(std::begin(kFaultKinds), std::end(kFaultKinds),
                                   [&](FaultKind k) { return name == FaultName(k); });
    if (kind == std::end(kFaultKinds)) {
      return absl::InvalidArgumentError(absl::StrCat("--only: there is no fault \"", name, "\""));
    }
    kinds.insert(*kind);
  }
  return kinds;
}

// All runs of one call, which share one sequence of faults.
class Trial {
 public:
  Trial(const Arguments& arguments, std::set<FaultKind> only)
      : arguments_(arguments), only_(std::move(only)), sequence_(arguments.seed, arguments.first) {
    options_.programs = arguments.programs;
    options_.file_layer = arguments.file_layer;
  }

  // The program's exit code. The tally is shown however it ends.
  int Run() {
    const bool well = Undisturbed() && Disturbed() && EveryKind();
    Print(tally_, runs_);
    if (!failure_.empty()) std::printf("FAILED: %s\n", failure_.c_str());
    return well ? 0 : 1;
  }

 private:
  bool Fail(std::string why) {
    failure_ = std::move(why);
    return false;
  }

  bool Undisturbed() {
    for (int lag = 0; lag < 2; ++lag) {
      if (arguments_.lag >= 0 && lag != arguments_.lag) continue;
      options_.policy_lag = lag;
      FaultTally nothing;
      auto record = Train(absl::StrCat(arguments_.folder, "/undisturbed-", lag), nothing);
      if (!record.ok()) return Fail(std::string(record.status().message()));
      expected_[lag] = *std::move(record);
    }
    return true;
  }

  bool Disturbed() {
    const absl::Time end = absl::Now() + absl::Hours(arguments_.hours);
    while (tally_.total() < arguments_.faults || absl::Now() < end) {
      if (!DisturbedRun(only_)) return false;
    }
    return true;
  }

  // A single fault may find nothing; a kind that never found anything is not being tested.
  bool EveryKind() {
    if (!only_.empty()) return true;
    if (arguments_.faults < kFaultsForEveryKind && arguments_.hours <= 0) return true;
    for (int i = 0; i < kMostRunsForMissed && !tally_.never_injected().empty(); ++i) {
      if (!DisturbedRun(tally_.never_injected())) return false;
    }
    const std::set<FaultKind> never = tally_.never_injected();
    return never.empty() || Fail(absl::StrCat("never injected: ", Names(never)));
  }

  bool DisturbedRun(const std::set<FaultKind>& only) {
    options_.policy_lag = arguments_.lag >= 0 ? arguments_.lag : runs_ % 2;
    options_.faults = arguments_.faults_per_run;
    options_.only = only;
    const uint64_t first = sequence_.number();
    const std::string run_dir = absl::StrCat(arguments_.folder, "/run-", runs_++);
    FaultTally now;
    auto record = Train(run_dir, now);
    tally_.Add(now);
    std::vector<std::string> differences;
    if (record.ok()) differences = Differences(expected_[options_.policy_lag], *record);
    if (!record.ok() || !differences.empty()) {
      Explain(differences, run_dir, first);
      return Fail(record.ok() ? "the run differs from the undisturbed one (undisturbed | disturbed, above)"
                              : std::string(record.status().message()));
    }
    std::printf("run %d, faults from %llu, lag %d: equal in %zu values after %d faults\n", runs_,
                static_cast<unsigned long long>(first), options_.policy_lag, record->size(), now.total());
    std::fflush(stdout);
    std::filesystem::remove_all(run_dir);
    return true;
  }

  // Trains, and gives the record of the run.
  absl::StatusOr<RunRecord> Train(const std::string& run_dir, FaultTally& tally) {
    story_.clear();
    absl::Status status = RunWithFaults(run_dir, options_, sequence_, tally, story_);
    if (!status.ok()) return status;
    return ReadRunRecord(run_dir);
  }

  void Explain(const std::vector<std::string>& differences, const std::string& run_dir, uint64_t first) {
    for (const std::string& difference : differences) std::printf("  %s\n", difference.c_str());
    std::printf("what happened in %s, which is left there:\n", run_dir.c_str());
    for (const std::string& event : story_) std::printf("  %s\n", event.c_str());
    std::printf("the same faults again: shoal-faults --seed %llu --first %llu%s%s%s --lag %d --faults 1 "
                "--faults_per_run %d\n",
                static_cast<unsigned long long>(arguments_.seed), static_cast<unsigned long long>(first),
                options_.only.empty() ? "" : " --only '", Names(options_.only).c_str(),
                options_.only.empty() ? "" : "'", options_.policy_lag, options_.faults);
  }

  const Arguments& arguments_;
  const std::set<FaultKind> only_;
  FaultSequence sequence_;
  FaultRunOptions options_;
  RunRecord expected_[2];
  FaultTally tally_;
  std::vector<std::string> story_;  // of the last run
  int runs_ = 0;
  std::string failure_;
};

// What is asked for can be done.
absl::Status Check(const Arguments& arguments) {
  for (const char* program : {"shoal-coordinator", "shoal-learner", "shoal-actor"}) {
    const std::string path = absl::StrCat(arguments.programs, "/", program);
    if (access(path.c_str(), X_OK) != 0) return absl::NotFoundError(path + " is no program; build it");
  }
  // The loader of a program passes over one that is not there.
  if (access(arguments.file_layer.c_str(), R_OK) != 0) {
    return absl::NotFoundError(absl::StrCat(
        arguments.file_layer, ", by which faults of files come about, is not there; build file_faults"));
  }
  return absl::OkStatus();
}

int Refuse(const absl::Status& status) {
  std::fprintf(stderr, "shoal-faults: %s\n", std::string(status.message()).c_str());
  return 1;
}

int Main(int argc, char** argv) {
  Arguments arguments;
  arguments.programs = OwnFolder() + "/../bin";
  arguments.file_layer = OwnFolder() + "/libfile_faults.so";
  CLI::App app("shoal-faults: disturbs runs, and compares them with one that was not");
  app.add_option("--faults", arguments.faults, "so many faults, at least; from 17 on every kind must come about")
      ->capture_default_str();
  app.add_option("--hours", arguments.hours, "and for so long, at least")->capture_default_str();
  app.add_option("--seed", arguments.seed, "of the faults and their order")->capture_default_str();
  app.add_option("--first", arguments.first, "begin with this fault of the seed's, counted from 0")
      ->capture_default_str();
  app.add_option("--only", arguments.only, "only kinds of these names, as in the table at the end")
      ->delimiter(',');
  app.add_option("--faults_per_run", arguments.faults_per_run)->capture_default_str();
  app.add_option("--lag", arguments.lag, "0 or 1 (default: in turn)")->check(CLI::Range(0, 1));
  app.add_option("--programs", arguments.programs, "folder of the programs")->capture_default_str();
  app.add_option("--file_layer", arguments.file_layer, "libfile_faults.so")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (absl::Status status = Check(arguments); !status.ok()) return Refuse(status);
  auto only = ParseKinds(arguments.only);
  if (!only.ok()) return Refuse(only.status());
  LogOptions log;
  log.level = LogLevel::kError;
  if (absl::Status status = SetUpLogging(log); !status.ok()) return 1;
  std::string folder = (std::filesystem::temp_directory_path() / "shoal-disturbed-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return 1;
  arguments.folder = folder;
  const int code = Trial(arguments, *std::move(only)).Run();
  if (code == 0) std::filesystem::remove_all(folder);
  return code;
}

}  // namespace
}  // namespace shoal

int main(int argc, char** argv) { return shoal::Main(argc, argv); }
