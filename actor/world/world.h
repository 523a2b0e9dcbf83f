// The fish-escape world of WORLD.md: a batch of environments, each a scene of fish that flee from
// one predator in a disc. Same seed and actions, same scene and deaths: a step is float32 without
// freedom for compiler or vector width; a reset's trigonometry is the C library's in double, the
// same on all x86-64-v3 processors.
//
// A world decides nothing: when an episode ends, which fish teach and what they do is its caller's.
// Environments are independent of each other; a batch gives the same bits as single ones.
//
// State is kept as structure of arrays, one float32 array per coordinate, `stride()` lanes to an
// environment. Positions are in units of length (the stage's radius is 10), velocities in units a
// second (a step is 0.1 s); see constants.h.
//
// Not thread-safe, const methods included (observing uses scratch memory of the world): one world
// belongs to one thread at a time. Several worlds are independent. Nothing allocates after
// construction except Save and Restore. Arguments out of range are the caller's bugs and undefined.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "actor/world/constants.h"
#include "actor/world/kernels.h"
#include "actor/world/numpy_random.h"
#include "actor/world/options.h"
#include "actor/world/predator.h"

namespace shoal {

// What varies by episode.
struct EpisodeStart {
  // NumPy seed of the scene.
  uint64_t seed = 0;
  // Speed of the escape boost as a share of the fish's maximum speed; not read where the option
  // initial_escape_boost is off.
  double escape_boost_speed = 0.75;
  // A tail seed: replaces the predator's velocity after the pre-roll, without a draw.
  std::optional<std::array<float, 2>> tail_velocity;
};

// How the predator began: where it was put, and its velocity before and after the pre-roll (a tail
// seed is not in it). Angles are degrees counter-clockwise from +x in [0, 360), 0 for a zero
// vector.
struct SceneStats {
  double spawn_radius = 0.0;
  double spawn_angle_deg = 0.0;
  double initial_speed = 0.0;
  double initial_heading_deg = 0.0;
  double final_speed = 0.0;
  double final_heading_deg = 0.0;
};

// Everything that one environment is, apart from the options: restoring it and taking the same
// actions continues bit for bit. Vectors have one entry per fish.
struct EnvironmentState {
  int32_t step = 0;
  Predator predator;
  std::vector<float> x;
  std::vector<float> y;
  std::vector<float> vx;
  std::vector<float> vy;
  // Step at which the fish died; 0: alive.
  std::vector<int32_t> death_step;
};

class World {
 public:
  // At least one environment and one fish. Environments are inactive, at step 0 and without living
  // fish until they are Reset or Restored.
  World(const WorldOptions& options, int num_envs, int num_fish);

  const WorldOptions& options() const { return options_; }
  int num_envs() const { return num_envs_; }
  int num_fish() const { return num_fish_; }
  // num_fish rounded up to a multiple of 8: the lanes of an environment in arrays over fish.
  int stride() const { return stride_; }
  // 11, or 18 with neighbour features.
  int obs_dim() const {
    return options_.include_neighbor_features ? kNeighborObservation : kBaseObservation;
  }

  // Draws a new scene for `env` (WORLD.md, "Reset"), which becomes active at step 0.
  SceneStats Reset(int env, const EpisodeStart& start);

  // One step of every active environment. `actions`: num_envs * stride values 0..4, fish f of
  // environment e at e * stride + f; those of dead fish and of padding lanes are not used.
  // An active environment steps on past the horizon and without living fish.
  void Step(const uint8_t* actions);

  // Inactive environments are left as they are by Step.
  void SetActive(int env, bool active) { envs_[env].active = active; }
  bool active(int env) const { return envs_[env].active; }

  // Steps since the reset.
  int step(int env) const { return envs_[env].step; }
  int alive_count(int env) const { return envs_[env].alive_count; }
  bool alive(int env, int fish) const { return death_step_[Index(env, fish)] == 0; }
  // 1 or 0 for each of stride() lanes; padding lanes are 0. Valid as long as the world.
  const uint8_t* alive_mask(int env) const { return &alive_[Index(env, 0)]; }
  // Step at which the fish died; 0: alive.
  int death_step(int env, int fish) const { return death_step_[Index(env, fish)]; }
  // Fish that died in the last step of `env`.
  int new_deaths(int env) const { return envs_[env].new_deaths; }
  // Their ids, ascending, to `fish_ids` (room for num_fish); returns new_deaths(env).
  int NewDeaths(int env, int32_t* fish_ids) const;

  std::array<float, 2> fish_position(int env, int fish) const {
    return {x_[Index(env, fish)], y_[Index(env, fish)]};
  }
  std::array<float, 2> fish_velocity(int env, int fish) const {
    return {vx_[Index(env, fish)], vy_[Index(env, fish)]};
  }
  const Predator& predator(int env) const { return envs_[env].predator; }

  // Observations (WORLD.md) of the living fish by ascending id: rows of obs_dim() float32 to `rows`
  // (room for num_fish rows), their ids to `fish_ids` (room for num_fish). Returns their number.
  int ObserveLiving(int env, float* rows, int32_t* fish_ids) const;

  // Observations of `count` given fish, at most num_fish, in the order given. A dead fish is
  // observed where it died, with the velocity it had; it sees the living as neighbours and is
  // nobody's.
  void ObserveFish(int env, const int32_t* fish, int count, float* rows) const;

  // Rewards of all fish for the last step to `rewards` (stride values; fish dead before and padding
  // lanes 0). Costs no neighbour search where both density_penalty_coef and the option
  // divergence_reward_coef are 0.
  void Rewards(int env, RewardKind kind, float density_penalty_coef, float* rewards) const;

  // The state of an environment that was Reset or Restored.
  EnvironmentState Save(int env) const;

  // Replaces `env` by `state`, and makes it active. InvalidArgument, with `env` left as it was, if
  // `state` is of another number of fish, has a value that is not finite, a negative step, or a
  // death outside 1..step.
  absl::Status Restore(int env, const EnvironmentState& state);

 private:
  struct Environment {
    Predator predator;
    int step = 0;
    int alive_count = 0;
    int new_deaths = 0;
    bool active = false;
  };

  size_t Index(int env, int fish) const { return static_cast<size_t>(env) * stride_ + fish; }
  // Brings alive_, alive_count and new_deaths in line with death_step_.
  void CountLiving(int env);

  // The stages of Reset, in the order of their draws (reset.cc).
  void PlaceFish(int env, NumpyRandom* random);
  void BoostFish(int env, double boost_speed, NumpyRandom* random);

  // Fish one after the other, as the kernels want them. Valid until the next view of the same kind.
  struct Gathered {
    std::vector<float> x, y, vx, vy;
    std::vector<int32_t> id;
  };
  FishView LivingFish(int env) const;
  FishView ListedFish(int env, const int32_t* fish, int count) const;
  FishView Gather(int env, int count, Gathered* gathered) const;
  void WriteRows(const FishView& fish, int env, float* rows) const;

  WorldOptions options_;
  // predator_heading_bias without its dropped bins.
  BiasTable heading_table_;
  int num_envs_;
  int num_fish_;
  int stride_;
  const Kernels* kernels_;

  std::vector<Environment> envs_;
  // [num_envs * stride], padded for reading beyond the last environment.
  std::vector<float> x_, y_, vx_, vy_;
  // As Kernels has it: -1 in padding lanes.
  std::vector<int32_t> death_step_;
  std::vector<uint8_t> alive_;

  // 0, 1, 2, ...: the ids where all fish live and nothing needs gathering.
  std::vector<int32_t> all_ids_;
  // Scratch memory of one observation or reward.
  mutable Gathered living_, listed_;
  mutable std::vector<float> neighbor_scratch_, neighbor_counts_, neighbor_outflow_;
};

// For an environment just reset: 1 for each fish that dies at step one whichever of the five
// actions it takes, else 0 (num_fish values). The predator never reads the fish and fish do not
// interact, so that this is a matter of each fish alone. `env` is left as it is and must be at step
// 0.
std::vector<uint8_t> UnavoidableStepOneDeaths(const World& world, int env);

}  // namespace shoal
