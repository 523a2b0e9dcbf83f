#include "actor/world/world.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "absl/strings/str_cat.h"

namespace shoal {
namespace {

constexpr int kLaneMultiple = 8;

// Own invariants; a caller that breaks one has a bug that no status would cure.
void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "shoal world: %s\n", what);
  std::abort();
}

// The quirk of WORLD.md, "Reset", 4: an end of 360 wraps to 0, which makes the bin empty.
BiasTable WithoutWrappedBins(BiasTable table) {
  table.bins.erase(std::remove_if(table.bins.begin(), table.bins.end(),
                                  [](const BiasTable::Bin& bin) { return bin.end == 360.0; }),
                   table.bins.end());
  return table;
}

// False for what is not a number, too.
bool IsWorldValue(float value) { return std::abs(value) <= kMaxWorldValue; }

absl::Status CheckValues(const char* name, const std::vector<float>& values, size_t expected) {
  if (values.size() != expected) {
    return absl::InvalidArgumentError(absl::StrCat("environment state: ", name, " has ",
                                                   values.size(), " values; this world has ",
                                                   expected, " fish"));
  }
  for (size_t i = 0; i < values.size(); ++i) {
    if (!IsWorldValue(values[i])) {
      return absl::InvalidArgumentError(
          absl::StrCat("environment state: ", name, " of fish ", i, " is ", values[i],
                       "; it must be a finite number of at most ", kMaxWorldValue));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckState(const EnvironmentState& state, size_t num_fish) {
  if (state.step < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("environment state: step is ", state.step, "; it must be 0 or more"));
  }
  const Predator& p = state.predator;
  for (const float value : {p.x, p.y, p.vx, p.vy}) {
    if (!IsWorldValue(value)) {
      return absl::InvalidArgumentError(
          absl::StrCat("environment state: a value of the predator is ", value,
                       "; it must be a finite number of at most ", kMaxWorldValue));
    }
  }
  if (absl::Status s = CheckValues("x", state.x, num_fish); !s.ok()) return s;
  if (absl::Status s = CheckValues("y", state.y, num_fish); !s.ok()) return s;
  if (absl::Status s = CheckValues("vx", state.vx, num_fish); !s.ok()) return s;
  if (absl::Status s = CheckValues("vy", state.vy, num_fish); !s.ok()) return s;
  if (state.death_step.size() != num_fish) {
    return absl::InvalidArgumentError(absl::StrCat("environment state: death_step has ",
                                                   state.death_step.size(),
                                                   " values; this world has ", num_fish, " fish"));
  }
  for (size_t i = 0; i < num_fish; ++i) {
    if (state.death_step[i] < 0 || state.death_step[i] > state.step) {
      return absl::InvalidArgumentError(
          absl::StrCat("environment state: fish ", i, " died at step ", state.death_step[i],
                       "; it must be 0 (alive) or at most the state's step, ", state.step));
    }
  }
  return absl::OkStatus();
}

}  // namespace

World::World(const WorldOptions& options, int num_envs, int num_fish)
    : options_(options),
      heading_table_(WithoutWrappedBins(options.predator_heading_bias)),
      num_envs_(num_envs),
      num_fish_(num_fish),
      stride_((num_fish + kLaneMultiple - 1) / kLaneMultiple * kLaneMultiple),
      kernels_(&BestKernels()) {
  Require(num_envs > 0 && num_fish > 0, "a world needs at least one environment and one fish");
  Require(options.neighbor_average_count > 0 && options.neighbor_radius > 0.0f,
          "neighbor_average_count and neighbor_radius must be above 0");
  envs_.resize(num_envs);
  const size_t lanes = Index(num_envs, 0) + kLanePadding;
  for (std::vector<float>* values : {&x_, &y_, &vx_, &vy_}) values->assign(lanes, 0.0f);
  death_step_.assign(lanes, -1);
  alive_.assign(lanes, 0);

  const size_t scratch_lanes = stride_ + kLanePadding;
  for (Gathered* gathered : {&living_, &listed_}) {
    for (std::vector<float>* values : {&gathered->x, &gathered->y, &gathered->vx, &gathered->vy}) {
      values->assign(scratch_lanes, 0.0f);
    }
    gathered->id.assign(scratch_lanes, 0);
  }
  all_ids_.resize(scratch_lanes);
  for (size_t i = 0; i < scratch_lanes; ++i) all_ids_[i] = static_cast<int32_t>(i);
  neighbor_counts_.assign(scratch_lanes, 0.0f);
  neighbor_outflow_.assign(scratch_lanes, 0.0f);
  if (options.include_neighbor_features) {
    neighbor_scratch_.assign(NeighborScratchSize(num_fish, options.neighbor_average_count), 0.0f);
  }
}

void World::Step(const uint8_t* actions) {
  for (int env = 0; env < num_envs_; ++env) {
    Environment& e = envs_[env];
    if (!e.active) continue;
    ++e.step;
    // The predator does not read the fish, so that it may move first.
    StepPredator(&e.predator);
    const size_t at = Index(env, 0);
    e.new_deaths =
        kernels_->step(actions + at, e.predator, e.step,
                       FishArrays{&x_[at], &y_[at], &vx_[at], &vy_[at], &death_step_[at], stride_});
    if (e.new_deaths > 0) {
      e.alive_count -= e.new_deaths;
      for (int i = 0; i < stride_; ++i) alive_[at + i] = death_step_[at + i] == 0;
    }
  }
}

int World::NewDeaths(int env, int32_t* fish_ids) const {
  const Environment& e = envs_[env];
  if (e.new_deaths == 0) return 0;
  int deaths = 0;
  for (int fish = 0; fish < num_fish_; ++fish) {
    if (death_step_[Index(env, fish)] == e.step) fish_ids[deaths++] = fish;
  }
  return deaths;
}

void World::CountLiving(int env) {
  Environment& e = envs_[env];
  e.alive_count = 0;
  e.new_deaths = 0;
  for (int i = 0; i < stride_; ++i) {
    const int32_t death_step = death_step_[Index(env, i)];
    alive_[Index(env, i)] = death_step == 0;
    e.alive_count += death_step == 0;
    e.new_deaths += death_step > 0 && death_step == e.step;
  }
}

EnvironmentState World::Save(int env) const {
  const auto values = [&](const auto& all) {
    const auto begin = all.begin() + Index(env, 0);
    return std::vector(begin, begin + num_fish_);
  };
  return EnvironmentState{envs_[env].step, envs_[env].predator, values(x_),         values(y_),
                          values(vx_),     values(vy_),         values(death_step_)};
}

absl::Status World::Restore(int env, const EnvironmentState& state) {
  if (absl::Status status = CheckState(state, num_fish_); !status.ok()) return status;
  const size_t at = Index(env, 0);
  std::copy(state.x.begin(), state.x.end(), x_.begin() + at);
  std::copy(state.y.begin(), state.y.end(), y_.begin() + at);
  std::copy(state.vx.begin(), state.vx.end(), vx_.begin() + at);
  std::copy(state.vy.begin(), state.vy.end(), vy_.begin() + at);
  std::copy(state.death_step.begin(), state.death_step.end(), death_step_.begin() + at);
  Environment& e = envs_[env];
  e.predator = state.predator;
  e.step = state.step;
  e.active = true;
  CountLiving(env);
  return absl::OkStatus();
}

std::vector<uint8_t> UnavoidableStepOneDeaths(const World& world, int env) {
  Require(world.step(env) == 0, "unavoidable deaths are asked of an environment just reset");
  const int num_fish = world.num_fish();
  const EnvironmentState scene = world.Save(env);
  World trial(world.options(), 1, num_fish);
  std::vector<uint8_t> unavoidable(num_fish, 1);
  for (int action = 0; action < kNumActions; ++action) {
    Require(trial.Restore(0, scene).ok(), "a scene just saved is restored");
    const std::vector<uint8_t> actions(trial.stride(), static_cast<uint8_t>(action));
    trial.Step(actions.data());
    for (int fish = 0; fish < num_fish; ++fish) unavoidable[fish] &= !trial.alive(0, fish);
  }
  return unavoidable;
}

}  // namespace shoal
