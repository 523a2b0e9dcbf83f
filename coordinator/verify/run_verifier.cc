#include "coordinator/verify/run_verifier.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "actor/evaluation/evaluation.h"
#include "actor/policy/weights.h"
#include "actor/rollout/rollout.h"
#include "common/hash.h"
#include "common/options.h"
#include "coordinator/run/evaluations.h"
#include "coordinator/run/open_run.h"
#include "coordinator/run/orders.h"
#include "coordinator/run/planner.h"
#include "coordinator/run/rollout_board.h"
#include "learner/checkpoint/checkpoint.h"
#include "nlohmann/json.hpp"

namespace shoal {
namespace {

absl::StatusOr<std::unique_ptr<PolicyBackend>> BackendFor(const std::string& policy,
                                                          const std::string& kernel_id) {
  auto weights = ParsePolicy(policy);
  if (!weights.ok()) return weights.status();
  auto backend =
      CreateBackend(absl::StartsWith(kernel_id, "shoal-fused") ? "fused" : "torch", *weights);
  if (!backend.ok()) return backend.status();
  if ((*backend)->kernel_id() == kernel_id) return backend;
  return absl::FailedPreconditionError(
      absl::StrCat("the run's actors had inference kernel ", kernel_id, "; this build and CPU have ",
                   (*backend)->kernel_id(), ", which gives other bits"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<RunVerifier>> RunVerifier::Open(const std::string& run_dir) {
  auto store = RunStore::OpenReadOnly(absl::StrCat(run_dir, "/run.db"));
  if (!store.ok()) return store.status();
  std::unique_ptr<RunVerifier> verifier(new RunVerifier(*std::move(store)));
  if (absl::Status status = verifier->Prepare(run_dir); !status.ok()) return status;
  return verifier;
}

absl::Status RunVerifier::Prepare(const std::string& run_dir) {
  if (absl::Status status = store_.CheckContent(); !status.ok()) return status;
  checkpoints_ = absl::StrCat(run_dir, "/checkpoints");
  auto info = store_.Info();
  if (!info.ok()) return info.status();
  info_ = *std::move(info);
  auto options = ParseOptions(info_.options, store_.path());
  if (!options.ok()) return options.status();
  options_ = *std::move(options);
  auto located = WithTailPathsFrom(options_, run_dir);
  if (!located.ok()) return located.status();
  auto stages = LoadTailStages(*located);
  if (!stages.ok()) return stages.status();
  stages_ = *std::move(stages);
  auto planner = Planner::Create(options_, stages_);
  if (!planner.ok()) return planner.status();
  shards_ = (*planner)->num_shards();
  auto last = store_.LastCommitted();
  if (!last.ok()) return last.status();
  committed_ = last->iteration;
  auto evaluations = store_.FinishedEvaluations();
  if (!evaluations.ok()) return evaluations.status();
  evaluations_ = *std::move(evaluations);
  return absl::OkStatus();
}

absl::StatusOr<PolicyBackend*> RunVerifier::Policy(int64_t version) {
  if (version == version_) return backend_.get();
  auto sha256 = store_.PolicySha256(version);
  if (!sha256.ok()) return sha256.status();
  auto checkpoint = ReadCheckpoint(checkpoints_, version, *sha256);
  if (!checkpoint.ok()) return checkpoint.status();
  auto backend = BackendFor(checkpoint->policy, info_.kernel_id);
  if (!backend.ok()) return backend.status();
  backend_ = *std::move(backend);
  version_ = version;
  return backend_.get();
}

absl::StatusOr<std::vector<std::string>> RunVerifier::StatesBefore(int64_t iteration) const {
  if (iteration == 1) return std::vector<std::string>(shards_);
  return store_.LoadShardStates(iteration - 1);
}

absl::StatusOr<Verification> RunVerifier::VerifyIteration(int64_t iteration,
                                                          std::optional<int> shard) {
  if (iteration < 1 || iteration > committed_) {
    return absl::InvalidArgumentError(absl::StrCat("there is no iteration ", iteration,
                                                   "; committed are 1 to ", committed_));
  }
  if (shard && (*shard < 0 || *shard >= shards_)) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no shard ", *shard, "; this run has 0 to ", shards_ - 1));
  }
  Verification result;
  auto saved = store_.LoadPlan(iteration);
  if (!saved.ok()) return saved.status();
  auto states = StatesBefore(iteration);
  auto backend = Policy(saved->plan.policy_version());
  for (const absl::Status& needed : {states.status(), backend.status()}) {
    if (absl::IsNotFound(needed)) {
      result.skipped = std::string(needed.message());
      return result;
    }
    if (!needed.ok()) return needed;
  }
  auto planner = Planner::Create(options_, stages_);
  if (!planner.ok()) return planner.status();
  if (iteration > 1) {
    auto state = store_.LoadPlannerState(iteration - 1);
    if (!state.ok()) return state.status();
    if (absl::Status status = (*planner)->RestoreState(*state); !status.ok()) return status;
  }
  // Which answers of the gate a plan knew of follows from the iteration's number.
  LeaseTable none(LeaseOptions{}, 1);
  Evaluations judged(options_, planner->get(), SharedStore([this] { return &store_; }), &none);
  if (absl::Status status = judged.Restore(); !status.ok()) return status;
  auto orders = store_.Orders();
  if (!orders.ok()) return orders.status();
  auto last_plan = store_.LastPlan();
  if (!last_plan.ok()) return last_plan.status();
  const OrderBook book(options_, *std::move(orders), *last_plan);
  if (absl::Status status = ApplyOrders(book, iteration, **planner); !status.ok()) return status;
  PlannedIteration planned = (*planner)->Plan(iteration);
  if (planned.plan.SerializeAsString() != saved->plan.SerializeAsString() ||
      EnvironmentsHash(planned.environments) != saved->tail_hash) {
    result.mismatches.push_back(absl::StrCat("the plan of iteration ", iteration, ": recorded ",
                                             saved->plan.ShortDebugString(), ", now ",
                                             planned.plan.ShortDebugString()));
    return result;
  }
  auto policy = store_.PolicySha256(planned.plan.policy_version());
  if (!policy.ok()) return policy.status();
  if (static_cast<int>(states->size()) != shards_) {
    return absl::DataLossError(absl::StrCat(store_.path(), ": has states of ", states->size(), " shards after iteration ",
                                            iteration - 1, ", and the run has ", shards_));
  }
  const RolloutBoard board(planned.plan, std::move(planned.environments),
                           std::make_shared<const std::vector<std::string>>(*std::move(states)), *policy,
                           static_cast<int>(options_.envs_per_shard()));
  for (int s = shard.value_or(0); s < (shard ? *shard + 1 : shards_); ++s) {
    auto computed = ComputeRollout(options_, board.Item(s), **backend);
    if (!computed.ok()) return computed.status();
    auto recorded = store_.ShardChecksum(iteration, s);
    if (!recorded.ok()) return recorded.status();
    const std::string now = Xxh3_128Hex(computed->record.SerializeAsString());
    ++result.items;
    if (now == *recorded) continue;
    auto worker = store_.ShardWorker(iteration, s);
    result.mismatches.push_back(absl::StrCat("iteration ", iteration, ", shard ", s,
                                             ": recorded xxh3 ", *recorded, " by ",
                                             worker.value_or("?"), ", now ", now));
  }
  return result;
}

absl::StatusOr<Verification> RunVerifier::VerifyEvaluation(const EvaluationRow& evaluation) {
  Verification result;
  auto backend = Policy(evaluation.iteration);
  if (absl::IsNotFound(backend.status())) {
    result.skipped = std::string(backend.status().message());
    return result;
  }
  if (!backend.ok()) return backend.status();
  const auto spec = nlohmann::json::parse(evaluation.spec, nullptr, /*allow_exceptions=*/false);
  auto scenes = store_.LoadEvaluationScenes(evaluation.id);
  if (!scenes.ok()) return scenes.status();
  const auto seeds = spec.is_object() ? spec.value("seeds", std::vector<uint64_t>())
                                      : std::vector<uint64_t>();
  if (seeds.size() != scenes->size()) {
    return absl::DataLossError(absl::StrCat(store_.path(), ": evaluation ", evaluation.id, " has ",
                                            scenes->size(), " scenes, and ", seeds.size(), " seeds"));
  }
  for (size_t i = 0; i < seeds.size(); ++i) {
    v1::EvaluationItem item;
    item.set_evaluation(evaluation.id);
    item.set_index(static_cast<int32_t>(i));
    item.set_seed(seeds[i]);
    item.set_num_fish(spec.value("num_fish", 0));
    item.set_escape_boost_speed(spec.value("escape_boost_speed", 0.0));
    auto computed = ComputeEvaluation(options_, item, **backend);
    if (!computed.ok()) return computed.status();
    ++result.items;
    if (computed->SerializeAsString() == (*scenes)[i].record) continue;
    result.mismatches.push_back(absl::StrCat("evaluation ", evaluation.id, ", scene ", i, " (seed ",
                                             seeds[i], ") comes out differently now"));
  }
  return result;
}

}  // namespace shoal
