#include "tests/bench/bench_programs.h"

#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/files.h"

namespace shoal {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kPatience = absl::Seconds(10);

double Seconds(clockid_t clock) {
  timespec time{};
  if (clock_gettime(clock, &time) != 0) return 0;
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// A child inherits the processors of the thread that starts it.
class OnProcessor {
 public:
  explicit OnProcessor(int processor) {
    sched_getaffinity(0, sizeof(before_), &before_);
    if (processor < 0) return;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(processor, &one);
    sched_setaffinity(0, sizeof(one), &one);
  }
  ~OnProcessor() { sched_setaffinity(0, sizeof(before_), &before_); }

 private:
  cpu_set_t before_;
};

}  // namespace

BenchFolder::BenchFolder() : path_("/tmp/shoal-bench-XXXXXX") {
  if (mkdtemp(path_.data()) == nullptr) path_.clear();
}

BenchFolder::~BenchFolder() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

std::string BuildFolder() {
  return fs::read_symlink("/proc/self/exe").parent_path().parent_path().string();
}

absl::StatusOr<std::unique_ptr<Subprocess>> StartProgram(const std::string& folder,
                                                         const std::string& name,
                                                         std::vector<std::string> argv,
                                                         const std::string& until, int processor) {
  const std::string output = absl::StrCat(folder, "/", name, ".out");
  SubprocessOptions options;
  options.argv = std::move(argv);
  options.argv[0] = absl::StrCat(BuildFolder(), "/", options.argv[0]);
  options.stdout_path = options.stderr_path = output;
  auto process = [&] {
    const OnProcessor on(processor);
    return Subprocess::Start(options);
  }();
  if (!process.ok() || until.empty()) return process;
  const absl::Time deadline = absl::Now() + kPatience;
  while (!absl::StrContains(ReadFile(output).value_or(""), until)) {
    if ((*process)->Poll().has_value() || absl::Now() > deadline) {
      return absl::UnavailableError(
          absl::StrCat(name, " does not start: ", ReadFile(output).value_or("")));
    }
    absl::SleepFor(absl::Milliseconds(2));
  }
  return process;
}

absl::StatusOr<std::unique_ptr<Subprocess>> StartCoordinator(const std::string& folder,
                                                             const std::string& run_dir,
                                                             const std::string& listen,
                                                             int processor, std::string* address) {
  auto process = StartProgram(folder, "coordinator",
                              {"bin/shoal-coordinator", "--run_dir=" + run_dir, "--listen=" + listen,
                               "--log=" + folder + "/coordinator.log"},
                              "listening on ", processor);
  if (!process.ok()) return process;
  auto line = ReadFile(run_dir + "/coordinator.address");
  if (!line.ok()) return line.status();
  const std::vector<std::string> words =
      absl::StrSplit(*line, absl::ByAnyChar(" \n"), absl::SkipEmpty());
  *address = words.empty() ? "" : words[0];
  return process;
}

void KeepOff(int processor) {
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof(mask), &mask) != 0 || CPU_COUNT(&mask) < 2) return;
  CPU_CLR(processor, &mask);
  sched_setaffinity(0, sizeof(mask), &mask);
}

double CpuSeconds(pid_t pid) {
  clockid_t clock;
  return clock_getcpuclockid(pid, &clock) == 0 ? Seconds(clock) : 0;
}

double OwnCpuSeconds() { return Seconds(CLOCK_PROCESS_CPUTIME_ID); }

double ResidentMib(pid_t pid) {
  const auto status = ReadFile(absl::StrCat("/proc/", pid, "/status"));
  if (!status.ok()) return 0;
  for (absl::string_view line : absl::StrSplit(*status, '\n')) {
    if (!absl::StartsWith(line, "VmRSS:")) continue;
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    double kib = 0;
    if (words.size() > 1 && absl::SimpleAtod(words[words.size() - 2], &kib)) return kib / 1024;
  }
  return 0;
}

}  // namespace shoal
