// shoal-faults: trains a small configuration again and again while programs are killed, stopped,
// added and removed, and compares every run with an undisturbed one.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/logging.h"
#include "coordinator/verify/run_record.h"
#include "tests/faults/fault_run.h"

namespace shoal {
namespace {

struct Arguments {
  int faults = 25;
  double hours = 0;
  uint64_t seed = 1;
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
    const std::string name = FaultName(kind);
    const auto injected = tally.injected.find(name), missed = tally.missed.find(name);
    std::printf("%-26s %8d %8d\n", name.c_str(),
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

// Trains, and gives the record of the run.
absl::StatusOr<RunRecord> Train(const std::string& run_dir, const FaultRunOptions& options,
                                FaultTally& tally, std::vector<std::string>& story) {
  absl::Status status = RunWithFaults(run_dir, options, tally, story);
  if (!status.ok()) return status;
  return ReadRunRecord(run_dir);
}

int Failed(const std::string& what, const std::vector<std::string>& story,
           const FaultRunOptions& options, const std::string& run_dir) {
  std::printf("FAILED: %s\n", what.c_str());
  for (const std::string& event : story) std::printf("  %s\n", event.c_str());
  std::printf("the run is left in %s; again: shoal-faults --seed %llu --lag %d --faults 1 "
              "--faults_per_run %d\n",
              run_dir.c_str(), static_cast<unsigned long long>(options.seed), options.policy_lag,
              options.faults);
  return 1;
}

int Run(const Arguments& arguments) {
  const absl::Time end = absl::Now() + absl::Hours(arguments.hours);
  FaultRunOptions options;
  options.programs = arguments.programs;
  options.file_layer = arguments.file_layer;
  RunRecord expected[2];
  FaultTally tally;
  for (int lag = 0; lag < 2; ++lag) {
    if (arguments.lag >= 0 && lag != arguments.lag) continue;
    options.policy_lag = lag;
    std::vector<std::string> story;
    const std::string run_dir = absl::StrCat(arguments.folder, "/undisturbed-", lag);
    auto record = Train(run_dir, options, tally, story);
    if (!record.ok()) return Failed(record.status().ToString(), story, options, run_dir);
    expected[lag] = *std::move(record);
  }
  int runs = 0;
  while (tally.total() < arguments.faults || absl::Now() < end) {
    options.seed = arguments.seed + runs;
    options.policy_lag = arguments.lag >= 0 ? arguments.lag : runs % 2;
    options.faults = arguments.faults_per_run;
    const std::string run_dir = absl::StrCat(arguments.folder, "/run-", options.seed);
    std::vector<std::string> story;
    FaultTally now;
    auto record = Train(run_dir, options, now, story);
    tally.Add(now);
    ++runs;
    if (!record.ok()) return Failed(record.status().ToString(), story, options, run_dir);
    const std::vector<std::string> differences = Differences(expected[options.policy_lag], *record);
    if (!differences.empty()) {
      for (const std::string& difference : differences) std::printf("  %s\n", difference.c_str());
      return Failed("the run differs from the undisturbed one (undisturbed | disturbed, above)", story,
                    options, run_dir);
    }
    std::printf("run %d, seed %llu, lag %d: equal in %zu values after %d faults\n", runs,
                static_cast<unsigned long long>(options.seed), options.policy_lag, record->size(),
                now.total());
    std::fflush(stdout);
    std::filesystem::remove_all(run_dir);
  }
  Print(tally, runs);
  return 0;
}

int Main(int argc, char** argv) {
  Arguments arguments;
  arguments.programs = OwnFolder() + "/../bin";
  arguments.file_layer = OwnFolder() + "/libfile_faults.so";
  CLI::App app("shoal-faults: disturbs runs, and compares them with one that was not");
  app.add_option("--faults", arguments.faults, "so many faults, at least")->capture_default_str();
  app.add_option("--hours", arguments.hours, "and for so long, at least")->capture_default_str();
  app.add_option("--seed", arguments.seed, "of the first run; the next has the next")->capture_default_str();
  app.add_option("--faults_per_run", arguments.faults_per_run)->capture_default_str();
  app.add_option("--lag", arguments.lag, "0 or 1 (default: in turn)")->check(CLI::Range(0, 1));
  app.add_option("--programs", arguments.programs, "folder of the programs")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  LogOptions log;
  log.level = LogLevel::kError;
  if (absl::Status status = SetUpLogging(log); !status.ok()) return 1;
  std::string folder = (std::filesystem::temp_directory_path() / "shoal-disturbed-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return 1;
  arguments.folder = folder;
  const int code = Run(arguments);
  if (code == 0) std::filesystem::remove_all(folder);
  return code;
}

}  // namespace
}  // namespace shoal

int main(int argc, char** argv) { return shoal::Main(argc, argv); }
