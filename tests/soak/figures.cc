#include "tests/soak/figures.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/metrics/process_metrics.h"
#include "tests/metrics/scrape.h"

namespace shoal {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kPatience = absl::Minutes(1);
constexpr absl::Duration kPause = absl::Milliseconds(20);

int CountEntries(const std::string& folder) {
  std::error_code error;
  int count = 0;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    ++count;
  }
  return count;
}

// gRPC names its threads; ours have the program's name.
bool OfAPool(const std::string& task) {
  std::ifstream file(task + "/comm");
  std::string name;
  std::getline(file, name);
  for (const char* prefix : {"grpc", "default-exec", "resolver-exec", "nexting_thread", "timer", "event_engine"}) {
    if (absl::StartsWith(name, prefix)) return true;
  }
  return false;
}

// Executors have at most two threads a CPU, of which there are two; servers and timers have one to
// spare.
int PoolLimit() { return 4 * static_cast<int>(std::thread::hardware_concurrency()) + 2; }

int64_t ScrapedHeapKib(int port) {
  const std::optional<std::string> page = Scrape(port);
  for (const absl::string_view line : absl::StrSplit(page.value_or(""), '\n')) {
    double bytes = 0;
    if (absl::StartsWith(line, "shoal_heap_bytes") &&
        absl::SimpleAtod(line.substr(line.rfind(' ') + 1), &bytes)) {
      return static_cast<int64_t>(bytes / 1024);
    }
  }
  ADD_FAILURE() << "no shoal_heap_bytes at port " << port;
  return 0;
}

int64_t HeapKib(const Watched& process) {
  return process.pid == getpid() ? static_cast<int64_t>(HeapBytes() / 1024)
                                 : ScrapedHeapKib(process.metrics_port);
}

// Without the heap: asking for it opens a connection, which is not to be counted.
Figures KernelFigures(const Watched& process) {
  const std::string folder = absl::StrCat("/proc/", process.pid);
  Figures figures;
  std::ifstream status(folder + "/status");
  std::string line;
  while (std::getline(status, line)) {
    const std::vector<std::string> words = absl::StrSplit(line, absl::ByAnyChar(": \t"), absl::SkipEmpty());
    if (words.size() < 2) continue;
    if (words[0] == "RssAnon") {
      EXPECT_TRUE(absl::SimpleAtoi(words[1], &figures.anonymous_kib)) << line;
    }
  }
  figures.descriptors = CountEntries(folder + "/fd");
  std::error_code error;
  for (fs::directory_iterator task(folder + "/task", error), end; !error && task != end;
       task.increment(error)) {
    ++(OfAPool(task->path()) ? figures.pool_threads : figures.threads);
  }
  EXPECT_GT(figures.anonymous_kib, 0) << "there is no process " << process.pid;
  return figures;
}

}  // namespace

Watched ThisProcess() { return {getpid(), 0}; }

std::map<std::string, int> ServeMetrics(const std::vector<std::string>& names,
                                        ProgramSet::Options& options) {
  setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", /*overwrite=*/1);
  std::map<std::string, int> ports;
  int port = FreePorts(static_cast<int>(names.size()));
  for (const std::string& name : names) {
    options.more[name].push_back(absl::StrCat("--metrics_port=", port));
    ports[name] = port++;
  }
  return ports;
}

std::string Figures::ToString() const {
  return absl::StrCat(heap_kib, " KiB in use, ", anonymous_kib, " KiB, ", descriptors, " descriptors, ", threads, "+",
                      pool_threads, " threads");
}

Figures ReadFigures(const Watched& process) {
  Figures figures = KernelFigures(process);
  figures.heap_kib = HeapKib(process);
  return figures;
}

Figures FiguresAtRest(const Watched& process, absl::Duration still) {
  const absl::Time deadline = absl::Now() + kPatience;
  Figures last = KernelFigures(process);
  absl::Time since = absl::Now();
  while (absl::Now() - since < still) {
    absl::SleepFor(kPause);
    const Figures now = KernelFigures(process);
    if (now.descriptors != last.descriptors || now.threads != last.threads) since = absl::Now();
    last = now;
    if (absl::Now() > deadline) {
      ADD_FAILURE() << "process " << process.pid << " does not come to rest: " << now.ToString();
      break;
    }
  }
  last.heap_kib = HeapKib(process);
  return last;
}

Figures AwaitFiguresDownTo(const Figures& level, const Watched& process) {
  const absl::Time deadline = absl::Now() + kPatience;
  Figures now = KernelFigures(process);
  while ((now.descriptors > level.descriptors || now.threads > level.threads) &&
         absl::Now() < deadline) {
    absl::SleepFor(kPause);
    now = KernelFigures(process);
  }
  now.heap_kib = HeapKib(process);
  return now;
}

int SoakCycles(int otherwise) {
  const char* given = getenv("SHOAL_SOAK_CYCLES");
  if (given == nullptr) return otherwise;
  int cycles = 0;
  EXPECT_TRUE(absl::SimpleAtoi(given, &cycles) && cycles > 0)
      << "SHOAL_SOAK_CYCLES is \"" << given << "\", must be a number above 0";
  return cycles > 0 ? cycles : otherwise;
}

bool MemoryCanBeJudged() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return false;
#else
  return true;
#endif
}

void SoakLine::Sample(int cycles_done, const Watched& process) {
  if (10 * cycles_done / cycles > 10 * (cycles_done - 1) / cycles) {
    samples.push_back(ReadFigures(process).heap_kib);
  }
}

void PrintTable(const std::vector<SoakLine>& lines) {
  std::printf("%-24s %7s %17s %17s %13s %15s %15s %12s\n", "process", "cycles", "heap in use, KiB",
              "anonymous, KiB", "descriptors", "threads", "gRPC's pools", "KiB a cycle");
  for (const SoakLine& line : lines) {
    const Figures &warm = line.warm, &end = line.end;
    std::printf("%-24s %7d %7d -> %6d %7d -> %6d %5d -> %4d %6d -> %5d %6d -> %5d %12.2f\n",
                line.name.c_str(), line.cycles, static_cast<int>(warm.heap_kib),
                static_cast<int>(end.heap_kib), static_cast<int>(warm.anonymous_kib),
                static_cast<int>(end.anonymous_kib), warm.descriptors, end.descriptors, warm.threads,
                end.threads, warm.pool_threads, end.pool_threads, line.kib_per_cycle());
    std::printf("  in use on the way: %s\n", absl::StrJoin(line.samples, " ").c_str());
  }
  std::fflush(stdout);
}

void ExpectFlat(const SoakLine& line, double kib_per_cycle, int64_t explained_kib) {
  EXPECT_LE(line.end.descriptors, line.warm.descriptors) << line.name;
  EXPECT_LE(line.end.threads, line.warm.threads) << line.name;
  EXPECT_LE(line.end.pool_threads, line.warm.pool_threads + PoolLimit()) << line.name;
  if (!MemoryCanBeJudged()) return;
  const double allowed =
      static_cast<double>(kHeapSettlesKib + explained_kib) + kib_per_cycle * line.cycles;
  EXPECT_LT(line.end.heap_kib - line.warm.heap_kib, allowed)
      << line.name << ": KiB in use, in " << line.cycles << " cycles, of which " << explained_kib
      << " are explained";
  EXPECT_LT(line.end.anonymous_kib - line.warm.anonymous_kib, allowed + kReserveKib)
      << line.name << ": resident KiB, in " << line.cycles << " cycles";
}

}  // namespace shoal
