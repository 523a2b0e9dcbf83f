// Evaluation: scenes played to their end, every fish acting on its own observation.
//
// This folder has no gRPC calls, no threads and no clock.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "actor/evaluation/player.h"
#include "actor/policy/backend.h"
#include "actor/world/options.h"
#include "actor/world/world.h"
#include "shoal/v1/config.pb.h"
#include "shoal/v1/items.pb.h"

namespace shoal {

// The standard evaluation of WORLD ("What is known about this world"), by which policies of all
// runs are compared.
inline constexpr int kStandardFish = 96;
inline constexpr double kStandardBoost = 0.8;

// Its world: boost on with jitter 0.35, spawn jitter 1.6, pre-roll 16 / 0.3 / 0.2, both default
// tables. What observations a policy reads is the policy's: the caller sets
// include_neighbor_features, neighbor_radius and neighbor_average_count from its weights. They
// change no scene.
WorldOptions StandardWorldOptions();

// Plays the scene that begins so (with its seed's draws, and its tail velocity where it has one) to step 500, or until no fish is alive. Its record has
// the step-one deaths with their `unavoidable`. A pure function of its arguments; thread safe, if
// no two calls share a player. InvalidArgument: num_fish is not 1 to 4096, or the boost is not 0
// to 1.
absl::StatusOr<v1::EvaluationEpisode> PlayScene(const WorldOptions& options,
                                                const EpisodeStart& start, int num_fish,
                                                Player& player);

// The same without a tail velocity.
absl::StatusOr<v1::EvaluationEpisode> PlayScene(const WorldOptions& options, uint64_t seed,
                                                int num_fish, double escape_boost_speed,
                                                Player& player);

// An evaluation item computed, greedily, in the run's own world. `backend` is the policy of
// item.policy_sha256; the caller has made sure of it. Serialized, the record is byte-identical
// whoever computes it (for backends of one kernel_id).
// InvalidArgument as above, or options whose tables cannot be read.
absl::StatusOr<v1::EvaluationEpisode> ComputeEvaluation(const v1::RunOptions& options,
                                                        const v1::EvaluationItem& item,
                                                        PolicyBackend& backend);

}  // namespace shoal
