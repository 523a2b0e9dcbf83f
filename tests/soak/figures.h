// What a process holds: memory, descriptors and threads, as the kernel and the process itself say; and
// the verdict over many cycles.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/processes/program_set.h"

namespace shoal {

// A process of ours that runs: this one, or one that serves metrics.
struct Watched {
  pid_t pid = 0;
  int metrics_port = 0;  // Not used for this process.
};
Watched ThisProcess();

// Has these programs serve metrics; returns the ports, by name. They, and programs started later, keep
// no caches of freed memory for each thread, which malloc would count as given out.
std::map<std::string, int> ServeMetrics(const std::vector<std::string>& names,
                                        ProgramSet::Options& options);

struct Figures {
  int64_t heap_kib = 0;       // In use, as malloc counts it: shoal_heap_bytes.
  int64_t anonymous_kib = 0;  // RssAnon: stacks, and heaps with malloc's reserve.
  int descriptors = 0;
  int threads = 0;       // Without the next.
  int pool_threads = 0;  // Of gRPC's pools, which grow and shrink as they like, to a limit.

  std::string ToString() const;
};

// A test failure and zeros where there is no such process.
Figures ReadFigures(const Watched& process);

// Waits until descriptors and threads have not changed for `still`, and returns the figures then; a
// test failure where they do not come to rest within a minute.
Figures FiguresAtRest(const Watched& process, absl::Duration still = absl::Seconds(1));

// Waits until descriptors and threads are no more than at `level`, for a minute at most; the caller
// judges. Threads that are only kept for a while by their pools go within that time.
Figures AwaitFiguresDownTo(const Figures& level, const Watched& process);

// How many cycles: SHOAL_SOAK_CYCLES if it is in the environment, else `otherwise`.
int SoakCycles(int otherwise);

// Sanitizers keep freed memory back, so figures of memory say nothing under them.
bool MemoryCanBeJudged();

// One line a process: what it held when it was warm and at the end, and growth per cycle.
struct SoakLine {
  std::string name;
  int cycles = 0;
  Figures warm;
  Figures end;
  // Of the heap in use, KiB, as the cycles went on.
  std::vector<int64_t> samples;

  // After each cycle: takes a sample at each tenth of all.
  void Sample(int cycles_done, const Watched& process);
  double kib_per_cycle() const {
    return static_cast<double>(end.heap_kib - warm.heap_kib) / cycles;
  }
};
void PrintTable(const std::vector<SoakLine>& lines);

// What the heap in use may differ by without a leak: what happens to be on its way, and, in this
// process, each thread's cache of freed memory.
inline constexpr int64_t kHeapSettlesKib = 128;
// How much more malloc keeps for later: gRPC's threads have an arena each, which grows to the most
// that the thread ever needed at a time and has gaps, and work wanders from thread to thread.
inline constexpr int64_t kReserveKib = 2048;

// Descriptors and threads are exactly what they were, or fewer; gRPC's pools grew to no more than
// their limits allow, however many cycles there were. The heap in use grew by less than
// kHeapSettlesKib, what is `explained` and so much for each cycle, resident memory by no more than
// kReserveKib beyond that. So few cycles find coarse leaks, and many find fine ones.
void ExpectFlat(const SoakLine& line, double kib_per_cycle, int64_t explained_kib = 0);

}  // namespace shoal
