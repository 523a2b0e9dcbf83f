#include "actor/world/rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/world/world_testing.h"

namespace shoal {
namespace {

// An observation by its named parts; the fish swims along +x in the middle of nowhere.
struct Sight {
  float x = 0.0f, y = 0.0f;
  float vx = 0.5f, vy = 0.0f;
  float to_rim = 0.5f;
  bool sees = false;
  float predator_x = 0.0f, predator_y = 0.0f;
  float predator_vx = 0.0f, predator_vy = 0.0f;
};

int Choose(Rule rule, const Sight& s) {
  const float row[kBaseObservation] = {s.x,
                                       s.y,
                                       s.vx,
                                       s.vy,
                                       s.to_rim,
                                       s.sees ? 1.0f : 0.0f,
                                       s.predator_x,
                                       s.predator_y,
                                       s.predator_vx,
                                       s.predator_vy,
                                       std::hypot(s.predator_x, s.predator_y)};
  uint8_t action = 99;
  ChooseActions(rule, row, kBaseObservation, 1, nullptr, &action);
  return action;
}

TEST(Rules, ConstantOnesIgnoreTheObservation) {
  EXPECT_EQ(Choose(Rule::kHold, {}), 4);
  EXPECT_EQ(Choose(Rule::kAccelerate, {}), 0);
  EXPECT_EQ(Choose(Rule::kDecelerate, {}), 3);
  EXPECT_EQ(Choose(Rule::kTurnLeft, {}), 1);
  EXPECT_EQ(Choose(Rule::kTurnRight, {}), 2);
}

TEST(Rules, FleeHoldsUntilItSeesThePredator) {
  EXPECT_EQ(Choose(Rule::kFlee, {}), 4);
  // Straight behind: ahead is away. Ahead and slightly to the left: away is to the right of behind.
  EXPECT_EQ(Choose(Rule::kFlee, {.sees = true, .predator_x = -0.5f}), 0);
  EXPECT_EQ(Choose(Rule::kFlee, {.sees = true, .predator_y = 0.5f}), 2);
  EXPECT_EQ(Choose(Rule::kFlee, {.sees = true, .predator_y = -0.5f}), 1);
  // 14 and 16 degrees off the heading.
  const float near = 14.0f * 3.14159265f / 180.0f, far = 16.0f * 3.14159265f / 180.0f;
  EXPECT_EQ(Choose(Rule::kFlee, {.sees = true,
                                 .predator_x = -0.5f * std::cos(near),
                                 .predator_y = -0.5f * std::sin(near)}),
            0);
  EXPECT_EQ(Choose(Rule::kFlee, {.sees = true,
                                 .predator_x = -0.5f * std::cos(far),
                                 .predator_y = -0.5f * std::sin(far)}),
            1);
}

TEST(Rules, FleeLeavesTheRimFirst) {
  const Sight at_rim = {.x = 0.0f, .y = 0.9f, .to_rim = 0.1f, .sees = true, .predator_y = -0.5f};
  EXPECT_EQ(Choose(Rule::kFlee, at_rim), 2);
  EXPECT_EQ(Choose(Rule::kFleeLead, at_rim), 2);
}

TEST(Rules, FleeLeadAimsAwayFromWhereThePredatorWillBe) {
  // The predator is to the fish's left, so that flee turns right; it crosses behind the fish.
  const Sight crossing = {.sees = true,
                          .predator_x = 0.0f,
                          .predator_y = 0.5f,
                          .predator_vx = -0.3f,
                          .predator_vy = -1.2f};
  EXPECT_EQ(Choose(Rule::kFlee, crossing), 2);
  // rel = (0, 1.667), p = (-0.6, -2.4), tau = 0.674: it will be at (-0.404, 0.050), behind.
  EXPECT_EQ(Choose(Rule::kFleeLead, crossing), 0);
  // A predator that rests is where it is.
  EXPECT_EQ(Choose(Rule::kFleeLead, {.sees = true, .predator_y = 0.5f}), 2);
}

TEST(Rules, SteeringWithoutAHeadingAccelerates) {
  EXPECT_EQ(Choose(Rule::kFlee, {.vx = 0.0f, .sees = true, .predator_y = 0.5f}), 0);
  EXPECT_EQ(Choose(Rule::kFlee, {.sees = true}), 0);
}

TEST(Rules, SafeTopGoesToItsPlaceAndRests) {
  EXPECT_EQ(Choose(Rule::kSafeTop, {}), 2);
  EXPECT_EQ(Choose(Rule::kSafeTop, {.vx = 0.0f, .vy = -0.5f}), 0);
  EXPECT_EQ(Choose(Rule::kSafeTop, {.x = 0.05f, .y = -0.5f}), 3);
  EXPECT_EQ(Choose(Rule::kSafeTop, {.x = 0.05f, .y = -0.5f, .vx = 0.02f}), 4);
}

TEST(Rules, RandomDrawsOnceAFish) {
  std::vector<float> rows(500 * kNeighborObservation, 0.0f);
  std::vector<uint8_t> actions(500);
  NumpyRandom random(3), again(3);
  ChooseActions(Rule::kRandom, rows.data(), kNeighborObservation, 500, &random, actions.data());
  std::array<int, kNumActions> counts = {};
  for (const uint8_t action : actions) {
    ASSERT_LT(action, kNumActions);
    EXPECT_EQ(action, again.Bounded(kNumActions));
    ++counts[action];
  }
  for (const int count : counts) EXPECT_NEAR(count, 100, 45);
}

TEST(Rules, ABatchIsItsRowsOneByOne) {
  World world(WorldOptions(), 1, 40);
  world.Reset(0, {12, 0.8, {}});
  std::vector<float> rows(40 * kNeighborObservation);
  std::vector<int32_t> ids(40);
  ASSERT_EQ(world.ObserveLiving(0, rows.data(), ids.data()), 40);
  for (const std::string_view name : RuleNames()) {
    const Rule rule = *FindRule(name);
    if (rule == Rule::kRandom) continue;
    std::vector<uint8_t> batch(40);
    ChooseActions(rule, rows.data(), kNeighborObservation, 40, nullptr, batch.data());
    for (int i = 0; i < 40; ++i) {
      uint8_t one = 99;
      ChooseActions(rule, &rows[i * kNeighborObservation], kNeighborObservation, 1, nullptr, &one);
      EXPECT_EQ(one, batch[i]) << name << ", fish " << i;
    }
  }
}

TEST(FindRule, TellsWhatExists) {
  for (const std::string_view name : RuleNames()) EXPECT_TRUE(FindRule(name).ok()) << name;
  EXPECT_EQ(*FindRule("flee_lead"), Rule::kFleeLead);
  EXPECT_EQ(*FindRule("safe_top"), Rule::kSafeTop);
  EXPECT_EQ(*FindRule("random"), Rule::kRandom);
  const absl::Status status = FindRule("fle").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("flee_lead"));
}

}  // namespace
}  // namespace shoal
