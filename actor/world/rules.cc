#include "actor/world/rules.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "actor/world/constants.h"

namespace shoal {
namespace {

// In the order of Rule.
constexpr std::array<std::string_view, 9> kNames = {"hold",      "accelerate", "decelerate",
                                                    "turn_left", "turn_right", "random",
                                                    "flee",      "flee_lead",  "safe_top"};

struct Vector {
  double x;
  double y;
};

double Length(Vector v) { return std::sqrt(v.x * v.x + v.y * v.y); }

// Turns towards `desired`, and accelerates once the heading is within 15 degrees of it.
uint8_t Steer(const float* o, Vector desired) {
  constexpr double kDegrees = 180.0 / 3.14159265358979323846;
  const Vector velocity = {o[2], o[3]};
  if (Length(desired) < 1e-6 || Length(velocity) < 1e-6) return kAccelerate;
  const double cross = velocity.x * desired.y - velocity.y * desired.x;
  const double dot = velocity.x * desired.x + velocity.y * desired.y;
  const double angle = std::atan2(cross, dot) * kDegrees;
  if (std::abs(angle) <= 15.0) return kAccelerate;
  return angle > 0.0 ? kTurnLeft : kTurnRight;
}

// Away from the rim first, then from the predator, or (lead) from where it will be.
uint8_t Flee(const float* o, bool lead) {
  if (o[4] < 0.15f) return Steer(o, {-o[0], -o[1]});
  if (!(o[5] > 0.5f)) return kHold;
  Vector from = {o[6] * (10.0 / 3.0), o[7] * (10.0 / 3.0)};
  if (lead) {
    const Vector predator_velocity = {o[8] * 2.0, o[9] * 2.0};
    const double speed = Length(predator_velocity);
    const double ahead = speed > 1e-6 ? std::min(Length(from) / speed, 5.0) : 0.0;
    from.x += predator_velocity.x * ahead;
    from.y += predator_velocity.y * ahead;
  }
  return Steer(o, {-from.x, -from.y});
}

// Swims to a place below the centre and rests there.
uint8_t SafeTop(const float* o) {
  const Vector to_target = {0.0 - o[0], -0.55 - o[1]};
  if (Length(to_target) > 0.15) return Steer(o, to_target);
  return Length({o[2], o[3]}) > 0.03 ? kDecelerate : kHold;
}

}  // namespace

absl::Span<const std::string_view> RuleNames() { return kNames; }

absl::StatusOr<Rule> FindRule(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Rule>(i);
  }
  std::string message =
      absl::StrCat("no rule policy is called \"", std::string(name), "\"; there are");
  for (const std::string_view known : kNames) absl::StrAppend(&message, " ", std::string(known));
  return absl::NotFoundError(message);
}

void ChooseActions(Rule rule, const float* rows, int row_size, int count, NumpyRandom* random,
                   uint8_t* actions) {
  const auto each = [&](auto choose) {
    for (int i = 0; i < count; ++i) actions[i] = choose(rows + static_cast<int64_t>(i) * row_size);
  };
  switch (rule) {
    case Rule::kHold:
      return each([](const float*) { return kHold; });
    case Rule::kAccelerate:
      return each([](const float*) { return kAccelerate; });
    case Rule::kDecelerate:
      return each([](const float*) { return kDecelerate; });
    case Rule::kTurnLeft:
      return each([](const float*) { return kTurnLeft; });
    case Rule::kTurnRight:
      return each([](const float*) { return kTurnRight; });
    case Rule::kRandom:
      return each([random](const float*) { return random->Bounded(kNumActions); });
    case Rule::kFlee:
      return each([](const float* o) { return Flee(o, false); });
    case Rule::kFleeLead:
      return each([](const float* o) { return Flee(o, true); });
    case Rule::kSafeTop:
      return each([](const float* o) { return SafeTop(o); });
  }
}

}  // namespace shoal
