// The programs of a run, for benchmarks: a run's folder, a program on a processor of its own, and what
// it costs. Functions are thread safe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/subprocess.h"
#include "shoal/v1/config.pb.h"

namespace shoal {

// An empty folder under /tmp with a short name, since Unix sockets are put there; removed at the end.
class BenchFolder {
 public:
  BenchFolder();
  ~BenchFolder();
  BenchFolder(const BenchFolder&) = delete;
  BenchFolder& operator=(const BenchFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Where this build's programs are: bin/shoal-actor, tests/shoal-fake-learner.
std::string BuildFolder();

// Starts a program of the build with its output in FOLDER/NAME.out, where a processor is given on that
// one only. Where `until` is not empty it is waited for in the output: Unavailable with the output's
// end where it does not come within ten seconds.
absl::StatusOr<std::unique_ptr<Subprocess>> StartProgram(const std::string& folder,
                                                         const std::string& name,
                                                         std::vector<std::string> argv,
                                                         const std::string& until = "",
                                                         int processor = -1);

// shoal-coordinator on a run's folder, listening on `listen`. Its address is in *address.
absl::StatusOr<std::unique_ptr<Subprocess>> StartCoordinator(const std::string& folder,
                                                             const std::string& run_dir,
                                                             const std::string& listen,
                                                             int processor, std::string* address);

// This thread, and those it starts from now on, on all processors but this one, if there are others.
void KeepOff(int processor);

// CPU time that a process has used, in seconds, and memory that it holds, in MiB; 0 once it has ended.
double CpuSeconds(pid_t pid);
double ResidentMib(pid_t pid);
// Of this process, with all of its threads.
double OwnCpuSeconds();

}  // namespace shoal
