// Runs of the line one after another, in the seat: opens what is next, ends what is over, has the
// report, plots and videos made. One thread, by steps; no step waits for long but that which ends a
// run's streams.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/subprocess.h"
#include "coordinator/queue/queue_keeper.h"
#include "coordinator/run/address_file.h"
#include "coordinator/run/run_loop.h"
#include "coordinator/service/run_seat.h"

namespace shoal {

struct RunLineOptions {
  // Of every run; run_dir is set for each.
  RunLoopOptions run;
  // Where the coordinator listens.
  std::string address;
  // What makes a run's report, plots and videos: the run's folder is added. Empty: nothing does.
  std::vector<std::string> finisher;
  absl::Duration finisher_limit = absl::Minutes(15);
};

// The destructor ends a finisher that runs; its run gets another at the next start.
class RunLine {
 public:
  RunLine(const RunLineOptions& options, QueueKeeper* keeper, RunSeat* seat);

  // Does what is to be done, waiting at most until `deadline` for something to do. An error is of
  // queue.db, and nothing can go on.
  absl::Status Step(absl::Time deadline);

  // Orders the run that is on to stop after its next commit; it stays the one that is on, for the next
  // start.
  void Leave();
  // Whether Leave was called and no run is on here any more.
  bool left() const { return leaving_ && on_.empty(); }

 private:
  absl::Status OpenNext();
  absl::Status Watch(absl::Time deadline);
  absl::Status Settle();
  absl::Status Finishers();

  const RunLineOptions options_;
  QueueKeeper* const keeper_;
  RunSeat* const seat_;
  // The run in the seat; "": none.
  std::string on_;
  std::optional<AddressFile> address_file_;
  // How it ended, until the seat is free.
  std::optional<RunEnd> end_;
  bool stop_sent_ = false;
  bool leaving_ = false;
  std::string finishing_;
  absl::Time finisher_deadline_;
  std::unique_ptr<Subprocess> finisher_;
};

}  // namespace shoal
