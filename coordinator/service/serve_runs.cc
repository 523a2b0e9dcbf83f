#include "coordinator/service/serve_runs.h"

#include <cstdio>
#include <filesystem>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/logging.h"
#include "coordinator/queue/queue_keeper.h"
#include "coordinator/run/address_file.h"
#include "coordinator/service/queue_service.h"
#include "coordinator/service/run_line.h"
#include "coordinator/service/run_metrics.h"
#include "coordinator/service/run_seat.h"

namespace shoal {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kStep = absl::Milliseconds(100);

// `shoal finish`, where the program is beside this one; else nothing.
std::vector<std::string> Finisher() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  const fs::path shoal = self.parent_path() / "shoal";
  if (error || !fs::exists(shoal, error)) {
    LogWarning("there is no `shoal` beside this program: runs end without report, plots and videos");
    return {};
  }
  return {shoal.string(), "finish"};
}

// Puts the first run in line, or says what has become of it.
absl::Status Begin(QueueKeeper& keeper, const std::string& name) {
  if (name.empty()) return absl::OkStatus();
  auto run = keeper.Adopt(name, absl::Now());
  if (!run.ok()) return run.status();
  switch (run->state()) {
    case v1::QueuedRun::STATE_FINISHED:
      LogInfo("the run to begin with is finished", {{"run", name}});
      break;
    case v1::QueuedRun::STATE_STOPPED:
    case v1::QueuedRun::STATE_FAILED:
      // Not again by itself: somebody has stopped it, or it would fail again.
      LogWarning("the run to begin with has ended; `shoal train --resume RUN --coordinator ADDRESS` "
                 "goes on with it",
                 {{"run", name}, {"message", run->message()}});
      break;
    default:
      break;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ServeRuns(const ServeRunsOptions& options, const ShutdownSignal& signal) {
  auto keeper = QueueKeeper::Open(options.runs);
  if (!keeper.ok()) return keeper.status();
  if (absl::Status status = Begin(**keeper, options.begin_with); !status.ok()) return status;
  RunSeat seat;
  auto metrics = MetricsServer::Start(
      options.metrics, "coordinator", RunMetrics(), [&seat](MetricValues& values) {
        const RunSeat::Guest run(&seat);
        if (run.get() == nullptr) return;
        const RunNumbers numbers =
            run->host.With([](RunLoop& loop, absl::Time now) { return loop.Numbers(now); });
        FillRunMetrics(numbers, values);
      });
  if (!metrics.ok()) return metrics.status();
  SeatWorkerService workers(&seat, options.come_again);
  SeatLearnerService learners(&seat, options.come_again);
  SeatRunService runs(&seat);
  QueueServiceImpl queue(keeper->get());
  auto server = StartServer(options.server, {&workers, &learners, &runs, &queue});
  if (!server.ok()) return server.status();
  auto address_file = AddressFile::Write(options.runs, (*server)->address());
  if (!address_file.ok()) return address_file.status();
  LogInfo("listening", {{"address", (*server)->address()}, {"runs", options.runs}});
  std::printf("listening on %s\n", (*server)->address().c_str());
  std::fflush(stdout);

  RunLineOptions line_options;
  line_options.run = options.run;
  line_options.run.come_again = options.come_again;
  line_options.address = (*server)->address();
  line_options.finisher = Finisher();
  RunLine line(line_options, keeper->get(), &seat);
  absl::Status status;
  while (status.ok() && !line.left()) {
    if (signal.count() > 0) line.Leave();
    status = line.Step(absl::Now() + kStep);
  }
  (*server)->Drain(absl::Now() + absl::Seconds(2));
  return status;
}

}  // namespace shoal
