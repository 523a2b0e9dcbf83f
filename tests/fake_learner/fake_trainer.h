// A trainer without LibTorch: it learns nothing, but its result depends on every bit of the rows, of
// their order and of what it learned from before, as PPO's does. So a run with it has one right
// policy_sha256, and is fast and small enough for sanitizers and soaks.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "learner/ppo/trainer.h"

namespace shoal {

// As PpoTrainer::Create. Of the options it looks at obs_dim, the neighbour values, hidden_sizes,
// activation and seed. Its policies are what actors accept, with weights of an ordinary size; each
// update moves each weight a little, by what a checksum of all columns, of the options and of the
// state before says. Restore refuses weights of another shape and a state that belongs to other
// weights.
absl::StatusOr<std::unique_ptr<PpoTrainer>> CreateFakeTrainer(const TrainerOptions& options);

}  // namespace shoal
