#include "coordinator/cli/find_policy.h"

#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "actor/evaluation/evaluation.h"
#include "actor/policy/weights.h"
#include "common/files.h"
#include "coordinator/cli/prepare_run.h"
#include "coordinator/store/run_store.h"
#include "learner/checkpoint/checkpoint.h"

namespace shoal {
namespace {

absl::StatusOr<std::string> LatestPolicy(const std::string& folder) {
  auto store = RunStore::OpenReadOnly(absl::StrCat(folder, "/run.db"));
  if (!store.ok()) return store.status();
  auto last = store->LastCommitted();
  if (!last.ok()) return last.status();
  if (last->policy_sha256.empty()) {
    return absl::NotFoundError(absl::StrCat(folder, " has no checkpoint yet"));
  }
  auto checkpoint = ReadCheckpoint(absl::StrCat(folder, "/checkpoints"), last->iteration,
                                   last->policy_sha256);
  if (!checkpoint.ok()) return checkpoint.status();
  return std::move(checkpoint->policy);
}

absl::StatusOr<std::string> RunPolicy(const std::string& text, const std::string& out) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits('@', 1));
  auto folder = FindRun(out, parts.first);
  if (!folder.ok()) return folder.status();
  if (text.find('@') == std::string::npos) return LatestPolicy(*folder);
  int64_t iteration = 0;
  if (!absl::SimpleAtoi(parts.second, &iteration) || iteration < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("--policy run:", text, ": after '@' an iteration is expected"));
  }
  const std::string checkpoints = absl::StrCat(*folder, "/checkpoints");
  auto checkpoint = ReadCheckpoint(checkpoints, iteration);
  if (checkpoint.ok()) return std::move(checkpoint->policy);
  if (!absl::IsNotFound(checkpoint.status())) return checkpoint.status();
  auto there = ListCheckpoints(checkpoints);
  return absl::NotFoundError(absl::StrCat(
      "--policy run:", text, ": the run has no checkpoint of that iteration; it has ",
      there.ok() && !there->empty() ? absl::StrJoin(*there, ", ") : "none"));
}

}  // namespace

absl::StatusOr<NamedPlayer> FindPlayer(const std::string& policy, const std::string& out) {
  NamedPlayer result;
  result.name = policy;
  result.world = StandardWorldOptions();
  absl::string_view rest = policy;
  if (absl::ConsumePrefix(&rest, "rule:")) {
    auto rule = FindRule(std::string(rest));
    if (!rule.ok()) return rule.status();
    result.world.include_neighbor_features = false;
    result.player = std::make_unique<RulePlayer>(*rule);
    return result;
  }
  auto bytes = absl::ConsumePrefix(&rest, "run:") ? RunPolicy(std::string(rest), out)
                                                  : ReadFile(policy);
  if (!bytes.ok()) return bytes.status();
  auto weights = ParsePolicy(*bytes);
  if (!weights.ok()) {
    return absl::Status(weights.status().code(),
                        absl::StrCat("--policy ", policy, ": ", weights.status().message()));
  }
  result.world.include_neighbor_features = weights->include_neighbor_features;
  result.world.neighbor_radius = weights->neighbor_radius;
  result.world.neighbor_average_count = static_cast<int>(weights->neighbor_average_count);
  auto backend = CreateFusedBackend(*weights);
  if (!backend.ok()) return backend.status();
  result.backend = *std::move(backend);
  result.player = std::make_unique<GreedyPlayer>(result.backend.get());
  return result;
}

}  // namespace shoal
