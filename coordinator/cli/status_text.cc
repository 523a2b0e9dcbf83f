#include "coordinator/cli/status_text.h"

#include <algorithm>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "coordinator/cli/progress.h"
#include "coordinator/cli/run_target.h"
#include "coordinator/cli/terminal.h"
#include "coordinator/run/run_reports.h"

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

// Dead fish are few: this much of them before a fast predator from one side is a hot spot.
constexpr double kNeTop = 0.2;

std::string IterationText(const v1::RunStatus& status, bool now_known) {
  std::string text = absl::StrCat(status.committed_iteration(), " of ", status.total_iterations(),
                                  " committed");
  if (now_known && status.iteration() > status.committed_iteration()) {
    absl::StrAppend(&text, ", ", status.iteration(), " is being computed");
  }
  if (status.phase() > 0) {
    absl::StrAppend(&text, "; phase ", status.phase(), ", ", status.num_fish(), " fish");
  }
  return text;
}

std::string GateText(const v1::RunStatus& status, bool colours) {
  const v1::GateStatus& gate = status.gate();
  std::string text = absl::StrCat("stage ", status.gate_stage());
  if (gate.stages() > 0) {
    absl::StrAppend(&text, " of 0..", gate.stages() - 1, " (penalty up to phase ",
                    gate.allowed_phase(), ")");
  }
  if (!status.gate_event().empty()) {
    const Tint tint = status.gate_event() == "advance" || status.gate_event() == "success_progress"
                          ? Tint::kGood
                      : gate.failure_streak() > 0 ? Tint::kBad
                                                  : Tint::kNone;
    absl::StrAppend(&text, ", ", Tinted(status.gate_event(), tint, colours));
  }
  if (gate.iteration() > 0) {
    absl::StrAppend(&text, " at ", gate.iteration(), "; successes ", gate.success_streak(), "/",
                    gate.required_successes(), ", failures ", gate.failure_streak());
    if (gate.freeze_until() > status.committed_iteration()) {
      absl::StrAppend(&text, ", frozen until ", gate.freeze_until());
    }
  }
  if (status.committed_iteration() < gate.lock_iteration()) {
    absl::StrAppend(&text, ", locked until ", gate.lock_iteration());
  }
  return text;
}

// What the last evaluation fell short of; empty: nothing that is asked for.
std::string GateMisses(const v1::GateStatus& gate) {
  std::string text;
  for (const v1::GateCriterionStatus& c : gate.criteria()) {
    const bool failure = absl::StartsWith(c.name(), "failure_");
    if (!c.on() || c.held() == !failure) continue;
    const bool at_least = failure || c.name() == "success_p10";
    absl::StrAppend(&text, text.empty() ? "" : ", ", c.name());
    if (c.has_value()) {
      absl::StrAppendFormat(&text, " %.4g (%s %.4g)", c.value(), at_least ? "at least" : "at most",
                            c.threshold());
    } else {
      absl::StrAppend(&text, " (not known yet)");
    }
  }
  return text;
}

std::string TailText(const v1::RunStatus& status) {
  const v1::TailStatus& tail = status.tail();
  std::string text = absl::StrCat(status.tail_slots_left(), " of ", status.tail_slots(),
                                  " slots left");
  if (!status.has_tail()) return text;
  return absl::StrFormat("%s, %d used; stage %d of %d (%.0f %% used), %.2f of the planned pace%s%s",
                         text, tail.used_total(), tail.stage(), tail.stages(),
                         100 * tail.stage_progress(), tail.schedule_ratio(),
                         tail.refills() > 0 ? absl::StrCat(", ", tail.refills(), " refills") : "",
                         tail.unused_environments() > 0
                             ? absl::StrCat("; ", tail.unused_environments(), " of ",
                                            tail.environments(), " environments have used none")
                             : "");
}

std::string NeText(const v1::RunStatus& status) {
  const std::vector<double> shares(status.ne_shares().begin(), status.ne_shares().end());
  const auto last = std::find_if(shares.rbegin(), shares.rend(), [](double s) { return s >= 0; });
  if (last == shares.rend()) return "no step-one deaths so far";
  return absl::StrFormat("%.1f %% of step-one deaths  %s  (last %d iterations)", 100 * *last,
                         Spark(shares, kNeTop), shares.size());
}

std::string SpeedText(const v1::RunStatus& status) {
  std::string text = absl::StrFormat("%.0f rows/s", status.rows_per_second());
  if (status.iterations_per_minute() > 0) {
    absl::StrAppendFormat(&text, ", %.2f iterations/min", status.iterations_per_minute());
  }
  return absl::StrCat(text, ", ", DurationText(status.seconds_left()), " left");
}

Tint TintOf(v1::RunStatus::State state) {
  switch (state) {
    case v1::RunStatus::STATE_FAILED:
      return Tint::kBad;
    case v1::RunStatus::STATE_WAITING_FOR_LEARNER:
    case v1::RunStatus::STATE_WAITING_FOR_ACTORS:
    case v1::RunStatus::STATE_PAUSED:
    case v1::RunStatus::STATE_STOPPED:
    case v1::RunStatus::STATE_UNSPECIFIED:
      return Tint::kWarning;
    default:
      return Tint::kGood;
  }
}

void AddAlertLines(const v1::RunStatus& status, bool colours, std::string& table) {
  if (status.alerts_size() == 0) AddLine("alerts", Tinted("none", Tint::kGood, colours), table);
  for (const v1::AlertStatus& alert : status.alerts()) {
    const Tint tint = alert.severity() == "critical" ? Tint::kBad : Tint::kWarning;
    AddLine("alert", absl::StrCat(Tinted(alert.name(), tint, colours), ": ", alert.summary()), table);
  }
}

}  // namespace

std::string StatusTable(const v1::RunStatus& status, bool now_known, bool colours) {
  std::string table;
  AddLine("run", absl::StrCat(status.run_name(), " (", status.run_id(), ")"), table);
  const std::string phase = now_known || status.state() != v1::RunStatus::STATE_UNSPECIFIED
                                ? PhaseText(status)
                                : "interrupted";
  AddLine("state", Tinted(phase, TintOf(status.state()), colours), table);
  // What is waited for is part of the phase.
  const bool waiting = status.state() == v1::RunStatus::STATE_WAITING_FOR_LEARNER ||
                       status.state() == v1::RunStatus::STATE_WAITING_FOR_ACTORS;
  if (!status.message().empty() && !waiting) AddLine("message", status.message(), table);
  AddLine("iterations", IterationText(status, now_known), table);
  AddLine("versions", absl::StrCat("acting ", status.acting_version(), ", published ",
                                   status.committed_iteration(),
                                   status.policy_sha256().empty() ? "" : ": ", status.policy_sha256()),
          table);
  if (status.rows_per_second() > 0) AddLine("speed", SpeedText(status), table);
  if (status.survival_rate() >= 0 && status.committed_iteration() > 0) {
    AddLine("survival", absl::StrFormat("%.4f in training", status.survival_rate()), table);
  }
  if (status.evaluations_done() > 0) AddLine("evaluation", EvaluationText(status), table);
  AddLine("gate", GateText(status, colours), table);
  if (const std::string misses = GateMisses(status.gate()); !misses.empty()) {
    AddLine("", absl::StrCat("missed at ", status.gate().iteration(), ": ", misses), table);
  }
  if (status.tail_slots() > 0) AddLine("tail", TailText(status), table);
  if (status.ne_shares_size() > 0) AddLine("NE share", NeText(status), table);
  if (status.orders_pending() > 0) {
    AddLine("orders", absl::StrCat(status.orders_pending(), " wait for their iteration"), table);
  }
  if (now_known) {
    AddLine("missing",
            status.missing_size() > 0 ? Tinted(MissingText(status), Tint::kBad, colours) : "nobody",
            table);
    AddLine("learner", LearnerText(status), table);
    AddActors(status, table);
  }
  AddAlertLines(status, colours, table);
  return table;
}

absl::StatusOr<std::string> StatusJson(const v1::RunStatus& status) { return MessageJson(status); }

absl::StatusOr<v1::RunStatus> StatusFromFolder(const std::string& run_dir) {
  auto store = RunStore::OpenReadOnly(absl::StrCat(run_dir, "/run.db"));
  if (!store.ok()) return store.status();
  auto status = StoredStatus(*store);
  if (status.ok() && status->state() == v1::RunStatus::STATE_UNSPECIFIED) {
    status->set_message(absl::StrCat("no coordinator answers; `shoal train --resume ", run_dir,
                                     "` continues after the last commit"));
  }
  return status;
}

}  // namespace shoal
