// What a process holds: memory, descriptors and threads, as the kernel says; and the verdict over
// many cycles.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace shoal {

struct Figures {
  int64_t anonymous_kib = 0;  // RssAnon: heaps and stacks that are in memory.
  int descriptors = 0;
  int threads = 0;       // Without the next.
  int pool_threads = 0;  // Of gRPC's pools, which grow and shrink as they like, to a limit.

  std::string ToString() const;
};

// Of a process of ours that runs; a test failure and zeros otherwise.
Figures ReadFigures(pid_t pid);

// Waits until descriptors and threads have not changed for `still`, and returns the figures then; a
// test failure where they do not come to rest within a minute.
Figures FiguresAtRest(pid_t pid, absl::Duration still = absl::Seconds(1));

// Waits until descriptors and threads are no more than at `level`, for a minute at most; the caller
// judges. Threads that are only kept for a while by their pools go within that time.
Figures AwaitFiguresDownTo(const Figures& level, pid_t pid);

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
  // Of memory, as the cycles went on.
  std::vector<int64_t> samples;

  // After each cycle: takes a sample at each tenth of all.
  void Sample(int cycles_done, pid_t pid);
  double kib_per_cycle() const {
    return static_cast<double>(end.anonymous_kib - warm.anonymous_kib) / cycles;
  }
};
void PrintTable(const std::vector<SoakLine>& lines);

// Where memory comes to rest some time after the warm-up: each thread's heap grows to the most that
// it ever needed at a time.
inline constexpr int64_t kSettleKib = 512;

// Descriptors and threads are exactly what they were, or fewer; gRPC's pools grew to no more than
// their limits allow, however many cycles there were; memory grew by less than kSettleKib, what is
// `explained` and so much for each cycle. So few cycles find coarse leaks, and many find fine ones.
void ExpectFlat(const SoakLine& line, double kib_per_cycle, int64_t explained_kib = 0);

}  // namespace shoal
