#include "coordinator/artifacts/report_page.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "coordinator/artifacts/changed_options.h"
#include "coordinator/artifacts/diagnosis.h"
#include "coordinator/artifacts/html.h"
#include "coordinator/artifacts/report_svg.h"
#include "coordinator/evaluation/statistics.h"
#include "coordinator/schedule/curriculum.h"

namespace shoal {

namespace {

constexpr BootstrapOptions kBootstrap;
constexpr auto kText = HtmlColumn::Kind::kText;

std::string DiagnosisPart(const RunFacts& facts) {
  std::string html = "<h2>Diagnosis</h2>\n";
  const std::vector<Finding> findings = Diagnose(facts);
  if (findings.empty()) return absl::StrCat(html, "<p>Nothing to say yet.</p>\n");
  absl::StrAppend(&html, "<p class=\"small\">The gate lets the density penalty grow with the curriculum once evaluations are good enough. "
                         "A tail slot is the start of an episode with a predator's velocity that has killed fish at step one; a mix of those is the tail queue. "
                         "Step one is the first step of an episode.</p>\n<ul>\n");
  for (const Finding& f : findings) {
    absl::StrAppend(&html, "<li class=\"", SeverityName(f.severity), "\"><b>", SeverityName(f.severity), ", ", HtmlText(f.topic), ":</b> ",
                    HtmlText(f.text), "</li>\n");
  }
  return absl::StrCat(html, "</ul>\n");
}

std::string OptionsPart(const RunFacts& facts) {
  std::vector<HtmlCells> rows;
  for (const ChangedOption& option : ChangedOptions(facts.options)) {
    rows.push_back({HtmlText(option.name), HtmlText(option.value), HtmlText(option.standard)});
  }
  return absl::StrCat("<h2>The question: what differs from the defaults</h2>\n", HtmlTable({"option", {"this run", kText}, {"default", kText}}, rows));
}

std::string EvaluationPart(const RunFacts& facts) {
  std::vector<HtmlCells> rows;
  for (const EvaluationFacts& e : facts.evaluations) {
    const EvaluationSummary& s = e.summary;
    const auto interval = BootstrapMean(s.final_survival, kBootstrap);
    rows.push_back({HtmlText(e.kind), absl::StrCat(e.iteration), absl::StrCat(s.episodes, " x ", s.num_fish),
                 absl::StrFormat("<b>%.3f</b>", s.avg_final_survival_rate),
                 interval.ok() ? absl::StrFormat("%.3f to %.3f", interval->low, interval->high) : "-",
                 absl::StrFormat("%.3f", s.min_final_survival_rate), absl::StrFormat("%.1f", s.p10),
                 absl::StrFormat("%.2f %%", 100 * s.early_death_fraction_100), absl::StrCat(s.step_one_death_count),
                 absl::StrCat(s.step_one_unavoidable_count), absl::StrFormat("%.2f %%", 100 * s.step_one_avoidable_ratio),
                 s.step_one_ne_high_speed_share ? absl::StrFormat("%.1f %%", 100 * *s.step_one_ne_high_speed_share) : "-"});
  }
  if (rows.empty()) return "<h2>Evaluations</h2><p>None has finished.</p>\n";
  return absl::StrCat(
      "<h2>Evaluations</h2>\n",
      HtmlTable({"kind", "iteration", "scenes x fish", "survival", "95 % interval", "worst scene", "p10 step", "dead before 100", "step-one deaths",
             "unavoidable", "avoidable share", "NE share"},
            rows),
      absl::StrFormat("<p class=\"small\">Survival is the mean over scenes of the share alive at step 500. Interval: percentile bootstrap over scenes, "
                      "%d resamples, seed %d. Every multi-evaluation plays new scenes, so rows differ by their scenes, too.</p>\n",
                      kBootstrap.resamples, kBootstrap.seed));
}

std::string Verdict(bool met) { return met ? "<b class=\"met\">met</b>" : "<b class=\"missed\">missed</b>"; }

HtmlCells LeastOver(const RunFacts& facts, const char* name, double limit, bool strictly) {
  int64_t counted = 0, below = 0;
  double least = 0;
  for (const auto& iteration : facts.iterations) {
    const auto value = Measured(iteration, name);
    if (!value) continue;
    least = counted == 0 ? *value : std::min(least, *value);
    ++counted;
    if (strictly ? *value <= limit : *value < limit) ++below;
  }
  return {absl::StrFormat("%s %s %.2f in every iteration", name, strictly ? "above" : "at least", limit),
              absl::StrFormat("least %.2f; missed in %d of %d", least, below, counted), Verdict(counted > 0 && below == 0)};
}

std::string TargetPart(const RunFacts& facts) {
  std::vector<HtmlCells> rows;
  if (TailSlots(facts) > 0) {
    rows.push_back(LeastOver(facts, "prewarm_override_ratio", 0.25, true));
    rows.push_back(LeastOver(facts, "tail_schedule_ratio", 0.25, false));
  }
  int64_t first = 0, ne = 0, multi = 0;
  for (const EvaluationFacts& e : facts.evaluations) {
    if (!e.gate) continue;
    ++multi;
    if (e.summary.step_one_ne_high_speed_share) ++ne;
    if (first == 0 && e.gate->event == GateEvent::kAdvance) first = e.iteration;
  }
  rows.push_back({"penalty gate up a stage by iteration 32", first > 0 ? absl::StrCat("iteration ", first) : absl::StrCat("never, after ", multi, " evaluations"),
               first > 0 && first <= 32 ? Verdict(true) : facts.iterations.size() < 32 && first == 0 ? "open" : Verdict(false)});
  rows.push_back({"step_one_ne_high_speed_share seen in at least 5 evaluations", absl::StrCat(ne, " of ", multi), Verdict(ne >= 5)});
  return absl::StrCat("<h2>Targets</h2>\n", HtmlTable({"target", {"found", kText}, ""}, rows));
}

std::vector<int64_t> PhaseStarts(const RunFacts& facts) {
  std::vector<int64_t> starts;
  auto curriculum = Curriculum::Create(facts.options);
  if (!curriculum.ok()) return starts;
  for (int64_t i = 2; i <= curriculum->total_iterations(); ++i) {
    if (curriculum->PhaseOf(i).begins_here) starts.push_back(i);
  }
  return starts;
}

ChartSeries Of(const RunFacts& facts, const char* name, const char* label) {
  ChartSeries series;
  series.label = label;
  for (const auto& iteration : facts.iterations) {
    series.points.emplace_back(iteration.value("iteration", int64_t{0}), Measured(iteration, name));
  }
  return series;
}

Chart NewChart(const RunFacts& facts, const char* title, const char* y_label) {
  Chart chart;
  chart.title = title;
  chart.y_label = y_label;
  chart.iterations = std::max<int64_t>(1, static_cast<int64_t>(facts.iterations.size()));
  chart.phases = PhaseStarts(facts);
  while (!chart.phases.empty() && chart.phases.back() > chart.iterations) chart.phases.pop_back();
  return chart;
}

std::string SurvivalPart(const RunFacts& facts) {
  Chart chart = NewChart(facts, "Survival over iterations", "share of fish alive at the end");
  chart.series.push_back(Of(facts, "survival_rate", "training"));
  ChartSeries evaluated{{}, "multi-evaluation", true};
  for (const EvaluationFacts& e : facts.evaluations) {
    if (e.gate) evaluated.points.emplace_back(e.iteration, e.summary.avg_final_survival_rate);
  }
  chart.series.push_back(evaluated);
  return absl::StrCat("<h2>Survival</h2>\n", ChartSvg(chart), "<p class=\"small\">Upright lines: the phases of the curriculum begin.</p>\n");
}

std::string Misses(const GateRecord& gate) {
  std::vector<std::string> misses;
  for (const GateCriterion& c : gate.criteria) {
    const bool failure = c.name.substr(0, 8) == "failure_";
    if (!c.on || c.held == !failure) continue;
    misses.push_back(c.value ? absl::StrFormat("%s %.4g against %.6g", c.name, *c.value, c.threshold) : absl::StrFormat("%s not known yet", c.name));
  }
  std::string text;
  for (const std::string& miss : misses) absl::StrAppend(&text, text.empty() ? "" : "; ", miss);
  return text;
}

std::string SchedulePart(const RunFacts& facts) {
  Chart penalty = NewChart(facts, "Density penalty and entropy coefficient", "coefficient");
  penalty.series = {Of(facts, "density_penalty_coef", "density penalty"), Of(facts, "entropy_coef", "entropy")};
  Chart boost = NewChart(facts, "Escape boost", "share of the top speed");
  boost.series = {Of(facts, "escape_boost_speed", "escape boost")};
  std::vector<HtmlCells> rows;
  for (const EvaluationFacts& e : facts.evaluations) {
    if (!e.gate) continue;
    rows.push_back({absl::StrCat(e.iteration), std::string(GateEventName(e.gate->event)), absl::StrCat(e.gate->stage), absl::StrCat(e.gate->success_streak),
                    absl::StrCat(e.gate->freeze_until), HtmlText(Misses(*e.gate))});
  }
  return absl::StrCat("<h2>Schedules</h2>\n", ChartSvg(penalty), ChartSvg(boost), "<h2>Penalty gate</h2>\n",
                      rows.empty() ? "<p>It was not asked yet.</p>\n"
                                   : HtmlTable({"iteration", {"event", kText}, "stage", "successes", "frozen until", {"what failed or was missing", kText}}, rows));
}

std::string TailPart(const RunFacts& facts) {
  if (TailSlots(facts) == 0) return "<h2>Tail queue</h2><p>This run has none.</p>\n";
  std::vector<HtmlCells> rows;
  int64_t begin = 0;
  for (size_t k = 0; k < facts.tail_stages.size(); ++k) {
    const TailStageSpec& stage = facts.tail_stages[k];
    int64_t used = 0;
    for (int64_t slots : facts.tail_used) used += std::clamp<int64_t>(slots - begin, 0, stage.iterations);
    begin += stage.iterations;
    const int64_t all = stage.iterations * facts.options.num_envs();
    rows.push_back({absl::StrCat(k + 1, " (", HtmlText(stage.path.substr(stage.path.rfind('/') + 1)), ")"), Thousands(all), Thousands(used),
                 absl::StrFormat("%.1f %%", all > 0 ? 100.0 * static_cast<double>(used) / static_cast<double>(all) : 0)});
  }
  Chart chart = NewChart(facts, "Use of the tail queue", "ratio");
  chart.level = 0.25;
  chart.series = {Of(facts, "tail_schedule_ratio", "used / planned so far"), Of(facts, "prewarm_override_ratio", "overrides / episodes begun")};
  return absl::StrCat("<h2>Tail queue</h2>\n", HtmlTable({"stage", "slots", "used", "share"}, rows), "<p class=\"small\">", Thousands(TailSlotsTaken(facts)),
                      " slots were taken in all; after refills and loops that can be more than the stages show as used. Dashed: 0.25.</p>\n", ChartSvg(chart));
}

std::string HotSpotPart(const RunFacts& facts) {
  Chart chart = NewChart(facts, "NE share of step-one deaths", "share of step-one deaths");
  chart.level = 0.1;
  ChartSeries training = Of(facts, "step_one_ne_high_speed_share", "training");
  ChartSeries evaluated{{}, "multi-evaluation", true};
  for (const EvaluationFacts& e : facts.evaluations) {
    if (e.gate) evaluated.points.emplace_back(e.iteration, e.summary.step_one_ne_high_speed_share);
  }
  chart.series = {training, evaluated};
  return absl::StrCat("<h2>NE share: step-one deaths by a fast predator from 90-150 degrees</h2>\n", ChartSvg(chart),
                      "<p class=\"small\">Broken where an iteration had no step-one death. Dashed: 0.1.</p>\n");
}

std::string VideoHtml(const RunFacts& facts, const ReportVideo& video) {
  std::string caption = absl::StrCat("iteration ", video.iteration, ", scene ", video.scene + 1);
  for (const EvaluationFacts& e : facts.evaluations) {
    if (!e.gate || e.iteration != video.iteration || video.scene < 0 || video.scene >= static_cast<int>(e.summary.final_survival.size())) continue;
    absl::StrAppendFormat(&caption, ": %.1f %% alive at the end", 100 * e.summary.final_survival[video.scene]);
  }
  if (!video.bytes.empty()) {
    return absl::StrCat("<figure><video controls=\"controls\" muted=\"muted\" playsinline=\"playsinline\" preload=\"metadata\" src=\"data:video/mp4;base64,",
                        absl::Base64Escape(video.bytes), "\"></video><figcaption>", caption, "</figcaption></figure>\n");
  }
  if (video.link.empty()) return absl::StrCat("<p class=\"small\">", caption, ": not in this page, which holds only so many bytes</p>\n");
  return absl::StrCat("<p class=\"small\"><a href=\"", HtmlText(video.link), "\">", caption, "</a> (beside this page)</p>\n");
}

std::string VideosPart(const RunFacts& facts, const std::vector<ReportVideo>& videos) {
  // What is in the page first, then the links.
  std::string inside, beside;
  for (const ReportVideo& video : videos) (video.bytes.empty() ? beside : inside) += VideoHtml(facts, video);
  if (!inside.empty()) inside = absl::StrCat("<div class=\"videos\">\n", inside, "</div>\n");
  return absl::StrCat(inside, beside);
}

std::string WorstPart(const RunFacts& facts, const std::vector<ReportVideo>& videos) {
  std::vector<HtmlCells> rows;
  for (const EvaluationFacts& e : facts.evaluations) {
    for (const int32_t scene : WorstScenes(e.summary, 2)) {
      rows.push_back({HtmlText(e.kind), absl::StrCat(e.iteration), absl::StrCat(scene + 1), absl::StrCat(e.summary.episode_seeds[scene]),
                   absl::StrFormat("%.3f", e.summary.final_survival[scene])});
    }
  }
  if (rows.empty()) return "";
  return absl::StrCat("<h2>Worst scenes</h2>\n", HtmlTable({"kind", "iteration", "scene", "seed", "survival"}, rows), VideosPart(facts, videos));
}

}  // namespace

std::string ReportPage(const RunFacts& facts, const std::vector<ReportVideo>& videos) {
  const int64_t done = static_cast<int64_t>(facts.iterations.size());
  return HtmlPage(
      facts.info.name,
      absl::StrCat("<p class=\"small\">", RunStateName(facts.info.status), ", ", done, " of ", facts.options.total_iterations(), " iterations; begun ",
                   FormatTimestamp(facts.info.created_at), "; seed ", facts.options.seed(), "; ", HtmlText(facts.info.build), "</p>\n", DiagnosisPart(facts),
                   TargetPart(facts), EvaluationPart(facts), SurvivalPart(facts), SchedulePart(facts), TailPart(facts), HotSpotPart(facts),
                   WorstPart(facts, videos), OptionsPart(facts)));
}

}  // namespace shoal
