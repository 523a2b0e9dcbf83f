#include "actor/rollout/environment.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_format.h"
#include "actor/rollout/tracked_fish.h"

namespace shoal {
namespace {

template <typename... Args>
absl::Status Refuse(const absl::FormatSpec<Args...>& format, const Args&... args) {
  return absl::InvalidArgumentError(absl::StrFormat(format, args...));
}

absl::Status CheckEpisode(const v1::EnvironmentState& state, const RolloutSettings& settings,
                          int num_fish) {
  if (state.limit() < 1 || state.limit() > settings.episode_limit) {
    return Refuse("limit is %d; 1 to %d are right", state.limit(), settings.episode_limit);
  }
  if (state.step() < 1 || state.step() >= state.limit()) {
    return Refuse("step is %d; 1 to %d are right in an episode limited to %d steps", state.step(),
                  state.limit() - 1, state.limit());
  }
  for (int size : {state.position_x_size(), state.position_y_size(), state.velocity_x_size(),
                   state.velocity_y_size(), state.death_step_size()}) {
    if (size != num_fish) return Refuse("it has values of %d fish; %d are right", size, num_fish);
  }
  const v1::EpisodeRecord& record = state.record();
  if (record.episode() != state.episode() || record.length() != state.step() ||
      record.num_fish() != num_fish) {
    return Refuse("its record is of episode %d, %d steps, %d fish; %d, %d, %d are right",
                  record.episode(), record.length(), record.num_fish(), state.episode(),
                  state.step(), num_fish);
  }
  return absl::OkStatus();
}

bool AllFinite(const v1::Vector2& v) { return std::isfinite(v.x()) && std::isfinite(v.y()); }

// The record so far against the fish that died so far.
absl::Status CheckRecord(const v1::EnvironmentState& state) {
  const v1::EpisodeRecord& record = state.record();
  uint32_t first_death = 0;
  std::vector<int32_t> at_step_one, listed;
  for (int fish = 0; fish < state.death_step_size(); ++fish) {
    const uint32_t step = state.death_step(fish);
    if (step != 0 && (first_death == 0 || step < first_death)) first_death = step;
    if (step == 1) at_step_one.push_back(fish);
  }
  if (record.first_death_step() != static_cast<int64_t>(first_death)) {
    return Refuse("its record has the first death at step %d; %d is right",
                  record.first_death_step(), first_death);
  }
  for (const v1::StepOneDeath& death : record.step_one_deaths()) {
    listed.push_back(death.fish_index());
    if (!AllFinite(death.fish_position()) || !AllFinite(death.predator_position()) ||
        !AllFinite(death.predator_velocity())) {
      return Refuse("its record has a step-one death that is not finite");
    }
  }
  if (listed != at_step_one) {
    return Refuse("its record lists %d step-one deaths that are not the %d fish with death step 1",
                  listed.size(), at_step_one.size());
  }
  const int64_t fish_steps = int64_t{record.num_fish()} * record.length();
  if (record.alive_sum() < 0 || record.alive_sum() > fish_steps) {
    return Refuse("its record has %d alive, summed over steps; 0 to %d are right",
                  record.alive_sum(), fish_steps);
  }
  if (!std::isfinite(record.reward_sum())) return Refuse("its record's reward is not finite");
  return absl::OkStatus();
}

absl::Status CheckTrackedFish(const v1::EnvironmentState& state, const RolloutSettings& settings,
                              int num_fish) {
  const bool tracks = settings.mode != TrainingMode::kBroadcast && settings.tracked_fish > 0;
  const int slots = tracks ? std::min(settings.tracked_fish, num_fish) : 0;
  if (state.tracked_fish_size() != slots) {
    return Refuse("it has %d tracked fish; %d are right", state.tracked_fish_size(), slots);
  }
  for (int slot = 0; slot < slots; ++slot) {
    const int32_t fish = state.tracked_fish(slot);
    if (fish == kNoFish) continue;
    if (fish < 0 || fish >= num_fish || state.death_step(fish) != 0) {
      return Refuse("tracked fish %d is not one of the living", fish);
    }
    const auto begin = state.tracked_fish().begin();
    if (std::find(begin, begin + slot, fish) != begin + slot) {
      return Refuse("fish %d is tracked twice", fish);
    }
  }
  const int32_t viewed = state.broadcast_fish();
  const bool viewed_right =
      settings.mode == TrainingMode::kBroadcast ? viewed >= 0 && viewed < num_fish : viewed == -1;
  if (!viewed_right) return Refuse("broadcast_fish is %d, which no rollout leaves", viewed);
  return absl::OkStatus();
}

EnvironmentState WorldState(const v1::EnvironmentState& state) {
  EnvironmentState world;
  world.step = state.step();
  world.predator = {state.predator_position().x(), state.predator_position().y(),
                    state.predator_velocity().x(), state.predator_velocity().y()};
  world.x.assign(state.position_x().begin(), state.position_x().end());
  world.y.assign(state.position_y().begin(), state.position_y().end());
  world.vx.assign(state.velocity_x().begin(), state.velocity_x().end());
  world.vy.assign(state.velocity_y().begin(), state.velocity_y().end());
  world.death_step.assign(state.death_step().begin(), state.death_step().end());
  return world;
}

}  // namespace

void Environment::EndEpisode(v1::EpisodeRecord::End end, int final_alive) {
  record.set_end(end);
  record.set_final_alive(final_alive);
  ended.push_back(std::move(record));
  needs_reset = true;
}

absl::Status RestoreEnvironment(const v1::EnvironmentState& state, const RolloutSettings& settings,
                                int index, World* world, Environment* environment) {
  // The episode's number is a 32-bit word of the random numbers' names.
  if (state.episode() < 0 || state.episode() >= std::numeric_limits<uint32_t>::max()) {
    return Refuse("episode is %d; 0 to 4294967294 are right", state.episode());
  }
  environment->episode = state.episode();
  environment->needs_reset = state.needs_reset();
  if (state.needs_reset()) return absl::OkStatus();

  if (absl::Status status = CheckEpisode(state, settings, world->num_fish()); !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckRecord(state); !status.ok()) return status;
  if (absl::Status status = CheckTrackedFish(state, settings, world->num_fish()); !status.ok()) {
    return status;
  }
  if (state.record().environment() != static_cast<int32_t>(environment->id)) {
    return Refuse("its record is of environment %d", state.record().environment());
  }
  if (absl::Status status = world->Restore(index, WorldState(state)); !status.ok()) return status;
  if (world->alive_count(index) == 0) return Refuse("no fish is alive in an episode that goes on");
  environment->limit = state.limit();
  environment->tracked.assign(state.tracked_fish().begin(), state.tracked_fish().end());
  environment->broadcast_fish = state.broadcast_fish();
  environment->record = state.record();
  return absl::OkStatus();
}

void SaveEnvironment(const Environment& environment, const World& world, int index,
                     v1::EnvironmentState* state) {
  state->set_episode(environment.episode);
  state->set_needs_reset(environment.needs_reset);
  if (environment.needs_reset) return;
  const EnvironmentState saved = world.Save(index);
  state->set_step(saved.step);
  state->set_limit(environment.limit);
  state->mutable_position_x()->Assign(saved.x.begin(), saved.x.end());
  state->mutable_position_y()->Assign(saved.y.begin(), saved.y.end());
  state->mutable_velocity_x()->Assign(saved.vx.begin(), saved.vx.end());
  state->mutable_velocity_y()->Assign(saved.vy.begin(), saved.vy.end());
  state->mutable_death_step()->Assign(saved.death_step.begin(), saved.death_step.end());
  state->mutable_predator_position()->set_x(saved.predator.x);
  state->mutable_predator_position()->set_y(saved.predator.y);
  state->mutable_predator_velocity()->set_x(saved.predator.vx);
  state->mutable_predator_velocity()->set_y(saved.predator.vy);
  state->mutable_tracked_fish()->Assign(environment.tracked.begin(), environment.tracked.end());
  state->set_broadcast_fish(environment.broadcast_fish);
  *state->mutable_record() = environment.record;
}

}  // namespace shoal
