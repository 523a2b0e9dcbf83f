#include "coordinator/run/planner.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/hash.h"
#include "shoal/v1/records.pb.h"

namespace shoal {

std::string EnvironmentsHash(const std::vector<v1::EnvironmentPlan>& environments) {
  Sha256 hash;
  for (const v1::EnvironmentPlan& environment : environments) {
    const std::string bytes = environment.SerializeAsString();
    hash.Update(absl::StrCat(bytes.size(), ":"));
    hash.Update(bytes);
  }
  return hash.FinishHex();
}

absl::StatusOr<std::unique_ptr<Planner>> Planner::Create(const v1::RunOptions& options,
                                                         std::vector<TailStage> stages) {
  auto curriculum = Curriculum::Create(options);
  if (!curriculum.ok()) return curriculum.status();
  auto penalty = PenaltySchedule::Create(options);
  if (!penalty.ok()) return penalty.status();
  auto entropy = EntropySchedule::Create(options);
  if (!entropy.ok()) return entropy.status();
  auto learning_rate = LearningRate::Create(options);
  if (!learning_rate.ok()) return learning_rate.status();
  auto boost = EscapeBoost::Create(options);
  if (!boost.ok()) return boost.status();
  auto gate = PenaltyGate::Create(options);
  if (!gate.ok()) return gate.status();
  auto tail = TailQueue::Create(options, std::move(stages));
  if (!tail.ok()) return tail.status();
  return std::unique_ptr<Planner>(new Planner(
      options, *std::move(curriculum), *std::move(penalty), *std::move(entropy),
      *std::move(learning_rate), *std::move(boost), *std::move(gate), *std::move(tail)));
}

Planner::Planner(const v1::RunOptions& options, Curriculum curriculum, PenaltySchedule penalty,
                 EntropySchedule entropy, LearningRate learning_rate, EscapeBoost boost,
                 PenaltyGate gate, TailQueue tail)
    : options_(options),
      curriculum_(std::move(curriculum)),
      penalty_(std::move(penalty)),
      entropy_(std::move(entropy)),
      learning_rate_(std::move(learning_rate)),
      boost_(std::move(boost)),
      gate_(std::move(gate)),
      tail_(std::move(tail)) {
  answers_.push_back(GateAnswer{1, gate_.stage(), gate_.allowed_phase()});
}

absl::Status Planner::SetOptions(const v1::RunOptions& options) {
  auto entropy = EntropySchedule::Create(options);
  if (!entropy.ok()) return entropy.status();
  auto learning_rate = LearningRate::Create(options);
  if (!learning_rate.ok()) return learning_rate.status();
  // It goes on from what it has seen.
  auto boost = EscapeBoost::Create(options);
  if (!boost.ok()) return boost.status();
  if (absl::Status status = boost->Restore(boost_.State()); !status.ok()) return status;
  if (absl::Status status = tail_.SetOptions(options); !status.ok()) return status;
  entropy_ = *std::move(entropy);
  learning_rate_ = *std::move(learning_rate);
  boost_ = *std::move(boost);
  options_ = options;
  return absl::OkStatus();
}

absl::Status Planner::CheckOptions(const v1::RunOptions& options) const {
  return Planner(*this).SetOptions(options);
}

int Planner::num_shards() const {
  return static_cast<int>((options_.num_envs() + options_.envs_per_shard() - 1) /
                          options_.envs_per_shard());
}

int64_t Planner::JudgedUpToNeeded(int64_t iteration) const {
  if (options_.multi_eval_interval() == 0) return 0;
  const int64_t last = iteration - 1 - options_.gate_delay();
  if (last <= 0) return 0;
  return last / options_.multi_eval_interval() * options_.multi_eval_interval();
}

const Planner::GateAnswer& Planner::AnswerFor(int64_t iteration) const {
  const GateAnswer* answer = &answers_.front();
  for (const GateAnswer& a : answers_) {
    if (a.from_iteration <= iteration) answer = &a;
  }
  return *answer;
}

PlannedIteration Planner::Plan(int64_t iteration) {
  const Phase phase = curriculum_.PhaseOf(iteration);
  const GateAnswer& gate = AnswerFor(iteration);
  PlannedIteration planned;
  v1::IterationPlan& plan = planned.plan;
  plan.set_iteration(iteration);
  plan.set_phase(static_cast<int32_t>(phase.phase));
  plan.set_num_fish(static_cast<int32_t>(phase.num_fish));
  plan.set_policy_version(std::max<int64_t>(0, iteration - 1 - options_.policy_lag()));
  plan.set_density_penalty_coef(penalty_.Value(iteration, gate.allowed_phase));
  plan.set_entropy_coef(entropy_.Value(iteration));
  plan.set_learning_rate(learning_rate_.Value(iteration));
  plan.set_escape_boost_speed(boost_.Value(iteration, plan.density_penalty_coef(), gate.stage));
  plan.set_fresh_episodes(phase.begins_here);
  plan.set_gate_phase_limit(static_cast<int32_t>(gate.allowed_phase - 1));
  plan.set_row_filter_active(options_.row_filter() == "quiet" && advantages_.has_value());
  if (plan.row_filter_active()) {
    plan.set_advantage_mean(advantages_->mean);
    plan.set_advantage_std(advantages_->std);
  }
  planned.environments.resize(options_.num_envs());
  PlanTail(iteration, planned.environments);
  return planned;
}

void Planner::PlanTail(int64_t iteration, std::vector<v1::EnvironmentPlan>& environments) const {
  for (int64_t e = 0; e < options_.num_envs(); ++e) {
    v1::EnvironmentPlan& environment = environments[e];
    environment.set_force_reset_steps(static_cast<int32_t>(tail_.ForceResetSteps(e, iteration)));
    // No more episodes can begin in a rollout than it has steps; one slot more tells the last of them
    // that slots are left.
    for (const TailSlot& slot : tail_.Upcoming(e, options_.n_steps() + 1)) {
      environment.add_tail_velocities(static_cast<float>(slot.velocity.x));
      environment.add_tail_velocities(static_cast<float>(slot.velocity.y));
    }
  }
  for (int64_t e : tail_.ForcedEnvironments(iteration)) environments[e].set_force_reset(true);
}

absl::StatusOr<IterationMeasurements> Planner::Fold(
    const v1::IterationPlan& plan, const std::vector<v1::RolloutRecord>& records) {
  auto measurements = FoldIteration(plan, records, tail_.AnySlots());
  if (!measurements.ok()) return measurements.status();
  if (absl::Status status = ConsumeTail(records); !status.ok()) return status;
  tail_.OnIterationEnd(plan.iteration());
  boost_.Observe(measurements->first_death_p10);
  if (measurements->unfiltered_rows > 0) advantages_ = MomentsOfAdvantages(*measurements);
  folded_ = plan.iteration();
  NoteTail(plan.iteration(), *measurements);
  measurements->policy_lag = plan.iteration() - 1 - plan.policy_version();
  return measurements;
}

absl::Status Planner::ConsumeTail(const std::vector<v1::RolloutRecord>& records) {
  int64_t environment = 0;
  for (const v1::RolloutRecord& record : records) {
    for (const v1::EnvironmentUse& use : record.environments()) {
      // The plan has at most so many; a queue that loops would take any number.
      if (use.overrides() > options_.n_steps() + 1) {
        return absl::InvalidArgumentError(
            absl::StrCat("environment ", environment, " began ", use.overrides(),
                         " episodes with a tail slot in ", options_.n_steps(), " steps"));
      }
      if (absl::Status status = tail_.Consume(environment, use.overrides()); !status.ok()) {
        return status;
      }
      ++environment;
    }
  }
  if (environment != options_.num_envs()) {
    return absl::InvalidArgumentError(absl::StrCat("the records of the iteration have ", environment,
                                                   " environments, not ", options_.num_envs()));
  }
  return absl::OkStatus();
}

void Planner::NoteTail(int64_t iteration, IterationMeasurements& measurements) const {
  if (tail_.length() == 0) return;
  const TailCounters counters = tail_.Counters(iteration);
  measurements.tail_stage_index = counters.stage_index;
  measurements.tail_stage_progress = counters.stage_progress;
  measurements.tail_queue_remaining = counters.remaining;
  measurements.tail_queue_remaining_ratio = counters.remaining_ratio;
  measurements.tail_schedule_ratio = counters.schedule_ratio;
  measurements.tail_refills = counters.refills;
}

absl::StatusOr<GateRecord> Planner::Judge(const GateInput& input) {
  auto record = gate_.OnEvaluation(input);
  if (!record.ok()) return record.status();
  answers_.push_back(GateAnswer{input.iteration + 1 + options_.gate_delay(), gate_.stage(),
                                gate_.allowed_phase()});
  return record;
}

std::vector<int64_t> Planner::TailUsed() const {
  if (tail_.length() == 0) return {};
  const v1::TailQueueState state = tail_.State();
  return {state.next_slot().begin(), state.next_slot().end()};
}

std::string Planner::SaveState() const {
  v1::PlannerState state;
  state.set_folded_iteration(folded_);
  *state.mutable_escape_boost() = boost_.State();
  *state.mutable_tail_queue() = tail_.State();
  if (advantages_) {
    state.set_advantage_known(true);
    state.set_advantage_mean(advantages_->mean);
    state.set_advantage_std(advantages_->std);
  }
  return state.SerializeAsString();
}

absl::Status Planner::RestoreState(const std::string& bytes) {
  v1::PlannerState state;
  if (!state.ParseFromString(bytes)) {
    return absl::DataLossError("the planner's state in run.db cannot be read");
  }
  if (state.folded_iteration() < 0 || state.folded_iteration() > total_iterations()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the planner's state is of iteration ", state.folded_iteration(),
                     "; the run has ", total_iterations()));
  }
  if (!std::isfinite(state.advantage_mean()) || !std::isfinite(state.advantage_std()) ||
      state.advantage_std() < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("the planner's state has advantages of mean ", state.advantage_mean(),
                     " and deviation ", state.advantage_std(), ", which no rows have"));
  }
  if (absl::Status status = boost_.Restore(state.escape_boost()); !status.ok()) return status;
  if (absl::Status status = tail_.Restore(state.tail_queue()); !status.ok()) return status;
  folded_ = state.folded_iteration();
  advantages_.reset();
  if (state.advantage_known()) {
    advantages_ = AdvantageMoments{state.advantage_mean(), state.advantage_std()};
  }
  return absl::OkStatus();
}

}  // namespace shoal
