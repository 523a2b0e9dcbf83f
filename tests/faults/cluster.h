// The programs of a run under a test's own hand: started one by one, killed, stopped, given an
// environment, and started again when they end. `shoal train` is not in it: its launcher would do the
// same out of the test's sight.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/subprocess.h"
#include "shoal/v1/run.grpc.pb.h"

namespace shoal {

using Environment = std::vector<std::pair<std::string, std::string>>;

struct ClusterOptions {
  std::string run_dir;
  // Folder of shoal-coordinator, shoal-learner and shoal-actor.
  std::string programs;
  int actors = 2;
  int learner_threads = 2;
  double lease_seconds = 1;
};

// One thread, which must live as long as the cluster.
class Cluster {
 public:
  // Starts everything.
  static absl::StatusOr<std::unique_ptr<Cluster>> Start(const ClusterOptions& options);
  // Kills what still runs.
  ~Cluster();

  // A member is "coordinator", "learner" or "actor-N".
  std::vector<std::string> actors() const;

  // Starts what has ended, without the environment it had. FailedPrecondition: a program has ended
  // by itself with an error, or far too often; with its last words.
  absl::Status Poll();

  // SIGKILL, and a start at once, with this environment.
  absl::Status Restart(const std::string& member, const Environment& environment = {});
  absl::Status Kill(const std::string& member);
  // SIGSTOP and SIGCONT.
  absl::Status Freeze(const std::string& member);
  absl::Status Thaw(const std::string& member);
  absl::Status AddActor();
  // SIGTERM; it is not started again.
  absl::Status RemoveActor(const std::string& member);

  // Waits for the coordinator's end, at most for so long.
  void AwaitEnd(absl::Duration limit);
  // The coordinator has ended and said that the run is done.
  bool done() const { return done_; }
  // Starts of programs after the first.
  int restarts() const { return restarts_; }

  // What the coordinator says, asked with a short deadline.
  absl::StatusOr<v1::RunStatus> Status() const;

  // Ends with a done run: waits for the other programs to leave by themselves.
  absl::Status WaitForOthers(absl::Duration limit);

 private:
  struct Member {
    std::string name;
    SubprocessOptions options;
    std::unique_ptr<Subprocess> process;
    bool frozen = false;
    bool leaving = false;
  };

  explicit Cluster(const ClusterOptions& options) : options_(options) {}
  Member* Find(const std::string& name);
  absl::Status Launch(Member& member, const Environment& environment);
  absl::Status Add(const std::string& name, std::vector<std::string> argv);
  std::string LastWords(const Member& member) const;

  const ClusterOptions options_;
  std::string socket_dir_;
  std::vector<Member> members_;
  int next_actor_ = 0;
  int restarts_ = 0;
  bool done_ = false;
  std::unique_ptr<v1::RunService::Stub> stub_;
};

}  // namespace shoal
