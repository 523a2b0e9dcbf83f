// The real coordinator and actors, with the fake learner (tests/fake_learner) or many of them, on one
// run's folder: started, watched and disturbed by a test, which says which of them are to be kept
// running. (`shoal train` does the like for people; here every unexpected end is an error.)
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/rpc.h"
#include "common/subprocess.h"
#include "shoal/v1/config.pb.h"
#include "shoal/v1/run.grpc.pb.h"

namespace shoal {

// A small run with everything in it: two phases, evaluations that the gate waits for, a tail queue
// with forced resets. It takes `iterations` iterations; `folder` gets tail.json.
v1::RunOptions SmallRun(const std::string& folder, int iterations);

// Makes FOLDER/runs/NAME and returns it; a test failure where that cannot be.
std::string MakeRun(const std::string& folder, const std::string& name, v1::RunOptions options);

// What a finished run says of itself: its table of evaluations and the policy_sha256, with what the
// gate did in each iteration; nothing in it depends on time or place.
absl::StatusOr<std::string> Outcome(const std::string& run_dir);

// Programs are named "coordinator", "learner..." and "actor...". One thread.
class ProgramSet {
 public:
  struct Options {
    // The one run's folder; in it, logs are kept.
    std::string run_dir;
    // Not empty: folder of all runs of a standing coordinator. run_dir is then only for logs.
    std::string runs;
    // Another file than build/bin/shoal-coordinator.
    std::string coordinator_program;
    double lease_seconds = 10;
    // Options beyond those of the set's own, by program name.
    std::map<std::string, std::vector<std::string>> more;
    // Of the set's own channel to the coordinator.
    ChannelOptions channel = {};
  };
  explicit ProgramSet(const Options& options);
  // Kills what still runs.
  ~ProgramSet();

  const std::string& coordinator_address() const { return address_; }

  // Starts it; it must not run. A coordinator listens when this returns.
  void Start(const std::string& name);
  // Of its process; it must have been started. kill -9 also of stopped ones.
  void Signal(const std::string& name, int signal);
  // kill -9, waits for the end, and forgets it: Start makes another.
  void Kill(const std::string& name);
  // SIGTERM, waits for an end with exit code 0, and forgets it.
  void End(const std::string& name);
  bool Runs(const std::string& name);
  pid_t Pid(const std::string& name) const { return programs_.at(name)->pid(); }

  // Notes what has ended: exit code 0 is well, anything else a test failure with the end of its log.
  // False: after a failure.
  bool Check();

  // What the coordinator says, or nothing if it says nothing within a second.
  std::optional<v1::RunStatus> Status();
  // Until the coordinator says what is waited for, with Check between. False, and a test failure: at
  // the deadline, or the coordinator has ended.
  bool Await(const std::string& what, const std::function<bool(const v1::RunStatus&)>& condition);
  bool AwaitCommitted(int64_t iteration);
  // Until all programs have ended by themselves.
  bool AwaitEnd();

 private:
  void AwaitListening();
  std::vector<std::string> CommandLine(const std::string& name) const;
  std::string Log(const std::string& name) const;

  const Options options_;
  std::string sockets_;
  std::string address_;
  std::map<std::string, std::unique_ptr<Subprocess>> programs_;
  std::unique_ptr<v1::RunService::Stub> stub_;
  bool failed_ = false;
};

}  // namespace shoal
