// Why the penalty gate stands where it stands.

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "coordinator/artifacts/diagnosis.h"

namespace shoal {
namespace {

using Multi = std::vector<const EvaluationFacts*>;

Multi Judged(const RunFacts& facts) {
  Multi multi;
  for (const EvaluationFacts& e : facts.evaluations) {
    if (e.gate) multi.push_back(&e);
  }
  return multi;
}

std::string Iterations(const std::vector<int64_t>& iterations) {
  return absl::StrCat(iterations.size() == 1 ? "iteration " : "iterations ", absl::StrJoin(iterations, ", "));
}

void AddLock(const RunFacts& facts, const Multi& multi, std::vector<Finding>& findings) {
  const int64_t lock = GateLock(facts.options);
  std::vector<int64_t> locked;
  for (const EvaluationFacts* e : multi) {
    if (e->iteration <= lock) locked.push_back(e->iteration);
  }
  if (locked.empty()) return;
  const size_t after = multi.size() - locked.size();
  std::string text = absl::StrFormat("the gate was locked until iteration %d (%s), so no evaluation up to then could open it, whatever it showed (%s)", lock,
                                     facts.options.penalty_gate_lock_iteration() < 0 ? "density_penalty_lock_until" : "penalty_gate_lock_iteration",
                                     Iterations(locked));
  const int64_t required = facts.options.penalty_gate_required_successes();
  const bool too_few = static_cast<int64_t>(after) < required;
  if (too_few) {
    absl::StrAppend(&text, "; after the lock came ", after, after == 1 ? " evaluation" : " evaluations", ", and required_successes asks for ", required, " successes running");
  }
  findings.push_back({too_few ? Severity::kProblem : Severity::kWarning, "gate", absl::StrCat(text, ".")});
}

void AddFailures(const RunFacts& facts, const Multi& multi, std::vector<Finding>& findings) {
  std::vector<int64_t> failed;
  std::vector<std::string> p10, final;
  for (const EvaluationFacts* e : multi) {
    if (!e->gate->failure_detected) continue;
    failed.push_back(e->iteration);
    for (const GateCriterion& c : e->gate->criteria) {
      if (!c.on || !c.held || !c.value) continue;
      if (c.name == "failure_p10") p10.push_back(absl::StrFormat("%.1f", *c.value));
      if (c.name == "failure_min_final") final.push_back(absl::StrFormat("%.3f", *c.value));
    }
  }
  if (failed.empty()) return;
  std::vector<std::string> why;
  const v1::RunOptions& options = facts.options;
  if (!p10.empty()) {
    why.push_back(absl::StrFormat("p10 of the death step was below failure_p10 %.6g (%s)", options.penalty_gate_failure_p10(), absl::StrJoin(p10, ", ")));
  }
  if (!final.empty()) {
    why.push_back(absl::StrFormat("the worst scene's final survival was below failure_min_final %.6g (%s)", options.penalty_gate_failure_min_final(),
                                  absl::StrJoin(final, ", ")));
  }
  findings.push_back({Severity::kProblem, "gate",
                      absl::StrFormat("%d of %d evaluations were failures (%s), because %s; each also froze the gate for %d iterations.",
                                      failed.size(), multi.size(), Iterations(failed), absl::StrJoin(why, " and "),
                                      options.penalty_gate_freeze_iterations())});
}

// Successes that were not met, criterion by criterion.
void AddCriteria(const Multi& multi, std::vector<Finding>& findings) {
  for (const GateCriterion& of_last : multi.back()->gate->criteria) {
    if (!of_last.on || of_last.name.substr(0, 8) != "success_") continue;
    const bool at_least = of_last.name == "success_p10";
    int missed = 0, known = 0;
    std::optional<double> nearest;
    for (const EvaluationFacts* e : multi) {
      for (const GateCriterion& c : e->gate->criteria) {
        if (c.name != of_last.name || !c.value) continue;
        ++known;
        if (!c.held) ++missed;
        if (!nearest || (at_least ? *c.value > *nearest : *c.value < *nearest)) nearest = c.value;
      }
    }
    if (known == 0) {
      findings.push_back({Severity::kNote, "gate", absl::StrFormat("%s could not be judged: its window of evaluations was never full.", of_last.name)});
      continue;
    }
    if (missed == 0) continue;
    std::string last = "";
    if (of_last.value && !of_last.held) {
      last = absl::StrFormat("; at the last evaluation it is %.4g, %.4g too %s", *of_last.value,
                             std::fabs(*of_last.value - of_last.threshold), at_least ? "low" : "high");
    } else if (of_last.value) {
      last = absl::StrFormat("; the last evaluation meets it with %.4g", *of_last.value);
    }
    findings.push_back({Severity::kWarning, "gate",
                        absl::StrFormat("%s (at %s %.6g) was missed in %d of the %d evaluations that could be judged by it, the nearest being %.4g%s.", of_last.name,
                                        at_least ? "least" : "most", of_last.threshold, missed, known, *nearest, last)});
  }
}

void AddUnavoidable(const RunFacts& facts, const Multi& multi, std::vector<Finding>& findings) {
  const v1::RunOptions& options = facts.options;
  std::vector<std::string> cases;
  std::vector<std::string> limits;
  if (options.penalty_gate_success_step_one() >= 0) {
    limits.push_back(absl::StrCat("success_step_one ", options.penalty_gate_success_step_one()));
  }
  if (options.penalty_gate_success_step_one_ratio() > 0) {
    limits.push_back(absl::StrFormat("success_step_one_ratio %.6g", options.penalty_gate_success_step_one_ratio()));
  }
  if (limits.empty()) return;
  for (const EvaluationFacts* e : multi) {
    const EvaluationSummary& s = e->summary;
    const bool count = options.penalty_gate_success_step_one() >= 0 && s.step_one_unavoidable_count > options.penalty_gate_success_step_one();
    const bool ratio = options.penalty_gate_success_step_one_ratio() > 0 &&
                       static_cast<double>(s.step_one_unavoidable_count) >
                           (options.penalty_gate_success_step_one_ratio() + 1e-9) * static_cast<double>(s.total_fish_samples);
    if (count || ratio) {
      cases.push_back(absl::StrCat(s.step_one_unavoidable_count, " of the ", s.step_one_death_count, " at iteration ", e->iteration));
    }
  }
  if (cases.empty()) return;
  findings.push_back({Severity::kProblem, "gate",
                      absl::StrCat("step-one deaths that no action could have avoided are more than ", absl::StrJoin(limits, " or "), " allows: ",
                                   absl::StrJoin(cases, ", "), ". No policy could succeed on ", cases.size() == 1 ? "that evaluation" : "those evaluations",
                                   "; success_avoidable_step_one_ratio counts only deaths that can be learned away.")});
}

}  // namespace

int64_t GateLock(const v1::RunOptions& options) {
  return options.penalty_gate_lock_iteration() < 0 ? options.density_penalty_lock_until() : options.penalty_gate_lock_iteration();
}

std::vector<Finding> DiagnoseGate(const RunFacts& facts) {
  std::vector<Finding> findings;
  if (facts.iterations.empty()) return findings;
  const Multi multi = Judged(facts);
  if (multi.empty()) {
    const int64_t interval = facts.options.multi_eval_interval();
    if (interval == 0 || interval > facts.options.total_iterations()) {
      findings.push_back({Severity::kWarning, "gate",
                          absl::StrCat("the gate was never asked: multi_eval_interval ", interval, " makes no evaluation in ", facts.options.total_iterations(), " iterations.")});
    }
    return findings;
  }
  std::vector<int64_t> opened, back;
  for (const EvaluationFacts* e : multi) {
    if (e->gate->event == GateEvent::kAdvance) opened.push_back(e->iteration);
    if (e->gate->event == GateEvent::kRollback) back.push_back(e->iteration);
  }
  if (!back.empty()) {
    findings.push_back({Severity::kWarning, "gate", absl::StrCat("the gate was rolled back at ", Iterations(back), ".")});
  }
  if (!opened.empty()) {
    findings.push_back({Severity::kGood, "gate",
                        absl::StrCat("the gate opened at ", Iterations(opened), " and stands at stage ", multi.back()->gate->stage, ".")});
    return findings;
  }
  int64_t streak = 0;
  std::vector<int64_t> frozen;
  for (const EvaluationFacts* e : multi) {
    streak = std::max(streak, e->gate->success_streak);
    if (e->gate->event == GateEvent::kFrozen) frozen.push_back(e->iteration);
  }
  findings.push_back({Severity::kProblem, "gate",
                      absl::StrFormat("the gate never opened: stage 0 after %d evaluation%s. It needs %d success%s running and came to %d.", multi.size(), multi.size() == 1 ? "" : "s",
                                      facts.options.penalty_gate_required_successes(), facts.options.penalty_gate_required_successes() == 1 ? "" : "es", streak)});
  AddFailures(facts, multi, findings);
  AddUnavoidable(facts, multi, findings);
  AddLock(facts, multi, findings);
  if (!frozen.empty()) {
    findings.push_back({Severity::kNote, "gate",
                        absl::StrCat(frozen.size(), frozen.size() == 1 ? " evaluation" : " evaluations", " fell into a freeze (", Iterations(frozen), ") and could not count.")});
  }
  AddCriteria(multi, findings);
  return findings;
}

}  // namespace shoal
