#include "actor/media/frame.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "absl/strings/str_format.h"
#include "actor/world/constants.h"

namespace shoal {
namespace {

// The stage below two lines of text and the time line.
constexpr double kCenterX = 400, kCenterY = 436, kScale = 34.4;
constexpr double kMargin = 28;
constexpr double kTimeLineY = 74;
constexpr double kFishLength = 0.36, kFishWidth = 0.17, kPredatorRadius = 0.5;
constexpr size_t kTrailLength = 40;
// A dead fish is bright at first, and fades to a mark that stays.
constexpr double kFadeFrames = 50;
constexpr const char* kFont = "DejaVu Sans";

struct Color {
  double red, green, blue;
};
constexpr Color kPage{0.055, 0.075, 0.105};
constexpr Color kWaterInner{0.13, 0.25, 0.36}, kWaterOuter{0.085, 0.165, 0.25};
constexpr Color kRim{0.42, 0.56, 0.68};
constexpr Color kText{0.93, 0.95, 0.97}, kQuietText{0.60, 0.67, 0.74};
constexpr Color kFish{0.45, 0.86, 0.91};
constexpr Color kDead{1.0, 0.42, 0.42};
constexpr Color kPredator{1.0, 0.62, 0.16};
constexpr Color kBadge{0.98, 0.80, 0.20};

void SetColor(cairo_t* c, const Color& color, double alpha = 1) {
  cairo_set_source_rgba(c, color.red, color.green, color.blue, alpha);
}

void SetFont(cairo_t* c, double size, bool bold) {
  cairo_select_font_face(c, kFont, CAIRO_FONT_SLANT_NORMAL,
                         bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size(c, size);
}

double Width(cairo_t* c, const std::string& text) {
  cairo_text_extents_t extents;
  cairo_text_extents(c, text.c_str(), &extents);
  return extents.x_advance;
}

// A quiet word and its value, from x on. Values change their width from frame to frame, so each
// pair has a place of its own.
void DrawFigure(cairo_t* c, double x, const char* word, const std::string& value) {
  SetFont(c, 17, false);
  SetColor(c, kQuietText);
  cairo_move_to(c, x, 34);
  cairo_show_text(c, word);
  const double after = x + Width(c, word) + 8;
  SetFont(c, 20, true);
  SetColor(c, kText);
  cairo_move_to(c, after, 34);
  cairo_show_text(c, value.c_str());
}

// The text, or as much of it as fits.
std::string Fitting(cairo_t* c, std::string text, double width) {
  if (Width(c, text) <= width) return text;
  while (!text.empty() && Width(c, text + "...") > width) {
    // A whole UTF-8 character at a time.
    do {
      const bool inside = (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80;
      text.pop_back();
      if (!inside) break;
    } while (!text.empty());
  }
  return text + "...";
}

// A drop with its point where it swims to, around the origin towards +x.
void FishPath(cairo_t* c) {
  const double l = kFishLength * kScale, w = kFishWidth * kScale;
  cairo_move_to(c, l, 0);
  cairo_curve_to(c, l * 0.45, -w, -l * 0.2, -w, -l * 0.4, -w * 0.25);
  cairo_line_to(c, -l, -w * 0.95);
  cairo_line_to(c, -l * 0.75, 0);
  cairo_line_to(c, -l, w * 0.95);
  cairo_line_to(c, -l * 0.4, w * 0.25);
  cairo_curve_to(c, -l * 0.2, w, l * 0.45, w, l, 0);
  cairo_close_path(c);
}

}  // namespace

std::array<double, 2> FramePainter::PixelOf(float x, float y) {
  return {kCenterX + kScale * x, kCenterY - kScale * y};
}

FramePainter::FramePainter(FrameText text)
    : text_(std::move(text)),
      background_(cairo_image_surface_create(CAIRO_FORMAT_RGB24, kFrameSize, kFrameSize)),
      surface_(cairo_image_surface_create(CAIRO_FORMAT_RGB24, kFrameSize, kFrameSize)),
      context_(cairo_create(surface_.get())) {
  // A frame stands for a thirtieth of a second: half the drawing for shapes that no eye tells apart.
  cairo_set_antialias(context_.get(), CAIRO_ANTIALIAS_FAST);
  cairo_set_tolerance(context_.get(), 0.25);
  DrawBackground();
}

const uint8_t* FramePainter::pixels() const { return cairo_image_surface_get_data(surface_.get()); }
int FramePainter::stride() const { return cairo_image_surface_get_stride(surface_.get()); }

void FramePainter::DrawBackground() {
  const Context context(cairo_create(background_.get()));
  cairo_t* c = context.get();
  SetColor(c, kPage);
  cairo_paint(c);
  const double radius = kStageRadius * kScale;
  cairo_pattern_t* water =
      cairo_pattern_create_radial(kCenterX, kCenterY, 0, kCenterX, kCenterY, radius);
  cairo_pattern_add_color_stop_rgb(water, 0, kWaterInner.red, kWaterInner.green, kWaterInner.blue);
  cairo_pattern_add_color_stop_rgb(water, 1, kWaterOuter.red, kWaterOuter.green, kWaterOuter.blue);
  cairo_arc(c, kCenterX, kCenterY, radius, 0, 2 * std::numbers::pi);
  cairo_set_source(c, water);
  cairo_fill_preserve(c);
  cairo_pattern_destroy(water);
  SetColor(c, kRim);
  cairo_set_line_width(c, 2.5);
  cairo_stroke(c);

  const double right = kFrameSize - kMargin;
  double room = right - kMargin;
  if (text_.tail_injected) {
    const std::string badge = "TAIL SEED";
    SetFont(c, 14, true);
    const double width = Width(c, badge) + 20;
    SetColor(c, kBadge);
    cairo_rectangle(c, right - width, 44, width, 22);
    cairo_fill(c);
    SetColor(c, kPage);
    cairo_move_to(c, right - width + 10, 60);
    cairo_show_text(c, badge.c_str());
    room -= width + 12;
  }
  SetFont(c, 15, false);
  SetColor(c, kQuietText);
  cairo_move_to(c, kMargin, 60);
  cairo_show_text(c, Fitting(c, text_.title, room).c_str());
  cairo_surface_flush(background_.get());
}

void FramePainter::Draw(const EnvironmentState& state) {
  const int num_fish = static_cast<int>(state.x.size());
  heading_.resize(num_fish, 0);
  dead_since_.resize(num_fish, -1);
  cairo_t* c = context_.get();
  cairo_set_source_surface(c, background_.get(), 0, 0);
  cairo_paint(c);
  int alive = 0;
  for (int fish = 0; fish < num_fish; ++fish) {
    if (state.vx[fish] != 0 || state.vy[fish] != 0) {
      heading_[fish] = std::atan2(state.vy[fish], state.vx[fish]);
    }
    if (state.death_step[fish] == 0) {
      ++alive;
    } else {
      if (dead_since_[fish] < 0) dead_since_[fish] = frames_;
      DrawDeadFish(state, fish);
    }
  }
  DrawPredator(state);
  // Above the predator: a fish that lives inside its circle would be news.
  DrawLivingFish(state);
  DrawHeader(state, alive);
  DrawTimeLine(state);
  cairo_surface_flush(surface_.get());
  ++frames_;
}

void FramePainter::DrawDeadFish(const EnvironmentState& state, int fish) {
  cairo_t* c = context_.get();
  const auto [x, y] = PixelOf(state.x[fish], state.y[fish]);
  const double age = std::min(1.0, (frames_ - dead_since_[fish]) / kFadeFrames);
  cairo_save(c);
  cairo_translate(c, x, y);
  cairo_rotate(c, -heading_[fish]);
  SetColor(c, kDead, 1 - age);
  FishPath(c);
  cairo_fill(c);
  cairo_restore(c);
  // The cross stays, faintly.
  SetColor(c, kDead, 0.9 - 0.55 * age);
  cairo_set_line_width(c, 1.8);
  const double arm = 4.5;
  cairo_move_to(c, x - arm, y - arm);
  cairo_line_to(c, x + arm, y + arm);
  cairo_move_to(c, x - arm, y + arm);
  cairo_line_to(c, x + arm, y - arm);
  cairo_stroke(c);
}

// One path for all: a fill costs more than a fish.
void FramePainter::DrawLivingFish(const EnvironmentState& state) {
  cairo_t* c = context_.get();
  for (size_t fish = 0; fish < state.x.size(); ++fish) {
    if (state.death_step[fish] != 0) continue;
    const auto [x, y] = PixelOf(state.x[fish], state.y[fish]);
    cairo_save(c);
    cairo_translate(c, x, y);
    cairo_rotate(c, -heading_[fish]);
    FishPath(c);
    cairo_restore(c);
  }
  SetColor(c, kFish);
  cairo_fill(c);
}

void FramePainter::DrawPredator(const EnvironmentState& state) {
  cairo_t* c = context_.get();
  const auto [x, y] = PixelOf(state.predator.x, state.predator.y);
  if (trail_.empty() || trail_.back() != std::array<double, 2>{x, y}) trail_.push_back({x, y});
  if (trail_.size() > kTrailLength) trail_.pop_front();
  cairo_set_line_cap(c, CAIRO_LINE_CAP_BUTT);
  for (size_t i = 1; i < trail_.size(); ++i) {
    const double share = static_cast<double>(i) / trail_.size();
    SetColor(c, kPredator, 0.55 * share);
    cairo_set_line_width(c, 2 + 6 * share);
    cairo_move_to(c, trail_[i - 1][0], trail_[i - 1][1]);
    cairo_line_to(c, trail_[i][0], trail_[i][1]);
    cairo_stroke(c);
  }
  // A fish whose centre comes within this circle is caught.
  const double dash[] = {5, 4};
  cairo_set_dash(c, dash, 2, 0);
  SetColor(c, kPredator, 0.85);
  cairo_set_line_width(c, 1.5);
  cairo_arc(c, x, y, kCaptureDistance * kScale, 0, 2 * std::numbers::pi);
  cairo_stroke(c);
  cairo_set_dash(c, nullptr, 0, 0);
  SetColor(c, kPredator);
  cairo_arc(c, x, y, kPredatorRadius * kScale, 0, 2 * std::numbers::pi);
  cairo_fill(c);
  // Where it goes: a notch from the centre to the edge of its body.
  const double speed = std::hypot(state.predator.vx, state.predator.vy);
  if (!(speed > 0)) return;
  const double length = kPredatorRadius * kScale;
  SetColor(c, kPage, 0.85);
  cairo_set_line_width(c, 3);
  cairo_move_to(c, x, y);
  cairo_line_to(c, x + length * state.predator.vx / speed, y - length * state.predator.vy / speed);
  cairo_stroke(c);
}

void FramePainter::DrawHeader(const EnvironmentState& state, int alive) {
  const int num_fish = static_cast<int>(state.x.size());
  cairo_t* c = context_.get();
  DrawFigure(c, kMargin, "step", absl::StrFormat("%d / %d", state.step, text_.max_steps));
  DrawFigure(c, 286, "alive", absl::StrFormat("%d / %d", alive, num_fish));
  DrawFigure(c, 560, "survival",
             absl::StrFormat("%.1f %%", num_fish > 0 ? 100.0 * alive / num_fish : 0.0));
}

// How far the scene is, and when fish died.
void FramePainter::DrawTimeLine(const EnvironmentState& state) {
  cairo_t* c = context_.get();
  const double width = kFrameSize - 2 * kMargin;
  const double per_step = width / std::max(1, text_.max_steps);
  SetColor(c, kQuietText, 0.25);
  cairo_rectangle(c, kMargin, kTimeLineY, width, 4);
  cairo_fill(c);
  SetColor(c, kFish, 0.8);
  cairo_rectangle(c, kMargin, kTimeLineY, per_step * std::min(state.step, text_.max_steps), 4);
  cairo_fill(c);
  SetColor(c, kDead);
  for (const int32_t step : state.death_step) {
    if (step > 0) cairo_rectangle(c, kMargin + per_step * step - 1, kTimeLineY - 2, 2, 8);
  }
  cairo_fill(c);
}

}  // namespace shoal
