#include "coordinator/cli/status_text.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/options.h"
#include "coordinator/cli/progress.h"
#include "coordinator/store/run_store.h"

namespace shoal {
namespace {

void AddLine(const char* label, const std::string& text, std::string& table) {
  absl::StrAppendFormat(&table, "%-11s %s\n", label, text);
}

std::string LearnerText(const v1::RunStatus& status) {
  if (status.learner_connected()) {
    return absl::StrFormat("%s, heard %.1f s ago", status.learner_device(),
                           std::max(0.0, status.learner_silent_seconds()));
  }
  if (status.learner_silent_seconds() < 0) return "none so far";
  return absl::StrFormat("gone, heard %.0f s ago", status.learner_silent_seconds());
}

void AddActors(const v1::RunStatus& status, std::string& table) {
  size_t width = 5;
  for (const v1::WorkerStatus& worker : status.workers()) {
    width = std::max(width, worker.name().size());
  }
  if (status.workers_size() == 0) AddLine("actors", "none", table);
  for (const v1::WorkerStatus& worker : status.workers()) {
    AddLine("actor",
            absl::StrFormat("%-*s %6d items  %s, heard %.1f s ago", width, worker.name(),
                            worker.items_done(), worker.connected() ? "connected" : "gone",
                            worker.silent_seconds()),
            table);
  }
}

std::string EvaluationText(const v1::RunStatus& status) {
  return absl::StrFormat("%.4f at iteration %d (%d done)%s", status.evaluation_survival(),
                         status.evaluation_iteration(), status.evaluations_done(),
                         status.best_iteration() > 0
                             ? absl::StrCat(", best checkpoint: iteration ", status.best_iteration())
                             : "");
}

v1::RunStatus::State StateOf(RunState state) {
  switch (state) {
    case RunState::kDone:
      return v1::RunStatus::STATE_DONE;
    case RunState::kStopped:
      return v1::RunStatus::STATE_STOPPED;
    case RunState::kFailed:
      return v1::RunStatus::STATE_FAILED;
    case RunState::kRunning:
      break;
  }
  return v1::RunStatus::STATE_UNSPECIFIED;
}

}  // namespace

std::string StatusTable(const v1::RunStatus& status, bool now_known) {
  std::string table;
  AddLine("run", absl::StrCat(status.run_name(), " (", status.run_id(), ")"), table);
  const std::string phase = now_known || status.state() != v1::RunStatus::STATE_UNSPECIFIED
                                ? PhaseText(status)
                                : "interrupted";
  AddLine("state", phase, table);
  // What is waited for is part of the phase.
  const bool waiting = status.state() == v1::RunStatus::STATE_WAITING_FOR_LEARNER ||
                       status.state() == v1::RunStatus::STATE_WAITING_FOR_ACTORS;
  if (!status.message().empty() && !waiting) AddLine("message", status.message(), table);
  AddLine("iterations", absl::StrCat(status.committed_iteration(), " of ",
                                     status.total_iterations(), " committed"),
          table);
  if (now_known) {
    AddLine("missing", status.missing_size() > 0 ? MissingText(status) : "nobody", table);
    AddLine("learner", LearnerText(status), table);
    AddActors(status, table);
    if (status.evaluations_done() > 0) AddLine("evaluation", EvaluationText(status), table);
    AddLine("gate", absl::StrCat("stage ", status.gate_stage(),
                                 status.gate_event().empty() ? "" : ", ", status.gate_event()),
            table);
    if (status.tail_slots() > 0) {
      AddLine("tail", absl::StrCat(status.tail_slots_left(), " of ", status.tail_slots(),
                                   " slots left"),
              table);
    }
    if (status.rows_per_second() > 0) {
      AddLine("speed", absl::StrFormat("%.0f rows/s, %s left", status.rows_per_second(),
                                       DurationText(status.seconds_left())),
              table);
    }
  }
  if (!status.policy_sha256().empty()) AddLine("policy", status.policy_sha256(), table);
  return table;
}

absl::StatusOr<std::string> StatusJson(const v1::RunStatus& status) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  // A reader need not know which fields are zero.
  options.always_print_primitive_fields = true;
  std::string json;
  const auto done = google::protobuf::util::MessageToJsonString(status, &json, options);
  if (!done.ok()) {
    return absl::InternalError(absl::StrCat("the status cannot be written as JSON: ",
                                            std::string(done.message())));
  }
  return json;
}

absl::StatusOr<v1::RunStatus> StatusFromFolder(const std::string& run_dir) {
  const std::string db = absl::StrCat(run_dir, "/run.db");
  auto store = RunStore::OpenReadOnly(db);
  if (!store.ok()) return store.status();
  auto info = store->Info();
  if (!info.ok()) return info.status();
  auto last = store->LastCommitted();
  if (!last.ok()) return last.status();
  auto options = ParseOptions(info->options, db);
  if (!options.ok()) return options.status();
  v1::RunStatus status;
  status.set_run_name(info->name);
  status.set_run_id(info->id);
  status.set_state(StateOf(info->status));
  status.set_message(info->message);
  if (info->status == RunState::kRunning) {
    status.set_message(absl::StrCat("no coordinator answers; `shoal train --resume ", run_dir,
                                    "` continues after the last commit"));
  }
  status.set_iteration(last->iteration);
  status.set_committed_iteration(last->iteration);
  status.set_total_iterations(options->total_iterations());
  status.set_policy_sha256(last->policy_sha256);
  return status;
}

}  // namespace shoal
