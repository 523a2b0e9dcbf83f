// A run whose programs a test starts one by one, each on a machine of its choice, and what became of
// it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/subprocess.h"
#include "coordinator/verify/run_record.h"
#include "shoal/v1/run.pb.h"

namespace shoal {

// The record of a run that is done. FailedPrecondition: it is not. Others are ReadRunRecord's.
absl::StatusOr<RunRecord> RecordOf(const std::string& run_dir);

// Where a program runs: how a command is made to run there (with RunTool or Subprocess).
using On = std::function<std::vector<std::string>(std::vector<std::string> command)>;

// The folder of build/bin's programs.
std::string ProgramFolder();

// Owns the programs of one run. Nothing is started again: that a fault of the network ends no program
// is part of what is tested. Not thread safe.
class LabRun {
 public:
  explicit LabRun(std::string run_dir) : run_dir_(std::move(run_dir)) {}
  // Kills what still runs.
  ~LabRun();

  // Starts a program of build/bin under a name for people, and for Kill. Its log goes to the run's
  // logs/NAME.out.
  absl::Status Start(const std::string& name, const On& on, const std::string& program,
                     std::vector<std::string> arguments);
  // SIGKILL, and waits for its end. FailedPrecondition: it has ended already.
  absl::Status Kill(const std::string& name);

  // What `shoal status RUN` on that machine says; nothing if it says nothing (yet).
  std::optional<v1::RunStatus> Status(const On& on) const;

  // Asks for the status until the condition holds. An error: the run ended, a program ended by
  // itself, or a minute passed; it has the last status.
  absl::StatusOr<v1::RunStatus> WaitFor(
      const std::string& what, const On& on,
      const std::function<bool(const v1::RunStatus&)>& condition);

  // Waits until this program has ended, as a coordinator does when its run is done. An error: it did
  // not, or not well, or another one has failed, with its last words. Others need not have ended: a
  // dismissal may get lost with a connection.
  absl::Status WaitForEnd(const std::string& name);

 private:
  // A program that has ended though nobody killed it.
  absl::Status CheckPrograms();
  std::string LastWords(const std::string& name) const;

  const std::string run_dir_;
  std::map<std::string, std::unique_ptr<Subprocess>> programs_;
};

}  // namespace shoal
