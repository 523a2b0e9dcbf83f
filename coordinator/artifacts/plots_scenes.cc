#include "coordinator/artifacts/plots_scenes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "coordinator/artifacts/diagnosis.h"
#include "coordinator/artifacts/plot_script.h"
#include "coordinator/evaluation/step_one.h"

namespace shoal {
namespace {

constexpr int kSectors = 12;
// The lowest speed of the bins that count as fast: the first whose upper edge is at least 1.8.
constexpr double kFastFrom = 1.6;
constexpr int kBinSteps = 20;

constexpr char kFootnote[] =
    "set label 99 'Share of the deaths. Headings counter-clockwise from +x; shaded: 90 to 150 degrees, whose fast part is the NE share.' "
    "at screen 0.5,0.035 center font ',11' textcolor rgb '#1b2530'";

// Step-one deaths by the predator's heading, slow and fast.
struct Headings {
  std::array<double, kSectors> slow{};
  std::array<double, kSectors> fast{};
  double total = 0;

  void Add(double angle_start, double speed_start, double count) {
    const int sector = static_cast<int>(std::lround(angle_start / kClusterAngleDegrees));
    if (sector < 0 || sector >= kSectors) return;
    (speed_start > kFastFrom - 1e-9 ? fast : slow)[sector] += count;
    total += count;
  }
  // The greatest share of a sector.
  double Greatest() const {
    double most = 0;
    for (int i = 0; i < kSectors; ++i) most = std::max(most, slow[i] + fast[i]);
    return total > 0 ? most / total : 0;
  }
};

Headings TrainingHeadings(const RunFacts& facts) {
  Headings headings;
  for (const auto& iteration : facts.iterations) {
    const auto summary = iteration.find("step_one_clusters");
    if (summary == iteration.end() || !summary->is_object()) continue;
    for (const auto& cluster : summary->value("clusters", nlohmann::ordered_json::array())) {
      headings.Add(cluster.value("angle_deg_start", -1.0), cluster.value("speed_bin_start", 0.0), cluster.value("count", 0.0));
    }
  }
  return headings;
}

Headings EvaluatedHeadings(const RunFacts& facts) {
  Headings headings;
  for (const EvaluationFacts& e : facts.evaluations) {
    if (!e.gate) continue;
    for (const VelocityCluster& cluster : SummarizeStepOne(VelocitiesOf(e.summary.step_one_deaths)).clusters) {
      headings.Add(cluster.angle_deg_start, cluster.speed_bin_start, static_cast<double>(cluster.count));
    }
  }
  return headings;
}

std::string Point(double radius, double degrees) {
  const double angle = degrees * std::numbers::pi / 180;
  return absl::StrFormat("%.6g %.6g", radius * std::cos(angle), radius * std::sin(angle));
}

// The part of a sector between two radii, as a polygon.
std::vector<std::string> Wedge(int sector, double inner, double outer) {
  std::vector<std::string> points;
  const double begin = sector * kClusterAngleDegrees + 1, end = (sector + 1) * kClusterAngleDegrees - 1;
  for (double a = begin; a <= end; a += 2) points.push_back(Point(outer, a));
  for (double a = end; a >= begin; a -= 2) points.push_back(Point(inner, a));
  return points;
}

void Wedges(const Headings& headings, bool fast, PlotScript& script) {
  std::vector<std::string> rows;
  for (int i = 0; i < kSectors; ++i) {
    const double inner = fast ? headings.slow[i] / headings.total : 0;
    const double outer = inner + (fast ? headings.fast : headings.slow)[i] / headings.total;
    if (outer <= inner) continue;
    const auto wedge = Wedge(i, inner, outer);
    rows.insert(rows.end(), wedge.begin(), wedge.end());
    rows.push_back("");
  }
  // A legend even where there is no such death.
  if (rows.empty()) rows.push_back("NaN NaN");
  script.Series(rows, "1:2", absl::StrFormat("filledcurves closed fs solid 1 noborder lc rgb '%s'", fast ? kOrange : kBlue),
                fast ? "predator at 1.6 or faster" : "predator slower than 1.6");
}

void HeadingPanel(const Headings& headings, const char* what, double radius, double left, PlotScript& script) {
  script.BeginPlain();
  script.Add("unset label\nunset arrow\nunset object\nunset border\nunset tics\nset size ratio -1");
  script.Add(absl::StrFormat("set lmargin at screen %g\nset rmargin at screen %g\nset tmargin at screen 0.84\nset bmargin at screen 0.16", left, left + 0.43));
  const double edge = radius * 1.18;
  script.Add(absl::StrFormat("set xrange [%.6g:%.6g]\nset yrange [%.6g:%.6g]", -edge, edge, -edge, edge));
  script.Add(absl::StrFormat("set title %s font ',13' textcolor rgb '%s'", GnuplotText(absl::StrFormat("%s: %s deaths", what, Thousands(std::llround(headings.total)))), kInk));
  script.Add("set key at screen 0.5,0.09 center horizontal Left reverse samplen 1.6 width 2");
  // The sector that the NE share is about, behind everything.
  script.Add(absl::StrFormat("set object circle at 0,0 size %.6g arc [90:150] fs solid 0.12 noborder fc rgb '%s' back", radius, kRed));
  for (int ring = 1; ring <= 4; ++ring) {
    script.Add(absl::StrFormat("set object circle at 0,0 size %.6g fs empty border lc rgb '#c5ced6' lw 1 back", radius * ring / 4));
    script.Add(absl::StrFormat("set label '%.3g %%' at %s font ',9' textcolor rgb '#55626e' front", 100 * radius * ring / 4,
                               "first " + absl::StrJoin({absl::StrFormat("%.6g", radius * ring / 4 * std::cos(-0.26)), absl::StrFormat("%.6g", radius * ring / 4 * std::sin(-0.26))}, ", first ")));
  }
  for (int degrees = 0; degrees < 360; degrees += 30) {
    const double angle = degrees * std::numbers::pi / 180;
    script.Add(absl::StrFormat("set label '%d°' at %.6g,%.6g center font ',11' textcolor rgb '#44505c'", degrees, 1.1 * radius * std::cos(angle), 1.1 * radius * std::sin(angle)));
  }
  Wedges(headings, false, script);
  Wedges(headings, true, script);
}

}  // namespace

void AddHeadings(const RunFacts& facts, std::vector<GnuplotPicture>& pictures) {
  const Headings training = TrainingHeadings(facts), evaluated = EvaluatedHeadings(facts);
  if (training.total + evaluated.total == 0) return;
  const double radius = RoundUpTo(std::max(training.Greatest(), evaluated.Greatest()));
  PlotScript script(facts);
  script.Add(absl::StrFormat("set multiplot title %s font ',15'", GnuplotText(absl::StrCat("Step-one deaths by the predator's heading · ", facts.info.name))));
  double left = 0.04;
  bool legend = true;
  for (const auto& [headings, what] : {std::pair(&training, "Training"), std::pair(&evaluated, "Multi-evaluations")}) {
    if (headings->total > 0) {
      HeadingPanel(*headings, what, radius, left, script);
      if (legend) script.Add(kFootnote);
      else script.Add("unset key");
      legend = false;
      script.DrawPanel();
    }
    left += 0.49;
  }
  script.Add("unset multiplot");
  pictures.push_back({"step_one_heading_polar.png", PngTerminal(1200, 700), script.text()});
}

void AddDeathHistograms(const RunFacts& facts, std::vector<GnuplotPicture>& pictures) {
  for (const EvaluationFacts& e : facts.evaluations) {
    const std::string kind = e.gate ? "" : absl::StrCat(e.kind, "_");
    std::array<int64_t, kEvaluationSteps / kBinSteps> bins{};
    int64_t alive = 0;
    for (const uint32_t step : e.death_steps) {
      if (step == 0) ++alive;
      else if (step > 1) ++bins[std::min<size_t>((step - 1) / kBinSteps, bins.size() - 1)];
    }
    const int64_t one = e.summary.step_one_death_count;
    std::vector<std::string> rows;
    for (size_t b = 0; b < bins.size(); ++b) {
      rows.push_back(absl::StrFormat("%.6g %d", (static_cast<double>(b) + 0.5) * kBinSteps, bins[b]));
    }
    const double most = RoundUpTo(static_cast<double>(std::max<int64_t>({*std::max_element(bins.begin(), bins.end()), one, 5})));
    PlotScript script(facts);
    Panel panel{absl::StrFormat("When fish die · iteration %d%s · %s", e.iteration, e.gate ? "" : absl::StrCat(" (", e.kind, ")"), facts.info.name), "fish"};
    panel.y_max = most;
    panel.gate_events = panel.phase_names = false;
    script.BeginPanel(panel);
    // Phases are of iterations, and here are steps.
    script.Add("unset arrow\nset xlabel 'step of the death'\nset xrange [-15:510]\nset xtics 0,50,500\nset boxwidth 18 absolute");
    script.Series(rows, "1:2", absl::StrFormat("boxes fs solid 1 noborder lc rgb '%s'", kBlue), absl::StrCat("dead later, by ", kBinSteps, " steps"));
    script.Series({absl::StrFormat("-7 %d", one)}, "1:2:(8)", absl::StrFormat("boxes fs solid 1 noborder lc rgb '%s'", kOrange),
                  absl::StrFormat("dead at step one: %d, %d of them unavoidable", one, e.summary.step_one_unavoidable_count));
    script.Series({absl::StrFormat("%.6g 0", e.summary.p10), absl::StrFormat("%.6g %.6g", e.summary.p10, most)}, "1:2",
                  absl::StrFormat("lines dt 2 lw 1.6 lc rgb '%s'", kRed), absl::StrFormat("10th percentile: step %.1f", e.summary.p10));
    const int64_t all = std::max<int64_t>(1, static_cast<int64_t>(e.death_steps.size()));
    script.Add(absl::StrFormat("set label %s at graph 0.5,graph 0.93 center font ',13' textcolor rgb '%s'",
                               GnuplotText(absl::StrFormat("%s of %s fish alive at the end (%.1f %%)", Thousands(alive), Thousands(all),
                                                           100.0 * static_cast<double>(alive) / static_cast<double>(all))), kGreen));
    script.DrawPanel();
    pictures.push_back({absl::StrFormat("multi_eval_hist/iter%03d_%sdeath_hist.png", e.iteration, kind), PngTerminal(1000, 560), script.text()});
  }
}

}  // namespace shoal
