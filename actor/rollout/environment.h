// One environment of a shard during a rollout, beside its state in the World: the running episode's
// bookkeeping, and its way into and out of v1::EnvironmentState.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "actor/rollout/settings.h"
#include "actor/world/world.h"
#include "shoal/v1/items.pb.h"

namespace shoal {

struct Environment {
  // Number within the run, which keys its random numbers.
  uint32_t id = 0;
  // Number of the running episode or, where needs_reset, of the last one; -1: none yet.
  int64_t episode = -1;
  // No episode is running; the next step begins one.
  bool needs_reset = true;
  // The next episode begins a phase: its limit is drawn, where episodes are staggered.
  bool staggered = false;
  // Steps after which the running episode is truncated.
  int limit = 0;
  // per_fish and focal: by slot, kNoFish where none is left. Empty: every living fish.
  std::vector<int32_t> tracked;
  // broadcast: the fish looked through last; -1 at an episode's start.
  int32_t broadcast_fish = -1;
  // The running episode's record so far.
  v1::EpisodeRecord record;

  // Velocities of the plan that no episode has taken yet: next_velocity .. end, in pairs.
  const v1::EnvironmentPlan* plan = nullptr;
  int next_velocity = 0;
  // What was done with the plan, and the episodes that ended in this rollout.
  v1::EnvironmentUse use;
  std::vector<v1::EpisodeRecord> ended;

  int velocities_left() const { return plan->tail_velocities_size() / 2 - next_velocity; }

  // The running episode is over: completes its record and files it.
  void EndEpisode(v1::EpisodeRecord::End end, int final_alive);
};

// Takes up `state` where the rollout before left it: bookkeeping to `environment` (whose id and
// plan are set), the scene to environment `index` of `world`. States come from a database:
// InvalidArgument, naming what is wrong, for anything that SaveEnvironment with these settings
// could not have written.
absl::Status RestoreEnvironment(const v1::EnvironmentState& state, const RolloutSettings& settings,
                                int index, World* world, Environment* environment);

// The state after the rollout's last step. Of an episode that is over only its number is kept.
void SaveEnvironment(const Environment& environment, const World& world, int index,
                     v1::EnvironmentState* state);

}  // namespace shoal
