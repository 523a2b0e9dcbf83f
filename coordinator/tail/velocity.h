// A predator's velocity: what a tail seed is.
#pragma once

#include <cmath>
#include <numbers>

namespace shoal {

// World units a second; x to the right, y upwards.
struct Velocity {
  double x = 0;
  double y = 0;

  friend bool operator==(const Velocity&, const Velocity&) = default;
};

// No predator of this world is faster; larger values in a file are a mistake.
inline constexpr double kMaxTailSpeed = 10;

inline double Speed(const Velocity& velocity) { return std::hypot(velocity.x, velocity.y); }

// Degrees counter-clockwise from +x, in [0, 360). A velocity of zero has heading 0.
inline double HeadingDegrees(const Velocity& velocity) {
  double degrees = std::atan2(velocity.y, velocity.x) * (180 / std::numbers::pi);
  if (degrees < 0) degrees += 360;
  return degrees < 360 ? degrees : 0;
}

}  // namespace shoal
