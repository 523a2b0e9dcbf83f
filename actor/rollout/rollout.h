// A rollout item computed: a shard of environments played with one policy for n_steps, as rows for
// the learner and a record for the coordinator.
//
// This folder has no gRPC calls, no threads and no clock. Reading order: rollout.h, shard.h (the
// loop), environment.h (what lasts between rollouts), row_collector.h, gae.h, row_filter.h.
#pragma once

#include "absl/status/statusor.h"
#include "actor/policy/backend.h"
#include "actor/rollout/rows.h"
#include "shoal/v1/config.pb.h"
#include "shoal/v1/items.pb.h"

namespace shoal {

struct RolloutResult {
  v1::RolloutRecord record;
  // The rows after the filter, ascending by key; record.rows and record.rows_checksum are theirs.
  Rows rows;
};

// A pure function: equal options, item and policy give equal rows and, serialized, an equal record,
// byte for byte, whoever computes it (for backends of one kernel_id).
//
// `backend` is the policy of item.policy_sha256, for observations of the options' kind; the caller
// has made sure of it. Modes, trajectories and rewards are those of WORLD ("Who learns", "Reward"),
// item and record those of items.proto. Keys carry the number of the environment, the fish and the
// step of the rollout; in mode `broadcast`, where one trajectory goes through many fish, fish 0.
//
// InvalidArgument, saying what is wrong and what would be right: options or item that do not fit
// together, a state that no rollout of these options leaves. Internal: the policy gave a number
// that is not finite. Thread safe, if no two calls share a backend.
absl::StatusOr<RolloutResult> ComputeRollout(const v1::RunOptions& options,
                                             const v1::RolloutItem& item, PolicyBackend& backend);

}  // namespace shoal
