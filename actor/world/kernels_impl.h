// The bodies of the kernels. Included once by each kernels_<variant>.cc, which defines
// SHOAL_KERNEL_LANES, the lanes of one vector, before.
//
// Calls nothing but compiler built-ins: an inline function of a header would be compiled here for
// one instruction set and might be linked into code that runs on processors without it.

#pragma once

#include <cstdint>

#include "actor/world/constants.h"
#include "actor/world/kernels.h"

namespace shoal {
namespace {

constexpr int kLanes = SHOAL_KERNEL_LANES;
static_assert(kLanePadding % kLanes == 0);

typedef float Floats __attribute__((vector_size(sizeof(float) * kLanes), may_alias));
typedef int32_t Ints __attribute__((vector_size(sizeof(int32_t) * kLanes), may_alias));

// What is changed in place is a multiple of 8 lanes, and what lies behind is another environment's: no
// wider vectors there (FishArrays).
constexpr int kStepLanes = kLanes < 8 ? kLanes : 8;
typedef float StepFloats __attribute__((vector_size(sizeof(float) * kStepLanes), may_alias));
typedef int32_t StepInts __attribute__((vector_size(sizeof(int32_t) * kStepLanes), may_alias));

#define SHOAL_INLINE static inline __attribute__((always_inline))

template <class Vector>
SHOAL_INLINE Vector LoadAs(const void* from) {
  Vector result;
  __builtin_memcpy(&result, from, sizeof(result));
  return result;
}

SHOAL_INLINE Floats Load(const float* from) { return LoadAs<Floats>(from); }
SHOAL_INLINE Ints Load(const int32_t* from) { return LoadAs<Ints>(from); }

template <class Vector, class Value>
SHOAL_INLINE void Store(Vector value, Value* to) {
  __builtin_memcpy(to, &value, sizeof(value));
}

template <class Vector>
SHOAL_INLINE Vector FillAs(float value) {
  return Vector{} + value;
}

SHOAL_INLINE Floats Fill(float value) { return FillAs<Floats>(value); }

template <class Vector>
SHOAL_INLINE Vector Sqrt(Vector value) {
  Vector result;
  constexpr int lanes = sizeof(Vector) / sizeof(float);
  for (int lane = 0; lane < lanes; ++lane) result[lane] = __builtin_sqrtf(value[lane]);
  return result;
}

SHOAL_INLINE Floats Min(Floats a, Floats b) { return a < b ? a : b; }
SHOAL_INLINE Floats Max(Floats a, Floats b) { return a > b ? a : b; }

// --- Step ---------------------------------------------------------------------------------------

SHOAL_INLINE StepInts LoadActions(const uint8_t* from) {
  typedef uint8_t Bytes __attribute__((vector_size(kStepLanes)));
  Bytes bytes;
  __builtin_memcpy(&bytes, from, sizeof(bytes));
  return __builtin_convertvector(bytes, StepInts);
}

struct Motion {
  StepFloats vx, vy;
};

// The velocity that an action makes of another, before the limit on speed.
SHOAL_INLINE Motion Act(StepInts action, StepFloats old_vx, StepFloats old_vy) {
  constexpr float kCos30 = 0.86602540378443864676f;
  constexpr float kSin30 = 0.5f;
  constexpr float kSpeedUp = kFishAcceleration * kTimeStep;
  const StepFloats speed = Sqrt(old_vx * old_vx + old_vy * old_vy);
  const StepInts moving = speed > 0.01f;
  const StepFloats dir_x = moving ? old_vx / speed : FillAs<StepFloats>(1.0f);
  const StepFloats dir_y = moving ? old_vy / speed : StepFloats{};
  const StepInts right = action == int32_t{kTurnRight};
  // Turns by +30 or -30 degrees differ in the sign of the sine alone.
  const StepFloats sine = right ? FillAs<StepFloats>(-kSin30) : FillAs<StepFloats>(kSin30);
  const StepInts turns = (action == int32_t{kTurnLeft}) | right;
  const StepInts slower = action == int32_t{kDecelerate};
  const StepInts faster = action == int32_t{kAccelerate};
  StepFloats vx = slower ? old_vx * 0.9f : old_vx;
  StepFloats vy = slower ? old_vy * 0.9f : old_vy;
  vx = turns ? (kCos30 * dir_x - sine * dir_y) * speed : vx;
  vy = turns ? (sine * dir_x + kCos30 * dir_y) * speed : vy;
  vx = faster ? old_vx + dir_x * kSpeedUp : vx;
  vy = faster ? old_vy + dir_y * kSpeedUp : vy;
  return {vx, vy};
}

// Every lane does everything, and takes what holds for it: a scalar loop of the same was vectorised by
// GCC for AVX-512 only, and branched for the others.
int Step(const uint8_t* actions, const Predator& predator, int step, const FishArrays& fish) {
  StepInts deaths = {};
  for (int i = 0; i < fish.lanes; i += kStepLanes) {
    const StepFloats old_vx = LoadAs<StepFloats>(fish.vx + i);
    const StepFloats old_vy = LoadAs<StepFloats>(fish.vy + i);
    auto [vx, vy] = Act(LoadActions(actions + i), old_vx, old_vy);
    const StepFloats new_speed = Sqrt(vx * vx + vy * vy);
    const StepInts too_fast = new_speed > kMaxFishSpeed;
    vx = too_fast ? vx / new_speed * kMaxFishSpeed : vx;
    vy = too_fast ? vy / new_speed * kMaxFishSpeed : vy;

    const StepFloats old_x = LoadAs<StepFloats>(fish.x + i);
    const StepFloats old_y = LoadAs<StepFloats>(fish.y + i);
    StepFloats x = old_x + vx * kTimeStep;
    StepFloats y = old_y + vy * kTimeStep;
    const StepFloats from_centre = Sqrt(x * x + y * y);
    const StepInts outside = from_centre > kStageRadius;
    const StepFloats nx = x / from_centre;
    const StepFloats ny = y / from_centre;
    const StepFloats outward = vx * nx + vy * ny;
    const StepFloats cx = outward * nx;
    const StepFloats cy = outward * ny;
    vx = outside ? -0.5f * cx + (vx - cx) : vx;
    vy = outside ? -0.5f * cy + (vy - cy) : vy;
    x = outside ? nx * kStageRadius : x;
    y = outside ? ny * kStageRadius : y;

    const StepFloats dx = x - predator.x;
    const StepFloats dy = y - predator.y;
    const StepInts captured = Sqrt(dx * dx + dy * dy) < kCaptureDistance;
    const StepInts death_step = LoadAs<StepInts>(fish.death_step + i);
    const StepInts alive = death_step == 0;
    const StepInts dies = alive & captured;
    Store(alive ? x : old_x, fish.x + i);
    Store(alive ? y : old_y, fish.y + i);
    Store(alive ? vx : old_vx, fish.vx + i);
    Store(alive ? vy : old_vy, fish.vy + i);
    Store(dies ? StepInts{} + step : death_step, fish.death_step + i);
    deaths -= dies;
  }
  int count = 0;
  for (int lane = 0; lane < kStepLanes; ++lane) count += deaths[lane];
  return count;
}

// --- Observation --------------------------------------------------------------------------------

// Writes `columns` values of each fish of one vector as rows; `count` of the lanes are fish.
SHOAL_INLINE void StoreRows(const float (*values)[kLanes], int columns, int count, int row_size,
                            float* rows) {
  for (int lane = 0; lane < count; ++lane) {
    for (int column = 0; column < columns; ++column) rows[column] = values[column][lane];
    rows += row_size;
  }
}

void Observe(const FishView& fish, const Predator& predator, int row_size, float* rows) {
  alignas(64) float values[kBaseObservation][kLanes];
  for (int begin = 0; begin < fish.count; begin += kLanes) {
    const Floats x = Load(fish.x + begin);
    const Floats y = Load(fish.y + begin);
    Store(x / kStageRadius, values[0]);
    Store(y / kStageRadius, values[1]);
    Store(Load(fish.vx + begin) / kMaxFishSpeed, values[2]);
    Store(Load(fish.vy + begin) / kMaxFishSpeed, values[3]);
    Store((kStageRadius - Sqrt(x * x + y * y)) / kStageRadius, values[4]);
    const Floats dx = predator.x - x;
    const Floats dy = predator.y - y;
    const Floats distance = Sqrt(dx * dx + dy * dy);
    const Ints visible = distance < kVisionRadius;
    const Floats zero = {};
    Store(visible ? Fill(1.0f) : zero, values[5]);
    Store(visible ? dx / kVisionRadius : zero, values[6]);
    Store(visible ? dy / kVisionRadius : zero, values[7]);
    Store(visible ? Fill(predator.vx / kMaxFishSpeed) : zero, values[8]);
    Store(visible ? Fill(predator.vy / kMaxFishSpeed) : zero, values[9]);
    Store(visible ? distance / kVisionRadius : zero, values[10]);
    const int left = fish.count - begin;
    StoreRows(values, kBaseObservation, left < kLanes ? left : kLanes, row_size,
              rows + static_cast<int64_t>(begin) * row_size);
  }
}

// --- Neighbours ---------------------------------------------------------------------------------

// Where neighbour `other` is, seen from each fish of one vector.
struct Sight {
  Floats dx, dy, squared, distance;
  Ints near;
};

SHOAL_INLINE Sight Look(Floats x, Floats y, Ints id, const FishView& others, int other,
                        float radius) {
  Sight sight;
  sight.dx = others.x[other] - x;
  sight.dy = others.y[other] - y;
  sight.squared = sight.dx * sight.dx + sight.dy * sight.dy;
  sight.distance = Sqrt(sight.squared);
  sight.near = (sight.distance <= radius) & (id != others.id[other]);
  return sight;
}

// How fast `other` moves away along the line between the two; 0 where they coincide.
SHOAL_INLINE Floats Outflow(const Sight& sight, const FishView& others, int other) {
  const Floats along = (others.vx[other] * sight.dx + others.vy[other] * sight.dy) / sight.distance;
  return (sight.near & (sight.distance > 0.0f)) ? along : Floats{};
}

// Keeps the smallest `kept` keys seen so far in `smallest`, ascending; an absent key is infinite.
SHOAL_INLINE void KeepSmallest(Floats key, int kept, float* smallest) {
  for (int rank = 0; rank < kept; ++rank) {
    const Floats held = Load(smallest + rank * kLanes);
    Store(Min(held, key), smallest + rank * kLanes);
    key = Max(held, key);
  }
}

// The neighbour features of one vector of fish. kKept: the number of nearest that are averaged, as
// a constant that unrolls the selection, or 0 to take it from the options. `speed` are the others'.
template <int kKept>
SHOAL_INLINE void NeighborFeatures(Floats x, Floats y, Ints id, const FishView& others,
                                   const NeighborOptions& options, const float* speed,
                                   float* scratch, float (*values)[kLanes]) {
  constexpr float kInfinity = __builtin_inff();
  const int kept = kKept > 0 ? kKept : options.average_count;
  float* keys = scratch + kept * kLanes;
  // A constant number of held keys lives in registers.
  alignas(64) float held[(kKept > 0 ? kKept : 1) * kLanes];
  float* smallest = kKept > 0 ? held : scratch;
  for (int rank = 0; rank < kept; ++rank) Store(Fill(kInfinity), smallest + rank * kLanes);

  Floats count = {}, speed_sum = {}, outflow_sum = {};
  for (int j = 0; j < others.count; ++j) {
    const Sight sight = Look(x, y, id, others, j, options.radius);
    count += sight.near ? Fill(1.0f) : Floats{};
    speed_sum += sight.near ? Fill(speed[j]) : Floats{};
    outflow_sum += Outflow(sight, others, j);
    const Floats key = sight.near ? sight.squared : Fill(kInfinity);
    Store(key, keys + j * kLanes);
    KeepSmallest(key, kept, smallest);
  }

  // The averaged ones are all with a key below the last kept one, and of those that tie with it the
  // first few by id.
  const Floats last = Load(smallest + (kept - 1) * kLanes);
  Floats ties_left = {};
  for (int rank = 0; rank < kept; ++rank) {
    ties_left += Load(smallest + rank * kLanes) == last ? Fill(1.0f) : Floats{};
  }
  const Ints any = count > 0.0f;
  const Floats divisor = any ? count : Fill(1.0f);
  const Floats speed_mean = speed_sum / divisor;
  Floats dx_sum = {}, dy_sum = {}, deviation_sum = {};
  for (int j = 0; j < others.count; ++j) {
    const Floats key = Load(keys + j * kLanes);
    const Ints near = key < kInfinity;
    const Ints tied = near & (key == last) & (ties_left > 0.0f);
    ties_left -= tied ? Fill(1.0f) : Floats{};
    const Ints chosen = (key < last) | tied;
    dx_sum += chosen ? others.x[j] - x : Floats{};
    dy_sum += chosen ? others.y[j] - y : Floats{};
    const Floats deviation = speed[j] - speed_mean;
    deviation_sum += near ? deviation * deviation : Floats{};
  }

  const float average_count = static_cast<float>(options.average_count);
  const Floats averaged = any ? Min(count, Fill(average_count)) : Fill(1.0f);
  Store(Min(count / average_count, Fill(1.0f)), values[0]);
  Store(dx_sum / averaged / options.radius, values[1]);
  Store(dy_sum / averaged / options.radius, values[2]);
  Store(any ? Sqrt(Load(smallest)) / options.radius : Floats{}, values[3]);
  Store(speed_mean / kMaxFishSpeed, values[4]);
  Store(Sqrt(deviation_sum / divisor) / kMaxFishSpeed, values[5]);
  Store(outflow_sum / divisor / kMaxFishSpeed, values[6]);
}

void ObserveNeighbors(const FishView& fish, const FishView& others, const NeighborOptions& options,
                      int row_size, float* scratch, float* rows) {
  constexpr int kValues = kNeighborObservation - kBaseObservation;
  alignas(64) float values[kValues][kLanes];
  float* speed = scratch;
  int padded = 0;
  for (; padded < others.count; padded += kLanes) {
    const Floats vx = Load(others.vx + padded);
    const Floats vy = Load(others.vy + padded);
    Store(Sqrt(vx * vx + vy * vy), speed + padded);
  }
  scratch += padded;
  for (int begin = 0; begin < fish.count; begin += kLanes) {
    const Floats x = Load(fish.x + begin);
    const Floats y = Load(fish.y + begin);
    const Ints id = Load(fish.id + begin);
    if (options.average_count == 6) {
      NeighborFeatures<6>(x, y, id, others, options, speed, scratch, values);
    } else {
      NeighborFeatures<0>(x, y, id, others, options, speed, scratch, values);
    }
    const int left = fish.count - begin;
    StoreRows(values, kValues, left < kLanes ? left : kLanes, row_size,
              rows + static_cast<int64_t>(begin) * row_size);
  }
}

void NeighborSums(const FishView& fish, const FishView& others, float radius, float* counts,
                  float* outflow) {
  for (int begin = 0; begin < fish.count; begin += kLanes) {
    const Floats x = Load(fish.x + begin);
    const Floats y = Load(fish.y + begin);
    const Ints id = Load(fish.id + begin);
    Floats count = {}, outflow_sum = {};
    for (int j = 0; j < others.count; ++j) {
      const Sight sight = Look(x, y, id, others, j, radius);
      count += sight.near ? Fill(1.0f) : Floats{};
      if (outflow != nullptr) outflow_sum += Outflow(sight, others, j);
    }
    Store(count, counts + begin);
    if (outflow != nullptr) {
      const Floats divisor = count > 0.0f ? count : Fill(1.0f);
      Store(outflow_sum / divisor / kMaxFishSpeed, outflow + begin);
    }
  }
}

// --- Reward -------------------------------------------------------------------------------------

void Reward(const float* __restrict xs, const float* __restrict ys,
            const int32_t* __restrict death_steps, int lanes, const Predator& predator, int step,
            RewardKind kind, float* __restrict rewards) {
  const bool shaped = kind == RewardKind::kShaped;
  const float dead_now = kind == RewardKind::kDeathOnly ? -1.0f : -50.0f;
  if (!shaped) {
    const float living = kind == RewardKind::kSurvival ? 0.7f : 0.0f;
    for (int i = 0; i < lanes; ++i) {
      const float dying = death_steps[i] == step ? dead_now : 0.0f;
      rewards[i] = death_steps[i] == 0 ? living : dying;
    }
    return;
  }
  const float predator_x = predator.x;
  const float predator_y = predator.y;
  for (int i = 0; i < lanes; ++i) {
    const float dx = predator_x - xs[i];
    const float dy = predator_y - ys[i];
    const float distance = __builtin_sqrtf(dx * dx + dy * dy);
    const float to_rim = kStageRadius - __builtin_sqrtf(xs[i] * xs[i] + ys[i] * ys[i]);
    const float away = distance < kVisionRadius ? 10.0f * (distance / kVisionRadius) : 5.0f;
    const float rim = to_rim < 1.0f ? 2.0f * (1.0f - to_rim) : 0.0f;
    const float living = 0.1f * (2.0f + away - rim);
    const float dying = death_steps[i] == step ? dead_now : 0.0f;
    rewards[i] = death_steps[i] == 0 ? living : dying;
  }
}

#undef SHOAL_INLINE

}  // namespace
}  // namespace shoal
