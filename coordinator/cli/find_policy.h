// What `--policy` names: a rule, a file, or a checkpoint of a run.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "actor/evaluation/player.h"
#include "actor/policy/backend.h"
#include "actor/world/options.h"

namespace shoal {

// A policy that can play scenes. Not thread safe.
struct NamedPlayer {
  // As the user gave it.
  std::string name;
  // Null for a rule.
  std::unique_ptr<PolicyBackend> backend;
  std::unique_ptr<Player> player;
  // The standard evaluation's world with the observations that the policy reads.
  WorldOptions world;
};

// "rule:NAME", the path of a policy.safetensors, or "run:NAME[@N]": the latest committed or the Nth
// iteration's checkpoint of a run under `out`. NotFound: no such rule, file, run or checkpoint (with
// what there is); DataLoss: a checkpoint whose hash is not right; InvalidArgument: no policy.
absl::StatusOr<NamedPlayer> FindPlayer(const std::string& policy, const std::string& out);

}  // namespace shoal
