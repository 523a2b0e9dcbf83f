#include "coordinator/artifacts/report_svg.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "coordinator/artifacts/html.h"

namespace shoal {
namespace {

// In the drawing's own units; it is scaled to its place.
constexpr double kWidth = 640, kHeight = 230;
constexpr double kLeft = 72, kRight = 12, kTop = 44, kBottom = 36;
constexpr const char* kColours[] = {"#0b6fa4", "#c8551b", "#2f8f4e", "#7a4fa3"};

struct Scale {
  double x_max, y_max;
  double X(double x) const { return kLeft + (kWidth - kLeft - kRight) * x / x_max; }
  double Y(double y) const { return kHeight - kBottom - (kHeight - kTop - kBottom) * y / y_max; }
};

// The smallest of 1, 2, 2.5, 5, 10 times a power of ten that is not below the value.
double RoundUp(double value) {
  if (value <= 0) return 1;
  const double power = std::pow(10, std::floor(std::log10(value)));
  for (double factor : {1.0, 2.0, 2.5, 5.0}) {
    if (factor * power >= value - 1e-12) return factor * power;
  }
  return 10 * power;
}

void Line(double x1, double y1, double x2, double y2, const char* style, std::string& svg) {
  absl::StrAppendFormat(&svg, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" %s/>", x1, y1, x2, y2, style);
}

void Text(double x, double y, const char* anchor, const std::string& text, std::string& svg) {
  absl::StrAppendFormat(&svg, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>", x, y, anchor, HtmlText(text));
}

void Axes(const Chart& chart, const Scale& scale, std::string& svg) {
  for (int i = 0; i <= 4; ++i) {
    const double value = scale.y_max * i / 4;
    Line(kLeft, scale.Y(value), kWidth - kRight, scale.Y(value), "stroke=\"#8884\"", svg);
    Text(kLeft - 6, scale.Y(value) + 4, "end", absl::StrFormat("%.3g", value), svg);
  }
  for (int64_t phase : chart.phases) {
    Line(scale.X(static_cast<double>(phase)), kTop, scale.X(static_cast<double>(phase)), kHeight - kBottom,
         "stroke=\"#8888\" stroke-dasharray=\"2 3\"", svg);
  }
  const int64_t step = std::max<int64_t>(1, static_cast<int64_t>(RoundUp(static_cast<double>(chart.iterations) / 6)));
  for (int64_t x = 0; x <= chart.iterations; x += step) {
    Text(scale.X(static_cast<double>(x)), kHeight - kBottom + 16, "middle", absl::StrCat(x), svg);
  }
  Text((kLeft + kWidth - kRight) / 2, kHeight - 4, "middle", "iteration", svg);
  Text(4, 14, "start", chart.y_label, svg);
  if (chart.level) {
    Line(kLeft, scale.Y(*chart.level), kWidth - kRight, scale.Y(*chart.level), "stroke=\"#b00\" stroke-dasharray=\"6 4\"", svg);
  }
}

void Draw(const ChartSeries& series, const char* colour, const Scale& scale, std::string& svg) {
  std::string path;
  bool pen_down = false;
  for (const auto& [x, y] : series.points) {
    if (!y) {
      pen_down = false;
      continue;
    }
    const double px = scale.X(static_cast<double>(x)), py = scale.Y(*y);
    absl::StrAppendFormat(&path, "%s%.1f %.1f", pen_down ? "L" : "M", px, py);
    pen_down = true;
    if (series.dots) absl::StrAppendFormat(&svg, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\"/>", px, py, colour);
  }
  if (!series.dots && !path.empty()) {
    absl::StrAppendFormat(&svg, "<path d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-linecap=\"round\"/>", path, colour);
  }
}

}  // namespace

std::string ChartSvg(const Chart& chart) {
  double most = chart.level.value_or(0);
  for (const ChartSeries& series : chart.series) {
    for (const auto& point : series.points) most = std::max(most, point.second.value_or(0));
  }
  const Scale scale{static_cast<double>(std::max<int64_t>(1, chart.iterations)), RoundUp(most)};
  std::string svg = absl::StrFormat("<svg viewBox=\"0 0 %g %g\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\"><title>%s</title>", kWidth,
                                    kHeight, HtmlText(chart.title));
  Axes(chart, scale, svg);
  double legend = kLeft;
  for (size_t i = 0; i < chart.series.size(); ++i) {
    const char* colour = kColours[i % std::size(kColours)];
    Draw(chart.series[i], colour, scale, svg);
    absl::StrAppendFormat(&svg, "<rect x=\"%.1f\" y=\"24\" width=\"12\" height=\"8\" fill=\"%s\"/>", legend, colour);
    Text(legend + 17, 33, "start", chart.series[i].label, svg);
    legend += 30 + 11.0 * static_cast<double>(chart.series[i].label.size());
  }
  return absl::StrCat(svg, "</svg>\n");
}

}  // namespace shoal
