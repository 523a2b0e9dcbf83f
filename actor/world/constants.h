// The fixed vocabulary of the world: the numbers of WORLD.md's "Constants", as the float32 values
// that a step computes with, actions, observation sizes and kinds of reward.
#pragma once

namespace shoal {

inline constexpr float kStageRadius = 10.0f;
inline constexpr float kTimeStep = 0.1f;
// An episode of evaluation ends here; training may cut earlier.
inline constexpr int kHorizon = 500;
inline constexpr float kMaxFishSpeed = 2.0f;
inline constexpr float kFishAcceleration = 1.0f;
inline constexpr float kVisionRadius = kStageRadius / 3.0f;
inline constexpr float kInitialPredatorSpeed = 1.5f;
inline constexpr float kPredatorGravity = 0.5f;
inline constexpr float kPredatorBounce = 0.85f;
// Fish radius 0.2 and predator radius 0.5.
inline constexpr float kCaptureDistance = 0.7f;

// Positions and velocities of a world are smaller than this, by far; those that come from outside
// are held to it, so that squares and sums of them are finite.
inline constexpr float kMaxWorldValue = 1e5f;

// Values of an observation without and with neighbour features.
inline constexpr int kBaseObservation = 11;
inline constexpr int kNeighborObservation = 18;

// Actions of a fish.
inline constexpr int kNumActions = 5;
enum Action : unsigned char {
  kAccelerate = 0,
  kTurnLeft = 1,
  kTurnRight = 2,
  kDecelerate = 3,
  kHold = 4,
};

// How a fish is rewarded; the formulas are in WORLD.md, "Reward of fish i at a step".
enum class RewardKind {
  // The original's: 0.1 * (2 + distance to the predator - nearness of the rim), dying -50.
  kShaped,
  // 0.7 alive, dying -50.
  kSurvival,
  // 0 alive, dying -1.
  kDeathOnly,
};

}  // namespace shoal
