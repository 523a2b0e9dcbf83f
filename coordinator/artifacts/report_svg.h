// Small charts for report.html. Private to this folder; pure and thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace shoal {

struct ChartSeries {
  // (iteration, value); where a value is missing the line is broken.
  std::vector<std::pair<int64_t, std::optional<double>>> points;
  std::string label;
  // Dots only, for what is measured now and then.
  bool dots = false;
};

struct Chart {
  std::string title;
  // Of the y axis, with its unit.
  std::string y_label;
  // Last iteration of the x axis, at least 1.
  int64_t iterations = 1;
  // First iterations of phases after the first: drawn as thin upright lines.
  std::vector<int64_t> phases;
  // A level that matters, drawn dashed.
  std::optional<double> level;
  std::vector<ChartSeries> series;
};

// An <svg> as wide as its place, from 0 to the largest value. Legend above the data.
std::string ChartSvg(const Chart& chart);

}  // namespace shoal
