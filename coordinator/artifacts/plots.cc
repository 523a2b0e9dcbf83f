#include "coordinator/artifacts/plots.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "coordinator/artifacts/diagnosis.h"
#include "coordinator/artifacts/plot_script.h"
#include "coordinator/artifacts/plots_scenes.h"
#include "coordinator/evaluation/statistics.h"

namespace shoal {
namespace {

constexpr int kWidth = 1200;
constexpr int kHeight = 700;
constexpr int kTallHeight = 1000;

std::string Line(const char* colour, const char* axes = "x1y1", double width = 2.2) {
  // Points too, since a value between two missing ones has no line.
  return absl::StrFormat("linespoints pt 7 ps 0.5 lw %g lc rgb '%s' axes %s", width, colour, axes);
}

std::string Steps(const char* colour, const char* axes = "x1y1") {
  return absl::StrFormat("histeps lw 2.2 lc rgb '%s' axes %s", colour, axes);
}

std::string Titled(const char* what, const RunFacts& facts) {
  return absl::StrCat(what, " · ", facts.info.name);
}

bool HasMulti(const RunFacts& facts) {
  return std::any_of(facts.evaluations.begin(), facts.evaluations.end(),
                     [](const EvaluationFacts& e) { return e.gate.has_value(); });
}

// Average final survival with its interval.
void EvaluatedSurvival(const RunFacts& facts, PlotScript& script) {
  std::vector<std::string> rows;
  for (const EvaluationFacts& e : facts.evaluations) {
    if (!e.gate) continue;
    const auto interval = BootstrapMean(e.summary.final_survival, BootstrapOptions());
    const double mean = e.summary.avg_final_survival_rate;
    rows.push_back(absl::StrFormat("%d %.9g %.9g %.9g", e.iteration, mean,
                                   interval.ok() ? interval->low : mean,
                                   interval.ok() ? interval->high : mean));
  }
  if (rows.empty()) return;
  script.Series(rows, "1:2:3:4", absl::StrFormat("yerrorbars pt 7 ps 1.3 lw 2 lc rgb '%s'", kOrange),
                "multi-evaluation, 95 % interval");
}

// A figure of the multi-evaluations as dots joined by a thin line.
template <typename Of>
void Evaluated(const RunFacts& facts, PlotScript& script, const char* colour,
               const std::string& legend, Of of) {
  std::vector<std::string> rows;
  for (const EvaluationFacts& e : facts.evaluations) {
    if (e.gate) rows.push_back(absl::StrFormat("%d %.9g", e.iteration, of(e.summary)));
  }
  script.Series(rows, "1:2", absl::StrFormat("linespoints pt 7 ps 1.1 lw 1.4 lc rgb '%s'", colour),
                legend);
}

void Survival(const RunFacts& facts, std::vector<GnuplotPicture>& pictures) {
  PlotScript script(facts);
  script.BeginPanel({Titled("Survival", facts), "share of the fish alive at the end"});
  const bool any = script.Measurement("survival_rate", Line(kBlue), "training, episodes that ended");
  EvaluatedSurvival(facts, script);
  if (!any && !HasMulti(facts)) return;
  script.DrawPanel();
  pictures.push_back({"survival.png", PngTerminal(kWidth, kHeight), script.text()});
}

void FirstDeath(const RunFacts& facts, std::vector<GnuplotPicture>& pictures) {
  PlotScript script(facts);
  Panel panel{Titled("First death in training", facts), "step of an episode"};
  panel.y_max = RoundUpTo(GreatestOf(facts, "first_death_step", 20));
  panel.gate_events = false;
  script.BeginPanel(panel);
  if (!script.Measurement("first_death_step", Line(kBlue), "first death, mean over episodes")) return;
  script.Measurement("first_death_p10", Line(kOrange), "first death, 10th percentile");
  if (!facts.options.disable_adaptive_boost()) {
    script.Level(facts.options.adaptive_boost_lower_p10(),
                 "boost lowered below this percentile", kGrey);
    script.Level(facts.options.adaptive_boost_upper_p10(), "and raised above this", kPurple);
  }
  script.DrawPanel();
  pictures.push_back({"first_death.png", PngTerminal(kWidth, kHeight), script.text()});
}

Panel PenaltyPanel(const RunFacts& facts, const char* title) {
  Panel panel{Titled(title, facts), "density penalty"};
  panel.y_max = RoundUpTo(GreatestOf(facts, "density_penalty_coef", 0.01));
  return panel;
}

void PenaltyAndFirstDeath(const RunFacts& facts, std::vector<GnuplotPicture>& pictures) {
  PlotScript script(facts);
  Panel panel = PenaltyPanel(facts, "Density penalty and first death");
  panel.y2_label = "step of the first death";
  panel.y2_max = RoundUpTo(GreatestOf(facts, "first_death_step", 20));
  script.BeginPanel(panel);
  script.Measurement("density_penalty_coef", Steps(kPurple), "density penalty (left)");
  script.Measurement("first_death_step", Line(kBlue, "x1y2"), "first death, mean (right)");
  script.Measurement("first_death_p10", Line(kOrange, "x1y2"), "10th percentile (right)");
  script.DrawPanel();
  pictures.push_back({"penalty_vs_first_death.png", PngTerminal(kWidth, kHeight), script.text()});
}

void PenaltyAndEntropy(const RunFacts& facts, std::vector<GnuplotPicture>& pictures) {
  PlotScript script(facts);
  Panel panel = PenaltyPanel(facts, "Density penalty and entropy");
  panel.y_label = "coefficient";
  panel.y_max = RoundUpTo(GreatestOf(facts, "entropy_coef", GreatestOf(facts, "density_penalty_coef", 0.01)));
  panel.y2_label = "entropy of the policy, nats";
  panel.y2_max = RoundUpTo(GreatestOf(facts, "entropy", 0.1));
  script.BeginPanel(panel);
  script.Measurement("density_penalty_coef", Steps(kPurple), "density penalty (left)");
  script.Measurement("entropy_coef", Steps(kGreen), "entropy coefficient (left)");
  script.Measurement("entropy", Line(kBlue, "x1y2", 1.6), "entropy of the policy (right)");
  script.DrawPanel();
  pictures.push_back({"penalty_vs_entropy.png", PngTerminal(kWidth, kHeight), script.text()});
}

void MultiEvaluations(const RunFacts& facts, std::vector<GnuplotPicture>& pictures) {
  if (!HasMulti(facts)) return;
  double deaths = 0.02;
  for (const EvaluationFacts& e : facts.evaluations) {
    if (e.gate) deaths = std::max({deaths, e.summary.early_death_fraction_100, e.summary.step_one_death_ratio});
  }
  const v1::RunOptions& options = facts.options;
  PlotScript script(facts);
  script.Add("set multiplot layout 2,1");
  script.BeginPanel({Titled("Multi-evaluations", facts), "share of the fish alive at the end"});
  EvaluatedSurvival(facts, script);
  Evaluated(facts, script, kPurple, "worst scene", [](const EvaluationSummary& s) { return s.min_final_survival_rate; });
  script.Level(options.penalty_gate_failure_min_final(), "a worst scene below this is a failure");
  script.DrawPanel();
  Panel panel{"Deaths that the gate looks at", "share of the fish, %"};
  panel.y_max = RoundUpTo(100 * std::max(deaths, options.penalty_gate_success_early_death()));
  panel.gate_events = panel.phase_names = false;
  script.BeginPanel(panel);
  const auto percent = [&](const char* colour, const char* legend, auto of) {
    Evaluated(facts, script, colour, legend, [of](const EvaluationSummary& s) { return 100 * of(s); });
  };
  percent(kBlue, "dead before step 100", [](const EvaluationSummary& s) { return s.early_death_fraction_100; });
  percent(kOrange, "dead at step one", [](const EvaluationSummary& s) { return s.step_one_death_ratio; });
  percent(kGreen, "of these avoidable", [](const EvaluationSummary& s) { return s.step_one_avoidable_ratio; });
  script.Level(100 * options.penalty_gate_success_early_death(), "a success has at most this before step 100");
  script.DrawPanel();
  script.Add("unset multiplot");
  pictures.push_back({"multi_eval_timeline.png", PngTerminal(kWidth, kTallHeight), script.text()});
}

void TailQueue(const RunFacts& facts, std::vector<GnuplotPicture>& pictures) {
  if (TailSlots(facts) == 0) return;
  PlotScript script(facts);
  script.Add("set multiplot layout 2,1");
  Panel ratios{Titled("Tail queue", facts), "ratio"};
  ratios.y_max = RoundUpTo(GreatestOf(facts, "prewarm_override_ratio", GreatestOf(facts, "tail_schedule_ratio", 1)));
  ratios.gate_events = false;
  script.BeginPanel(ratios);
  script.Measurement("tail_schedule_ratio", Line(kBlue), "slots used / planned so far");
  script.Measurement("prewarm_override_ratio", Line(kOrange), "episodes begun with a slot / begun");
  script.Level(0.25, "target: both at least 0.25");
  script.DrawPanel();

  Panel slots{"Slots in use and slots planned", "slots, thousands"};
  const double all = static_cast<double>(TailSlots(facts)) / 1000;
  double taken = 0;
  std::vector<std::string> used, planned;
  for (const auto& iteration : facts.iterations) {
    const int64_t i = iteration.value("iteration", int64_t{0});
    taken += Measured(iteration, "prewarm_override_hits").value_or(0) / 1000;
    used.push_back(absl::StrFormat("%d %.9g", i, taken));
    planned.push_back(absl::StrFormat("%d %.9g", i, std::min(all, static_cast<double>(i * facts.options.num_envs()) / 1000)));
  }
  slots.y_max = RoundUpTo(std::max(all, taken));
  slots.gate_events = slots.phase_names = false;
  script.BeginPanel(slots);
  script.Series(planned, "1:2", absl::StrFormat("lines lw 2 dt 3 lc rgb '%s'", kGrey), "planned so far");
  script.Series(used, "1:2", absl::StrFormat("lines lw 2.4 lc rgb '%s'", kBlue), "taken so far, loops and refills too");
  script.Level(all, "slots of all stages", kPurple);
  script.DrawPanel();
  script.Add("unset multiplot");
  pictures.push_back({"tail_queue.png", PngTerminal(kWidth, kTallHeight), script.text()});
}

}  // namespace

std::vector<GnuplotPicture> PlotsOf(const RunFacts& facts) {
  std::vector<GnuplotPicture> pictures;
  if (facts.iterations.empty()) return pictures;
  Survival(facts, pictures);
  FirstDeath(facts, pictures);
  PenaltyAndFirstDeath(facts, pictures);
  PenaltyAndEntropy(facts, pictures);
  MultiEvaluations(facts, pictures);
  TailQueue(facts, pictures);
  AddHeadings(facts, pictures);
  AddDeathHistograms(facts, pictures);
  return pictures;
}

std::vector<GnuplotPicture> CurveOf(const RunFacts& facts) {
  constexpr int kFrames = 60;
  std::vector<std::string> rows;
  for (const auto& iteration : facts.iterations) {
    const auto value = Measured(iteration, "survival_rate");
    if (value) rows.push_back(absl::StrFormat("%d %.9g", iteration.value("iteration", int64_t{0}), *value));
  }
  if (rows.empty()) return {};
  PlotScript script(facts);
  const int frames = static_cast<int>(std::min<size_t>(kFrames, rows.size()));
  for (int frame = 1; frame <= frames; ++frame) {
    const size_t shown = rows.size() * static_cast<size_t>(frame) / static_cast<size_t>(frames);
    Panel panel{Titled("Survival in training", facts), "share of the fish alive at the end"};
    panel.gate_events = false;
    script.BeginPanel(panel);
    script.Series({rows.begin(), rows.begin() + static_cast<int64_t>(shown)}, "1:2", Line(kBlue), "training");
    script.DrawPanel();
  }
  return {{"curve.gif", "gif noenhanced animate delay 10 loop 0 optimize size 800,480 font 'DejaVu Sans,10' background '#ffffff'",
           script.text()}};
}

}  // namespace shoal
