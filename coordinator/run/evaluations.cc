#include "coordinator/run/evaluations.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "actor/world/numpy_random.h"
#include "coordinator/artifacts/gate_input.h"
#include "coordinator/gate/replay.h"
#include "coordinator/store/evaluation_episodes.h"
#include "nlohmann/json.hpp"

namespace shoal {
namespace {

// `count` seeds of the bank after the first `skip`.
std::vector<uint64_t> SeedsAfter(uint64_t bank, int64_t skip, int64_t count) {
  const std::vector<uint64_t> seeds = BankSeeds(bank, static_cast<int>(skip + count));
  return {seeds.begin() + skip, seeds.end()};
}

// What run.db keeps of a job.
nlohmann::ordered_json SpecJson(const EvaluationJob& job) {
  return {{"policy_sha256", job.policy_sha256},
          {"num_fish", job.num_fish},
          {"escape_boost_speed", job.escape_boost_speed},
          {"density_penalty_coef", job.density_penalty_coef},
          {"seeds", job.seeds}};
}

absl::Status BadScene(int64_t evaluation, int64_t scene) {
  return absl::DataLossError(absl::StrCat("evaluation ", evaluation, ", scene ", scene,
                                          ": the record is not an EvaluationEpisode"));
}

}  // namespace

Evaluations::Evaluations(const v1::RunOptions& options, Planner* planner, SharedStore store,
                         LeaseTable* leases)
    : options_(options),
      planner_(planner),
      store_(std::move(store)),
      leases_(leases),
      best_(options) {}

absl::Status Evaluations::Restore() {
  auto finished = store_->FinishedEvaluations();
  if (!finished.ok()) return finished.status();
  for (const EvaluationRow& row : *finished) {
    auto episodes = LoadEpisodes(*store_, row.id);
    if (!episodes.ok()) return episodes.status();
    auto summary = SummarizeEvaluation(*episodes);
    if (!summary.ok()) return summary.status();
    auto gate = Apply(row.kind, row.iteration, *summary);
    if (!gate.ok()) return gate.status();
    made_ = row.id + 1;
  }
  return absl::OkStatus();
}

int64_t Evaluations::MultiCount(int64_t committed) const {
  return options_.multi_eval_interval() > 0 ? committed / options_.multi_eval_interval() : 0;
}

std::vector<Evaluations::Due> Evaluations::DueUpTo(int64_t committed,
                                                   const std::vector<int64_t>& ordered) const {
  std::vector<Due> due;
  for (int64_t k = 1; k <= MultiCount(committed); ++k) {
    due.push_back({k * options_.multi_eval_interval(), /*ordered=*/false});
  }
  for (const int64_t iteration : ordered) {
    if (iteration <= committed) due.push_back({iteration, /*ordered=*/true});
  }
  // The gate waits for the run's own, which come first where both are due.
  std::stable_sort(due.begin(), due.end(),
                   [](const Due& a, const Due& b) { return a.iteration < b.iteration; });
  return due;
}

absl::Status Evaluations::MakeDue(int64_t committed, const std::vector<int64_t>& ordered,
                                  absl::Time now) {
  const std::vector<Due> due = DueUpTo(std::max<int64_t>(committed, 0), ordered);
  while (made_ < static_cast<int64_t>(due.size())) {
    EvaluationJob job = JobOf(made_, due[static_cast<size_t>(made_)]);
    if (absl::Status status = Make(std::move(job), now); !status.ok()) return status;
  }
  const int64_t total = planner_->total_iterations();
  if (committed < total || options_.skip_final_eval() || !board_.empty()) return absl::OkStatus();
  for (EvaluationJob& job : FinalJobs(total, static_cast<int64_t>(due.size()))) {
    if (job.id < made_) continue;
    if (absl::Status status = Make(std::move(job), now); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Evaluations::Make(EvaluationJob job, absl::Time now) {
  auto plan = store_->LoadPlan(job.iteration);
  if (!plan.ok()) return plan.status();
  auto policy = store_->PolicySha256(job.iteration);
  if (!policy.ok()) return policy.status();
  job.policy_sha256 = *std::move(policy);
  job.escape_boost_speed = plan->plan.escape_boost_speed();
  job.density_penalty_coef = plan->plan.density_penalty_coef();

  EvaluationRow row;
  row.id = job.id;
  row.kind = job.kind;
  row.iteration = job.iteration;
  row.spec = SpecJson(job).dump();
  row.created_at = now;
  if (absl::Status status = store_->AddEvaluation(row); !status.ok()) return status;
  const int64_t id = job.id;
  const int32_t scenes = static_cast<int32_t>(job.seeds.size());
  made_ = id + 1;
  board_.Add(std::move(job));
  if (absl::Status status = LoadScenes(id); !status.ok()) return status;
  for (int32_t index = 0; index < scenes; ++index) {
    if (!board_.Has(id, index)) leases_->Add(ItemKey{ItemKind::kEvaluation, id, index});
  }
  return absl::OkStatus();
}

absl::Status Evaluations::LoadScenes(int64_t id) {
  auto scenes = store_->LoadEvaluationScenes(id);
  if (!scenes.ok()) return scenes.status();
  for (const EvaluationScene& scene : *scenes) {
    auto episode = ParseScene(*store_, id, scene);
    if (!episode.ok()) return episode.status();
    board_.Accept(id, scene.scene, scene.record, *std::move(episode), scene.worker);
  }
  return absl::OkStatus();
}

EvaluationJob Evaluations::JobOf(int64_t id, const Due& due) const {
  const int64_t episodes = options_.multi_eval_probe_episodes();
  // Own evaluations go through the bank. One by order takes no scenes from them: it plays those of the
  // own one before it, so that the two can be compared scene by scene.
  const int64_t own = MultiCount(due.ordered ? due.iteration - 1 : due.iteration);
  const int64_t block = std::max<int64_t>(own - 1, 0);
  EvaluationJob job;
  job.id = id;
  job.kind = std::string(due.ordered ? RunStore::kOrderedEvaluation : RunStore::kMultiEvaluation);
  job.iteration = due.iteration;
  job.seeds = SeedsAfter(options_.multi_eval_seed_base(), block * episodes, episodes);
  job.num_fish = static_cast<int>(options_.eval_multi_fish());
  return job;
}

std::vector<EvaluationJob> Evaluations::FinalJobs(int64_t total, int64_t first) const {
  // Scenes go on where the multi-evaluations ended, so that the final figures come from scenes that
  // chose nothing.
  int64_t used = MultiCount(total) * options_.multi_eval_probe_episodes();
  std::vector<EvaluationJob> jobs;
  auto add = [&](const char* kind, int64_t iteration, int64_t episodes, int64_t num_fish) {
    if (episodes == 0) return;
    EvaluationJob job;
    job.id = first + static_cast<int64_t>(jobs.size());
    job.kind = kind;
    job.iteration = iteration;
    job.seeds = SeedsAfter(options_.multi_eval_seed_base(), used, episodes);
    job.num_fish = static_cast<int>(num_fish);
    used += episodes;
    jobs.push_back(std::move(job));
  };
  add("final", total, options_.eval_multi_episodes(), options_.eval_multi_fish());
  add("final_own", total, options_.eval_episodes(), planner_->NumFish(total));
  add("best", best_iteration() > 0 ? best_iteration() : total,
      options_.best_checkpoint_eval_episodes(), options_.eval_multi_fish());
  return jobs;
}

absl::StatusOr<EvaluationBoard::Verdict> Evaluations::Accept(const ItemKey& key,
                                                             const std::string& bytes,
                                                             const std::string& worker) {
  v1::EvaluationEpisode episode;
  if (!episode.ParseFromString(bytes)) return BadScene(key.group, key.index);
  const auto verdict = board_.Accept(key.group, key.index, bytes, std::move(episode), worker);
  if (verdict != EvaluationBoard::Verdict::kFirst) return verdict;
  absl::Status status = store_->SaveEvaluationScene(key.group, key.index, bytes, worker);
  if (!status.ok()) return status;
  return verdict;
}

absl::StatusOr<bool> Evaluations::JudgeComplete(absl::Time now) {
  bool any = false;
  while (const EvaluationJob* complete = board_.Complete()) {
    const int64_t id = complete->id;
    auto summary = SummarizeEvaluation(board_.Episodes(id));
    if (!summary.ok()) return summary.status();
    auto gate = Apply(complete->kind, complete->iteration, *summary);
    if (!gate.ok()) return gate.status();
    std::optional<std::string> gate_event;
    if (!gate->is_null()) gate_event = gate->dump();
    absl::Status status =
        store_->FinishEvaluation(id, ToJson(*summary).dump(), gate_event, now);
    if (!status.ok()) return status;
    board_.Remove(id);
    leases_->RemoveGroup(ItemKind::kEvaluation, id);
    any = true;
  }
  return any;
}

absl::StatusOr<nlohmann::ordered_json> Evaluations::Apply(const std::string& kind,
                                                          int64_t iteration,
                                                          const EvaluationSummary& summary) {
  ++done_;
  last_survival_ = summary.avg_final_survival_rate;
  last_iteration_ = iteration;
  last_summary_ = summary;
  if (kind != RunStore::kMultiEvaluation) return nlohmann::ordered_json(nullptr);
  auto record = planner_->Judge(GateInputOf(iteration, summary));
  if (!record.ok()) return record.status();
  best_.Offer(CandidateOf(iteration, summary));
  judged_iteration_ = iteration;
  last_gate_ = *record;
  last_gate_event_ = std::string(GateEventName(record->event));
  return GateRecordJson(*record);
}

std::vector<int64_t> Evaluations::NeededIterations() const {
  std::vector<int64_t> needed = board_.Iterations();
  if (best_iteration() > 0) needed.push_back(best_iteration());
  return needed;
}

}  // namespace shoal
