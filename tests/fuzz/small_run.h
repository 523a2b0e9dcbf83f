// A run small enough to be played in a fuzz target, and everything that its workers say made once,
// for targets and for seeds.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "actor/policy/backend.h"
#include "coordinator/run/planner.h"
#include "shoal/v1/config.pb.h"
#include "shoal/v1/items.pb.h"

namespace shoal::fuzzing {

inline constexpr int kShards = 2;
inline constexpr int kEnvsPerShard = 2;

// Resolved options of a run with two shards of two environments. The bits of `choice` set the
// mode (0-3: per_fish with all fish, per_fish with two, focal, broadcast), neighbour features (4),
// the row filter (8) and what happens when the tail queue is used up (16: loop_stage).
v1::RunOptions SmallOptions(uint8_t choice);

// Its planner, with a tail queue of one stage.
std::unique_ptr<Planner> SmallPlanner(const v1::RunOptions& options);

// A policy for its observations; equal for equal options.
std::unique_ptr<PolicyBackend> SmallPolicy(const v1::RunOptions& options);

// The item of a shard in a planned iteration; `state` may be empty in the first one.
v1::RolloutItem SmallItem(const PlannedIteration& planned, int shard, const std::string& state);

}  // namespace shoal::fuzzing
