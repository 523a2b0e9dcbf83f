#include "coordinator/service/run_line.h"

#include <malloc.h>
#include <signal.h>

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/logging.h"
#include "coordinator/store/run_store.h"

namespace shoal {
namespace {

// Dismissed peers leave by themselves; those that do not are cut off within 5 s.
constexpr absl::Duration kClearLimit = absl::Seconds(15);

bool Over(v1::RunStatus::State state) {
  return state == v1::RunStatus::STATE_DONE || state == v1::RunStatus::STATE_STOPPED ||
         state == v1::RunStatus::STATE_FAILED;
}

RunEnd EndOf(const v1::RunStatus& status) {
  RunEnd end;
  end.state = status.state() == v1::RunStatus::STATE_DONE      ? QueueState::kFinished
              : status.state() == v1::RunStatus::STATE_STOPPED ? QueueState::kStopped
                                                               : QueueState::kFailed;
  end.message = status.message();
  end.iteration = status.committed_iteration();
  end.policy_sha256 = status.policy_sha256();
  return end;
}

// What run.db says of a run that should go on: it may be over, where the coordinator died between
// the two files. Nothing: it is not, or run.db is not there or says nothing.
std::optional<RunEnd> RecordedEnd(const std::string& run_dir, bool stop_ordered) {
  auto store = RunStore::OpenReadOnly(absl::StrCat(run_dir, "/run.db"));
  if (!store.ok()) return std::nullopt;
  auto info = store->Info();
  auto last = store->LastCommitted();
  if (!info.ok() || !last.ok()) return std::nullopt;
  RunEnd end;
  end.message = info->message;
  end.iteration = last->iteration;
  end.policy_sha256 = last->policy_sha256;
  switch (info->status) {
    case RunState::kDone:
      end.state = QueueState::kFinished;
      return end;
    case RunState::kFailed:
      end.state = QueueState::kFailed;
      return end;
    case RunState::kStopped:
      end.state = QueueState::kStopped;
      // Otherwise it was the coordinator that was to end.
      return stop_ordered ? std::optional(end) : std::nullopt;
    case RunState::kRunning:
      break;
  }
  return std::nullopt;
}

}  // namespace

RunLine::RunLine(const RunLineOptions& options, QueueKeeper* keeper, RunSeat* seat)
    : options_(options), keeper_(keeper), seat_(seat) {}

absl::Status RunLine::Step(absl::Time deadline) {
  if (on_.empty() && !leaving_) {
    if (absl::Status status = OpenNext(); !status.ok()) return status;
  }
  if (absl::Status status = Finishers(); !status.ok()) return status;
  return Watch(deadline);
}

absl::Status RunLine::OpenNext() {
  auto next = keeper_->TakeNext(absl::Now());
  if (!next.ok()) return next.status();
  if (!next->has_value()) return absl::OkStatus();
  const QueueEntry& entry = (*next)->entry;
  RunLoopOptions options = options_.run;
  options.run_dir = absl::StrCat(keeper_->runs(), "/", entry.name);
  // One that has its turn again, by order, is over in run.db, too, and goes on.
  if ((*next)->was_on) {
    if (const auto end = RecordedEnd(options.run_dir, entry.stop_ordered)) {
      return keeper_->End(entry.name, *end, absl::Now());
    }
  }
  auto loop = RunLoop::Open(options, absl::Now());
  if (!loop.ok()) {
    LogError("a run cannot be opened", {{"run", entry.name}, {"error", loop.status()}});
    RunEnd end;
    end.state = QueueState::kFailed;
    end.message = std::string(loop.status().message());
    return keeper_->End(entry.name, end, absl::Now());
  }
  LogInfo("run on", {{"run", entry.name}});
  on_ = entry.name;
  if (auto file = AddressFile::Write(options.run_dir, options_.address); file.ok()) {
    address_file_.emplace(*std::move(file));
  } else {
    LogWarning("`shoal status` will not find the run by its name", {{"error", file.status()}});
  }
  stop_sent_ = false;
  seat_->Take(std::make_unique<RunSession>(*std::move(loop)));
  return absl::OkStatus();
}

absl::Status RunLine::Watch(absl::Time deadline) {
  if (on_.empty()) {
    if (!leaving_) keeper_->AwaitTurn(deadline);
    return absl::OkStatus();
  }
  {
    const RunSeat::Guest run(seat_);
    if (run.get() == nullptr) return Settle();
    if (!stop_sent_ && (leaving_ || keeper_->stop_ordered())) {
      stop_sent_ = true;
      run->host.With([](RunLoop& loop, absl::Time now) { loop.Stop(now); });
    }
    if (!run->host.WaitUntilOver(deadline)) return absl::OkStatus();
    const v1::RunStatus status = run->host.Status();
    if (!Over(status.state())) return absl::OkStatus();
    const bool only_leaving = leaving_ && status.state() == v1::RunStatus::STATE_STOPPED &&
                              !keeper_->stop_ordered();
    if (!only_leaving) end_ = EndOf(status);
  }
  return Settle();
}

absl::Status RunLine::Settle() {
  address_file_.reset();
  if (!seat_->Clear(absl::Now() + kClearLimit)) {
    LogWarning("peers of a run that is over are still there", {{"run", on_}});
    return absl::OkStatus();
  }
  // What the run needed goes back to the system, and not only to malloc.
  malloc_trim(0);
  // run.db is closed, and whoever hears of the end may read it.
  const std::string name = std::exchange(on_, "");
  const std::optional<RunEnd> end = std::exchange(end_, std::nullopt);
  return end ? keeper_->End(name, *end, absl::Now()) : absl::OkStatus();
}

void RunLine::Leave() { leaving_ = true; }

absl::Status RunLine::Finishers() {
  if (finisher_ == nullptr) {
    finishing_ = leaving_ ? "" : keeper_->PendingArtifacts();
    if (finishing_.empty()) return absl::OkStatus();
    if (options_.finisher.empty()) return keeper_->ArtifactsDone(finishing_, absl::OkStatus());
    SubprocessOptions options;
    options.argv = options_.finisher;
    const std::string run_dir = absl::StrCat(keeper_->runs(), "/", finishing_);
    options.argv.push_back(run_dir);
    options.stdout_path = options.stderr_path = absl::StrCat(run_dir, "/logs/finish.out");
    auto process = Subprocess::Start(options);
    if (!process.ok()) {
      LogWarning("no report, plots and videos", {{"run", finishing_}, {"error", process.status()}});
      return keeper_->ArtifactsDone(finishing_, process.status());
    }
    finisher_ = *std::move(process);
    finisher_deadline_ = absl::Now() + options_.finisher_limit;
    return absl::OkStatus();
  }
  const auto ended = finisher_->Poll();
  const bool late = absl::Now() >= finisher_deadline_;
  if (!ended && !late) return absl::OkStatus();
  absl::Status outcome;
  if (!ended) {
    (void)finisher_->Signal(SIGKILL);
    outcome = absl::DeadlineExceededError(absl::StrCat(
        "report, plots and videos were not done within ", absl::FormatDuration(options_.finisher_limit)));
  } else if (!ended->success()) {
    outcome = absl::InternalError(absl::StrCat("making report, plots and videos ended with ",
                                               ended->ToString(), " (logs/finish.out)"));
  }
  finisher_.reset();
  if (!outcome.ok()) LogWarning("a run is not finished up", {{"run", finishing_}, {"error", outcome}});
  return keeper_->ArtifactsDone(finishing_, outcome);
}

}  // namespace shoal
