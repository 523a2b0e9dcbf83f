// The programs of a run on this machine: coordinator, learner and actors, started, watched and
// restarted.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/subprocess.h"

namespace shoal {

struct LocalClusterOptions {
  std::string run_dir;
  int actors = 1;
  int learner_threads = 1;
  // Where the coordinator listens; "": a Unix socket of the cluster's own.
  std::string listen;
  // Inference of the actors: fused or torch.
  std::string backend = "fused";
  // Of the programs' logs: text or json.
  std::string log_format = "text";
  // Where the coordinator serves its metrics; the learner takes the next port, then the actors. 0: none
  // serves any.
  int metrics_port = 0;
  // Options of all programs: how they protect their connections (SecurityArguments).
  std::vector<std::string> security = {};
};

// Start and Poll must be called from one thread that lives as long as the cluster: the programs end
// with it.
class LocalCluster {
 public:
  // Starts all programs. Errors say which could not be started.
  static absl::StatusOr<std::unique_ptr<LocalCluster>> Start(const LocalClusterOptions& options);
  // Ends what still runs, with bounded waits, and removes the sockets.
  ~LocalCluster();

  const std::string& coordinator_address() const { return coordinator_address_; }

  // Restarts what has ended, with a growing pause; news get a line for each event. FailedPrecondition:
  // a program ends again and again, or the coordinator says that it cannot go on (with its words).
  absl::Status Poll(absl::Time now, std::vector<std::string>& news);

  // The run is over: programs end by themselves; waits for them until the deadline.
  void WaitForEnd(absl::Time deadline);
  // Ends everything at once.
  void Kill();

 private:
  struct Program {
    std::string name;
    SubprocessOptions options;
    std::unique_ptr<Subprocess> process;
    absl::Time started_at;
    absl::Time restart_at = absl::InfiniteFuture();
    // Ends that came soon after a start, running.
    int quick_ends = 0;
    int restarts = 0;
  };
  LocalCluster() = default;
  absl::Status Add(const std::string& name, std::vector<std::string> argv);
  absl::Status Launch(Program& program, absl::Time now);
  absl::Status OnEnd(Program& program, const ExitStatus& status, absl::Time now,
                     std::vector<std::string>& news);
  std::string LastWords(const Program& program) const;

  std::string run_dir_;
  std::vector<std::string> common_;  // arguments of all programs
  std::string socket_dir_;
  std::string coordinator_address_;
  std::vector<Program> programs_;
};

}  // namespace shoal
