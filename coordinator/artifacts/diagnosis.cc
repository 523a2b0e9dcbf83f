#include "coordinator/artifacts/diagnosis.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "coordinator/schedule/curriculum.h"

namespace shoal {
namespace {

// Below this share of the planned pace a queue does not do its work.
constexpr double kStarved = 0.25;
constexpr double kBehind = 0.9;
// Share of step-one deaths in the fast north-east from which it is a hot spot.
constexpr double kHotSpot = 0.1;
// What survival must lose against its best to be called a collapse, over windows of iterations.
constexpr double kCollapse = 0.15;
constexpr size_t kWindow = 5;
// Evaluations on other scenes differ by about so much by chance.
constexpr double kTrend = 0.03;

std::string Percent(double share) { return absl::StrFormat("%.1f %%", 100 * share); }

// Why so few slots found an episode to start, and what would change it.
std::string WhyTailIsBehind(const RunFacts& facts, int64_t slots) {
  const v1::RunOptions& options = facts.options;
  const int64_t iterations = static_cast<int64_t>(facts.iterations.size());
  double begun = 0;
  for (const auto& iteration : facts.iterations) {
    begun += Measured(iteration, "prewarm_override_episodes").value_or(0);
  }
  const double each = begun / static_cast<double>(options.num_envs());
  std::string text = absl::StrFormat(
      "a slot is used only when an episode begins, and an environment began %.1f episodes in %d iterations of %d steps "
      "(episodes may last %d)",
      each, iterations, options.n_steps(), options.episode_limit());
  if (options.tail_inject() == "every_rollout") {
    return absl::StrFormat("%s; tail_inject every_rollout forces a share of %.2g (tail_inject_fraction) of the "
                           "environments an iteration; a larger share would use more",
                           text, options.tail_inject_fraction());
  }
  const int64_t reachable = std::min(slots, options.num_envs() * iterations);
  absl::StrAppend(&text, ". tail_inject every_rollout (tail_inject_fraction 1) starts one in each rollout and would have used at least ",
                  Thousands(reachable), " by now");
  if (options.tail_force_reset_steps() == 0) {
    absl::StrAppend(&text, "; so would tail_force_reset_steps ", std::max<int64_t>(1, std::min<int64_t>(500, options.n_steps())),
                    ", which cuts episodes after so many steps while slots are left");
  } else {
    absl::StrAppend(&text, "; tail_force_reset_steps is ", options.tail_force_reset_steps(),
                    ", a smaller one cuts sooner");
  }
  return text;
}

Finding TailPace(const RunFacts& facts, double ratio) {
  const int64_t slots = TailSlots(facts);
  const int64_t taken = TailSlotsTaken(facts);
  std::string text = absl::StrFormat("%s of %s tail slots were used (%s), %.2f of the planned pace",
                                     Thousands(taken), Thousands(slots),
                                     Percent(static_cast<double>(taken) / static_cast<double>(slots)), ratio);
  if (ratio >= kBehind) return {Severity::kGood, "tail", absl::StrCat(text, ".")};
  return {ratio < kStarved ? Severity::kProblem : Severity::kWarning, "tail",
          absl::StrCat(text, ": ", WhyTailIsBehind(facts, slots), ".")};
}

// Mean of the measurement over iterations [begin, end); none where none has it.
std::optional<double> MeanOf(const RunFacts& facts, const char* name, size_t begin, size_t end) {
  double sum = 0;
  int count = 0;
  for (size_t i = begin; i < end; ++i) {
    if (const auto value = Measured(facts.iterations[i], name)) {
      sum += *value;
      ++count;
    }
  }
  return count > 0 ? std::optional<double>(sum / count) : std::nullopt;
}

void AddTrainingCollapse(const RunFacts& facts, std::vector<Finding>& findings) {
  const size_t count = facts.iterations.size();
  if (count < 2 * kWindow) return;
  double best = -1;
  size_t best_end = 0;
  for (size_t end = kWindow; end <= count; ++end) {
    const auto mean = MeanOf(facts, "survival_rate", end - kWindow, end);
    if (mean && *mean > best) {
      best = *mean;
      best_end = end;
    }
  }
  const auto last = MeanOf(facts, "survival_rate", count - kWindow, count);
  if (!last || *last >= best - kCollapse) return;
  auto curriculum = Curriculum::Create(facts.options);
  const bool other_phase =
      curriculum.ok() && curriculum->PhaseOf(static_cast<int64_t>(best_end)).num_fish !=
                             curriculum->PhaseOf(static_cast<int64_t>(count)).num_fish;
  findings.push_back(
      {Severity::kWarning, "survival",
       absl::StrFormat("survival in training fell from %.3f (mean of iterations %d to %d) to %.3f in the last %d%s.",
                       best, best_end - kWindow + 1, best_end, *last, kWindow,
                       other_phase ? "; the number of fish has changed between them, which explains a part"
                                   : ", with the same number of fish: check learning rate, entropy and approx_kl there")});
}

void AddTrend(const RunFacts& facts, std::vector<Finding>& findings) {
  std::vector<const EvaluationFacts*> multi;
  for (const EvaluationFacts& e : facts.evaluations) {
    if (e.kind == RunStore::kMultiEvaluation) multi.push_back(&e);
  }
  if (multi.size() < 2) return;
  const auto survival = [](const EvaluationFacts* e) { return e->summary.avg_final_survival_rate; };
  const EvaluationFacts& best = **std::max_element(
      multi.begin(), multi.end(), [&](auto* a, auto* b) { return survival(a) < survival(b); });
  const double first = survival(multi.front()), last = survival(multi.back());
  const std::string from = absl::StrFormat("average final survival of the evaluations went from %.3f (iteration %d) to %.3f (iteration %d)",
                                           first, multi.front()->iteration, last, multi.back()->iteration);
  if (survival(&best) - last > kCollapse) {
    findings.push_back({Severity::kProblem, "survival",
                        absl::StrFormat("evaluations collapsed: from %.3f at iteration %d to %.3f at the last, iteration %d.",
                                        survival(&best), best.iteration, last, multi.back()->iteration)});
  } else if (last - first > kTrend) {
    findings.push_back({Severity::kGood, "survival", absl::StrCat(from, ": it learns.")});
  } else {
    findings.push_back({last < first - kTrend ? Severity::kWarning : Severity::kNote, "survival",
                        absl::StrCat(from, last < first - kTrend ? ": it gets worse." : ": no clear change.")});
  }
}

void AddEarlyDeath(const RunFacts& facts, std::vector<Finding>& findings) {
  const EvaluationFacts* last = nullptr;
  for (const EvaluationFacts& e : facts.evaluations) {
    if (e.kind == RunStore::kMultiEvaluation) last = &e;
  }
  const double limit = facts.options.penalty_gate_success_early_death();
  if (last == nullptr || last->summary.early_death_fraction_100 <= limit + 1e-9) return;
  findings.push_back({Severity::kWarning, "survival",
                      absl::StrFormat("%s of the fish die before step 100 at the last evaluation (iteration %d); the limit of a success is %s.",
                                      Percent(last->summary.early_death_fraction_100), last->iteration, Percent(limit))});
}

void AddRun(const RunFacts& facts, std::vector<Finding>& findings) {
  const int64_t done = static_cast<int64_t>(facts.iterations.size());
  const int64_t total = facts.options.total_iterations();
  if (facts.info.status == RunState::kFailed) {
    findings.push_back({Severity::kProblem, "run", absl::StrCat("the run failed after ", done, " of ", total, " iterations: ", facts.info.message)});
  } else if (done < total) {
    findings.push_back({Severity::kNote, "run", absl::StrCat(done, " of ", total, " iterations are committed; what follows is about those.")});
  }
}

}  // namespace

const char* SeverityName(Severity severity) {
  switch (severity) {
    case Severity::kGood:
      return "good";
    case Severity::kNote:
      return "note";
    case Severity::kWarning:
      return "warning";
    case Severity::kProblem:
      break;
  }
  return "problem";
}

std::optional<double> Measured(const nlohmann::ordered_json& iteration, const char* name) {
  const auto found = iteration.find(name);
  if (found == iteration.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

std::string Thousands(int64_t value) {
  if (value < 1000) return absl::StrCat(value);
  return absl::StrFormat("%s,%03d", Thousands(value / 1000), value % 1000);
}

int64_t TailSlots(const RunFacts& facts) {
  int64_t iterations = 0;
  for (const TailStageSpec& stage : facts.tail_stages) iterations += stage.iterations;
  return iterations * facts.options.num_envs();
}

int64_t TailSlotsTaken(const RunFacts& facts) {
  double taken = 0;
  for (const auto& iteration : facts.iterations) {
    taken += Measured(iteration, "prewarm_override_hits").value_or(0);
  }
  return std::llround(taken);
}

std::vector<Finding> DiagnoseTail(const RunFacts& facts) {
  std::vector<Finding> findings;
  if (TailSlots(facts) == 0 || facts.iterations.empty()) return findings;
  const auto ratio = Measured(facts.iterations.back(), "tail_schedule_ratio");
  if (!ratio) return findings;
  findings.push_back(TailPace(facts, *ratio));
  const int64_t idle = std::count(facts.tail_used.begin(), facts.tail_used.end(), 0);
  if (idle > 0 && facts.options.tail_on_exhausted() == "stop" && facts.options.tail_seed_stage_refill_interval() == 0) {
    findings.push_back({Severity::kWarning, "tail",
                        absl::StrCat(idle, " of ", facts.options.num_envs(), " environments have not used a single slot.")});
  }
  for (const auto& iteration : facts.iterations) {
    if (Measured(iteration, "tail_queue_remaining").value_or(1) > 0) continue;
    if (&iteration == &facts.iterations.back()) break;
    findings.push_back({Severity::kNote, "tail",
                        absl::StrFormat("the tail queue was used up at iteration %d of %d; later episodes started without it "
                                        "(tail_on_exhausted loop_stage or loop_all goes on).",
                                        iteration.value("iteration", 0), facts.options.total_iterations())});
    break;
  }
  return findings;
}

std::vector<Finding> DiagnoseStepOne(const RunFacts& facts) {
  std::vector<Finding> findings;
  for (auto e = facts.evaluations.rbegin(); e != facts.evaluations.rend(); ++e) {
    if (e->kind != RunStore::kMultiEvaluation || !e->summary.step_one_ne_high_speed_share) continue;
    const double share = *e->summary.step_one_ne_high_speed_share;
    findings.push_back({share > kHotSpot ? Severity::kWarning : Severity::kNote, "step one",
                        absl::StrFormat("%s of the %d step-one deaths at iteration %d come from a predator heading 90-150 "
                                        "degrees at 1.8 or faster (NE)%s.",
                                        Percent(share), e->summary.step_one_death_count, e->iteration,
                                        share > kHotSpot ? ", a hot spot: a tail stage of that sector at that speed would train it" : "")});
    break;
  }
  double shares = 0;
  int count = 0;
  for (const auto& iteration : facts.iterations) {
    if (const auto share = Measured(iteration, "step_one_ne_high_speed_share")) {
      shares += *share;
      ++count;
    }
  }
  if (count > 0 && shares / count > kHotSpot) {
    findings.push_back({Severity::kNote, "step one",
                        absl::StrFormat("in training the NE share of step-one deaths is %s on average, over the %d iterations that had such deaths.",
                                        Percent(shares / count), count)});
  }
  return findings;
}

std::vector<Finding> DiagnoseSurvival(const RunFacts& facts) {
  std::vector<Finding> findings;
  AddTrend(facts, findings);
  AddTrainingCollapse(facts, findings);
  AddEarlyDeath(facts, findings);
  return findings;
}

std::vector<Finding> DiagnoseUpdates(const RunFacts& facts) {
  double skipped = 0;
  std::vector<int64_t> iterations;
  for (const auto& iteration : facts.iterations) {
    const double here = Measured(iteration, "skipped_minibatches").value_or(0);
    skipped += here;
    if (here > 0) iterations.push_back(iteration.value("iteration", 0));
  }
  if (iterations.empty()) return {};
  return {{Severity::kProblem, "update",
           absl::StrFormat("%d minibatches were not finite and were skipped, in %d iterations, first in %d: the learning rate may be too high.",
                           std::llround(skipped), iterations.size(), iterations.front())}};
}

std::vector<Finding> Diagnose(const RunFacts& facts) {
  std::vector<Finding> findings;
  for (const auto& part : {DiagnoseTail(facts), DiagnoseGate(facts), DiagnoseStepOne(facts),
                           DiagnoseSurvival(facts), DiagnoseUpdates(facts)}) {
    findings.insert(findings.end(), part.begin(), part.end());
  }
  AddRun(facts, findings);
  std::stable_sort(findings.begin(), findings.end(),
                   [](const Finding& a, const Finding& b) { return a.severity > b.severity; });
  return findings;
}

}  // namespace shoal
