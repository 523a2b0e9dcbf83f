// Gnuplot commands in the one look of all plots. Private to this folder; pure, one thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/artifacts/gnuplot.h"
#include "coordinator/artifacts/run_facts.h"

namespace shoal {

// Colours of series, the same as in report.html.
inline constexpr char kBlue[] = "#0b6fa4";
inline constexpr char kOrange[] = "#c8551b";
inline constexpr char kGreen[] = "#2f8f4e";
inline constexpr char kPurple[] = "#7a4fa3";
inline constexpr char kRed[] = "#b3261e";
inline constexpr char kGrey[] = "#7b8894";
inline constexpr char kInk[] = "#1b2530";

// The height of a plot's data; above it, to kGateTop times it, is the strip of the gate's events.
inline constexpr double kGateMark = 1.06;
inline constexpr double kGateTop = 1.12;

// What one panel shows against iterations.
struct Panel {
  std::string title;
  std::string y_label;
  // From 0 to this.
  double y_max = 1;
  // A second axis on the right, if it has a label.
  std::string y2_label{};
  double y2_max = 1;
  // The strip of the gate's events above the data.
  bool gate_events = true;
  // Names of the phases above the panel.
  bool phase_names = true;
};

class PlotScript {
 public:
  explicit PlotScript(const RunFacts& facts) : facts_(facts) {}

  // Axes, grid, legend below, phase boundaries. Series follow, then DrawPanel().
  void BeginPanel(const Panel& panel);

  // The same without any commands, for a panel that is not of iterations.
  void BeginPlain();

  // Rows of values as they are, one block a series; `style` is gnuplot's, with colours and axes.
  void Series(const std::vector<std::string>& rows, const std::string& columns,
              const std::string& style, const std::string& legend);
  // A measurement by iteration; broken where it was not measured. False, and nothing is added,
  // where it never was.
  bool Measurement(const char* name, const std::string& style, const std::string& legend,
                   double factor = 1);
  // A level across the panel, dashed.
  void Level(double value, const std::string& legend, const char* colour = kRed);
  // Ends a panel: the gate's events and everything added are drawn.
  void DrawPanel();

  void Add(const std::string& command) { text_ += command + "\n"; }
  const std::string& text() const { return text_; }

 private:
  void Phases(const Panel& panel);
  void GateEvents();

  const RunFacts& facts_;
  std::string text_;
  std::vector<std::string> plots_;
  Panel panel_;
  int blocks_ = 0;
};

// "pngcairo" with size and font.
std::string PngTerminal(int width, int height);

// The smallest round number that is not below the value; 1 for nothing.
double RoundUpTo(double value);
// The greatest of a measurement, and of `least`.
double GreatestOf(const RunFacts& facts, const char* name, double least = 0);

}  // namespace shoal
