// One picture of a scene: the stage from above, +x to the right and +y upwards, as headings are
// counted.
#pragma once

#include <cairo.h>

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "actor/world/world.h"

namespace shoal {

// Width and height, pixels.
inline constexpr int kFrameSize = 800;

struct FrameText {
  // What is shown, for the second line: run, iteration, scene.
  std::string title;
  // The last step that will be shown; the time line ends there.
  int max_steps = 500;
  // The predator's velocity came from a tail seed.
  bool tail_injected = false;
};

// Draws the frames of one scene, in order. Not thread safe; any number may exist.
class FramePainter {
 public:
  explicit FramePainter(FrameText text);

  // Draws the state after a step (or the start). The same step again is the next frame of a scene
  // that stands still: only what fades goes on. A state that is not later than the last one begins
  // no new scene; use another painter.
  void Draw(const EnvironmentState& state);

  // The last frame: kFrameSize rows of stride() bytes, pixels B, G, R and one unused byte. Valid
  // until the next Draw.
  const uint8_t* pixels() const;
  int stride() const;

  // Where a place of the world is in a frame, pixels from the left and the top.
  static std::array<double, 2> PixelOf(float x, float y);

 private:
  struct SurfaceDeleter {
    void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
  };
  struct ContextDeleter {
    void operator()(cairo_t* context) const { cairo_destroy(context); }
  };
  using Surface = std::unique_ptr<cairo_surface_t, SurfaceDeleter>;
  using Context = std::unique_ptr<cairo_t, ContextDeleter>;

  // What all frames share.
  void DrawBackground();
  void DrawDeadFish(const EnvironmentState& state, int fish);
  void DrawLivingFish(const EnvironmentState& state);
  void DrawPredator(const EnvironmentState& state);
  void DrawHeader(const EnvironmentState& state, int alive);
  void DrawTimeLine(const EnvironmentState& state);

  const FrameText text_;
  Surface background_;
  Surface surface_;
  Context context_;
  // The predator's last places, the newest last.
  std::deque<std::array<double, 2>> trail_;
  // Heading of each fish while it had one, radians counter-clockwise from +x.
  std::vector<double> heading_;
  int64_t frames_ = 0;
  // Frame in which each fish was first seen dead; -1: not yet.
  std::vector<int64_t> dead_since_;
};

}  // namespace shoal
