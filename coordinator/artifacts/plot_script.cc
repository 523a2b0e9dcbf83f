#include "coordinator/artifacts/plot_script.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "coordinator/artifacts/diagnosis.h"
#include "coordinator/schedule/curriculum.h"

namespace shoal {
namespace {

struct EventLook {
  GateEvent event;
  // Gnuplot's point type.
  int point;
  const char* colour;
};

// Triangles for a gate that moves, a cross for a failure, circles for what changes nothing.
constexpr EventLook kEventLooks[] = {
    {GateEvent::kAdvance, 9, kGreen},          {GateEvent::kSuccessProgress, 7, kGreen},
    {GateEvent::kRollback, 11, kRed},          {GateEvent::kFailureHold, 2, kRed},
    {GateEvent::kLocked, 5, kGrey},            {GateEvent::kFrozen, 7, "#6ba8d6"},
    {GateEvent::kNoop, 6, kGrey},
};

}  // namespace

std::string PngTerminal(int width, int height) {
  return absl::StrFormat(
      "pngcairo noenhanced size %d,%d font 'DejaVu Sans,12' linewidth 1.3 background '#ffffff'",
      width, height);
}

double RoundUpTo(double value) {
  if (!(value > 0)) return 1;
  const double power = std::pow(10, std::floor(std::log10(value)));
  for (double factor : {1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0}) {
    if (factor * power >= value * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

double GreatestOf(const RunFacts& facts, const char* name, double least) {
  for (const auto& iteration : facts.iterations) {
    least = std::max(least, Measured(iteration, name).value_or(least));
  }
  return least;
}

void PlotScript::BeginPlain() {
  panel_ = Panel();
  panel_.gate_events = false;
  plots_.clear();
}

void PlotScript::BeginPanel(const Panel& panel) {
  BeginPlain();
  panel_ = panel;
  const double last = static_cast<double>(std::max<size_t>(1, facts_.iterations.size()));
  Add("unset label\nunset arrow\nunset y2tics\nunset y2label");
  Add("set datafile missing 'NaN'");
  absl::StrAppendFormat(&text_, "set border %d lw 1 lc rgb '#9aa5b0'\n",
                        panel.y2_label.empty() ? 3 : 11);
  Add("set tics nomirror out scale 0.6 textcolor rgb '#44505c'");
  Add("set grid ytics lc rgb '#e3e8ed' lw 1 lt 1");
  Add(absl::StrFormat("set key bmargin center horizontal Left reverse samplen 2.2 width 2 textcolor rgb '%s'",
                      kInk));
  Add(absl::StrFormat("set title %s font ',15' textcolor rgb '%s' offset 0,%g",
                      GnuplotText(panel.title), kInk, panel.phase_names ? 1.6 : 0.0));
  Add(absl::StrFormat("set tmargin %g", panel.phase_names ? 5.5 : 2.5));
  Add("set lmargin 11\nset rmargin 11\nset bmargin 7.5");
  Add(absl::StrFormat("set xlabel 'iteration' offset 0,0.4 textcolor rgb '%s'", kInk));
  Add(absl::StrFormat("set xrange [0:%.6g]", last + 0.5));
  Add(absl::StrFormat("set ylabel %s textcolor rgb '%s'", GnuplotText(panel.y_label), kInk));
  const double top = panel.gate_events ? kGateTop : 1.02;
  Add(absl::StrFormat("set yrange [0:%.9g]", panel.y_max * top));
  // No mark of the axis in the strip above the data.
  Add(absl::StrFormat("set ytics 0,%.9g,%.9g", panel.y_max / 5, panel.y_max * 1.001));
  if (!panel.y2_label.empty()) {
    Add(absl::StrFormat("set y2label %s textcolor rgb '%s'", GnuplotText(panel.y2_label), kInk));
    Add(absl::StrFormat("set y2range [0:%.9g]", panel.y2_max * top));
    Add(absl::StrFormat("set y2tics 0,%.9g,%.9g", panel.y2_max / 5, panel.y2_max * 1.001));
  }
  Phases(panel);
}

void PlotScript::Phases(const Panel& panel) {
  auto curriculum = Curriculum::Create(facts_.options);
  if (!curriculum.ok()) return;
  const int64_t last = static_cast<int64_t>(facts_.iterations.size());
  for (int64_t i = 1; i <= last;) {
    const Phase phase = curriculum->PhaseOf(i);
    if (i > 1) {
      Add(absl::StrFormat("set arrow from %.1f,graph 0 to %.1f,graph 1 nohead dt 2 lw 1 "
                          "lc rgb '#9aa5b0' back", static_cast<double>(i) - 0.5, static_cast<double>(i) - 0.5));
    }
    if (panel.phase_names) {
      const double middle = 0.5 * static_cast<double>(i + std::min(last, phase.last_iteration));
      Add(absl::StrFormat("set label \"phase %d\\n%d fish\" at %.2f,graph 1.065 center font ',10' "
                          "textcolor rgb '#55626e'", phase.phase, phase.num_fish, middle));
    }
    i = phase.last_iteration + 1;
  }
}

void PlotScript::Series(const std::vector<std::string>& rows, const std::string& columns,
                        const std::string& style, const std::string& legend) {
  const std::string block = absl::StrCat("$data", ++blocks_);
  absl::StrAppend(&text_, block, " << EOD\n", absl::StrJoin(rows, "\n"), "\nEOD\n");
  plots_.push_back(absl::StrCat(block, " using ", columns, " with ", style,
                                legend.empty() ? " notitle" : " title ",
                                legend.empty() ? "" : GnuplotText(legend)));
}

bool PlotScript::Measurement(const char* name, const std::string& style, const std::string& legend,
                             double factor) {
  std::vector<std::string> rows;
  bool any = false;
  for (const auto& iteration : facts_.iterations) {
    const auto value = Measured(iteration, name);
    any = any || value.has_value();
    // An empty line breaks gnuplot's lines.
    rows.push_back(value ? absl::StrFormat("%d %.9g", iteration.value("iteration", int64_t{0}),
                                           *value * factor)
                         : "");
  }
  if (any) Series(rows, "1:2", style, legend);
  return any;
}

void PlotScript::Level(double value, const std::string& legend, const char* colour) {
  plots_.push_back(absl::StrFormat("%.9g with lines dt 2 lw 1.2 lc rgb '%s' title %s", value, colour,
                                   GnuplotText(legend)));
}

void PlotScript::GateEvents() {
  for (const EventLook& look : kEventLooks) {
    std::vector<std::string> rows;
    for (const EvaluationFacts& e : facts_.evaluations) {
      if (!e.gate || e.gate->event != look.event) continue;
      rows.push_back(absl::StrFormat("%d %.9g", e.iteration, panel_.y_max * kGateMark));
    }
    if (rows.empty()) continue;
    Series(rows, "1:2", absl::StrFormat("points pt %d ps 1.5 lw 2 lc rgb '%s'", look.point, look.colour),
           absl::StrCat("gate: ", std::string(GateEventName(look.event))));
  }
}

void PlotScript::DrawPanel() {
  if (panel_.gate_events) GateEvents();
  absl::StrAppend(&text_, "plot ", absl::StrJoin(plots_, ", \\\n  "), "\n");
}

}  // namespace shoal
