// Rule policies: baselines that read only a fish's observation (WORLD.md, "Rule policies").
//
// Thread-safe as far as the generators passed in are not shared.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "actor/world/numpy_random.h"

namespace shoal {

enum class Rule {
  kHold,
  kAccelerate,
  kDecelerate,
  kTurnLeft,
  kTurnRight,
  kRandom,
  kFlee,
  kFleeLead,
  kSafeTop,
};

// "hold", "accelerate", "decelerate", "turn_left", "turn_right", "random", "flee", "flee_lead",
// "safe_top"; NotFound for another name, with the names that exist.
absl::StatusOr<Rule> FindRule(std::string_view name);

// The names FindRule knows, in its order; constant.
absl::Span<const std::string_view> RuleNames();

// The actions (0..4) of `count` fish to `actions`. `rows`: observations of `row_size` float32 each
// (11 or 18; only the first 11 are read). `random` serves Rule::kRandom, one draw a fish in order,
// and may be null for the others.
void ChooseActions(Rule rule, const float* rows, int row_size, int count, NumpyRandom* random,
                   uint8_t* actions);

}  // namespace shoal
