#include "actor/rollout/shard.h"

#include <algorithm>
#include <utility>

#include "actor/policy/sampling.h"
#include "actor/rollout/step_one_deaths.h"
#include "actor/rollout/tracked_fish.h"

namespace shoal {
namespace {

// In `broadcast` a trajectory is the school's, whoever is looked through; its rows carry this fish.
constexpr int kSchool = 0;

}  // namespace

Shard::Shard(const RolloutSettings& settings, const v1::IterationPlan& plan, PolicyBackend* backend,
             World* world, std::vector<Environment>* environments, RowCollector* collector)
    : settings_(settings),
      plan_(plan),
      backend_(*backend),
      world_(*world),
      environments_(*environments),
      collector_(*collector),
      scene_random_(settings.seed, RandomPurpose::kScene),
      action_random_(settings.seed, RandomPurpose::kAction),
      tracked_random_(settings.seed, RandomPurpose::kTrackedFish),
      limit_random_(settings.seed, RandomPurpose::kFirstLimit) {
  const size_t envs = environments_.size();
  const size_t rows = envs * world_.num_fish();
  const size_t lanes = envs * world_.stride();
  first_row_.resize(envs + 1);
  row_fish_.resize(rows);
  observations_.resize(rows * world_.obs_dim());
  logits_.resize(rows * kNumActions);
  uniforms_.resize(rows);
  row_actions_.resize(rows);
  row_log_probs_.resize(rows);
  actions_.resize(lanes, kHold);
  row_of_fish_.resize(lanes);
  first_collected_.resize(envs + 1);
  rewards_.resize(world_.stride());
  cut_fish_.reserve(world_.num_fish());
}

void Shard::Run() {
  const int envs = world_.num_envs();
  for (step_ = 0; step_ < settings_.n_steps; ++step_) {
    for (int env = 0; env < envs; ++env) {
      if (environments_[env].needs_reset) BeginEpisode(env);
      fish_steps_ += world_.alive_count(env);
    }
    Observe();
    Decide();
    for (int env = 0; env < envs; ++env) CollectRows(env);
    first_collected_[envs] = collector_.size();
    world_.Step(actions_.data());
    for (int env = 0; env < envs; ++env) Conclude(env);
  }
}

void Shard::BeginEpisode(int env) {
  Environment& environment = environments_[env];
  const auto episode = static_cast<uint32_t>(++environment.episode);
  environment.needs_reset = false;
  environment.use.set_episodes_begun(environment.use.episodes_begun() + 1);

  environment.limit = settings_.episode_limit;
  if (std::exchange(environment.staggered, false) && settings_.staggered_episodes) {
    environment.limit =
        1 + static_cast<int>(BoundedInt(limit_random_.Bits(environment.id, episode, 0, 0),
                                        settings_.episode_limit));
  }

  EpisodeStart start;
  start.seed = scene_random_.Bits(environment.id, episode, 0, 0);
  start.escape_boost_speed = plan_.escape_boost_speed();
  if (environment.velocities_left() > 0) {
    const int at = 2 * environment.next_velocity++;
    start.tail_velocity = {environment.plan->tail_velocities(at),
                           environment.plan->tail_velocities(at + 1)};
    environment.use.set_overrides(environment.use.overrides() + 1);
  }
  world_.Reset(env, start);

  environment.tracked.clear();
  if (settings_.mode != TrainingMode::kBroadcast && !all_teach()) {
    DrawTrackedFish(tracked_random_, environment.id, episode, settings_.tracked_fish,
                    world_.num_fish(), &environment.tracked);
  }
  environment.broadcast_fish = -1;

  environment.record.Clear();
  environment.record.set_environment(static_cast<int32_t>(environment.id));
  environment.record.set_episode(environment.episode);
  environment.record.set_num_fish(world_.num_fish());
  environment.record.set_tail_override(start.tail_velocity.has_value());
}

void Shard::Observe() {
  first_row_[0] = 0;
  for (int env = 0; env < world_.num_envs(); ++env) ObserveEnvironment(env);
}

void Shard::ObserveEnvironment(int env) {
  Environment& environment = environments_[env];
  const int32_t first = first_row_[env];
  float* rows = observations_.data() + static_cast<size_t>(first) * world_.obs_dim();
  int32_t* fish = row_fish_.data() + first;
  int count = 1;
  switch (settings_.mode) {
    case TrainingMode::kPerFish:
      count = world_.ObserveLiving(env, rows, fish);
      break;
    case TrainingMode::kFocal:
      *fish = environment.tracked[0];
      world_.ObserveFish(env, fish, 1, rows);
      break;
    case TrainingMode::kBroadcast:
      environment.broadcast_fish =
          NextLivingFish(world_.alive_mask(env), world_.num_fish(), environment.broadcast_fish);
      *fish = environment.broadcast_fish;
      world_.ObserveFish(env, fish, 1, rows);
      break;
  }
  first_row_[env + 1] = first + count;
}

void Shard::Decide() {
  const int envs = world_.num_envs();
  const int32_t rows = first_row_[envs];
  backend_.Logits(observations_.data(), rows, logits_.data());
  for (int env = 0; env < envs; ++env) {
    const auto episode = static_cast<uint32_t>(environments_[env].episode);
    for (int32_t row = first_row_[env]; row < first_row_[env + 1]; ++row) {
      uniforms_[row] = UniformFloat(
          action_random_.Bits(environments_[env].id, episode, world_.step(env), row_fish_[row]));
    }
  }
  SampleActions(logits_.data(), uniforms_.data(), rows, row_actions_.data(), row_log_probs_.data());

  for (int env = 0; env < envs; ++env) {
    uint8_t* actions = actions_.data() + static_cast<size_t>(env) * world_.stride();
    int32_t* row_of_fish = row_of_fish_.data() + static_cast<size_t>(env) * world_.stride();
    if (settings_.mode != TrainingMode::kPerFish) {
      const uint8_t others = settings_.mode == TrainingMode::kBroadcast
                                 ? row_actions_[first_row_[env]]
                                 : uint8_t{kHold};
      std::fill_n(actions, world_.num_fish(), others);
    }
    for (int32_t row = first_row_[env]; row < first_row_[env + 1]; ++row) {
      actions[row_fish_[row]] = row_actions_[row];
      row_of_fish[row_fish_[row]] = row;
    }
  }
}

// The rows of the learning fish, in the order of fish or of slots.
void Shard::CollectRows(int env) {
  first_collected_[env] = collector_.size();
  const int obs_dim = world_.obs_dim();
  const auto collect = [&](int32_t row, int fish) {
    collector_.Append(env, fish, step_, observations_.data() + static_cast<size_t>(row) * obs_dim,
                      row_actions_[row], row_log_probs_[row]);
  };
  if (settings_.mode == TrainingMode::kBroadcast) {
    collect(first_row_[env], kSchool);
  } else if (all_teach()) {
    for (int32_t row = first_row_[env]; row < first_row_[env + 1]; ++row) {
      collect(row, row_fish_[row]);
    }
  } else {
    const int32_t* row_of_fish = row_of_fish_.data() + static_cast<size_t>(env) * world_.stride();
    for (int32_t fish : environments_[env].tracked) {
      if (fish != kNoFish) collect(row_of_fish[fish], fish);
    }
  }
}

void Shard::Conclude(int env) {
  Environment& environment = environments_[env];
  world_.Rewards(env, settings_.reward, static_cast<float>(plan_.density_penalty_coef()),
                 rewards_.data());
  double mean_reward = 0;
  for (int fish = 0; fish < world_.num_fish(); ++fish) mean_reward += double{rewards_[fish]};
  mean_reward /= world_.num_fish();
  UpdateRecord(env, mean_reward);

  const v1::EpisodeRecord::End end = EndOfStep(env);
  const bool goes_on = end == v1::EpisodeRecord::END_UNSPECIFIED;
  // Trajectories end here with a value to be estimated, if they do not end in a death.
  const bool cut =
      goes_on ? step_ + 1 == settings_.n_steps : end != v1::EpisodeRecord::END_TERMINATED;
  if (settings_.mode == TrainingMode::kBroadcast) {
    FinishBroadcastRow(env, mean_reward, end, cut);
  } else {
    FinishFishRows(env, cut);
  }

  if (goes_on) {
    if (world_.new_deaths(env) > 0) {
      ReplaceDeadFish(world_.alive_mask(env), world_.num_fish(), &environment.tracked);
    }
    return;
  }
  if (end == v1::EpisodeRecord::END_FORCED) {
    environment.use.set_forced_resets(environment.use.forced_resets() + 1);
  }
  environment.EndEpisode(end, world_.alive_count(env));
}

void Shard::UpdateRecord(int env, double mean_reward) {
  v1::EpisodeRecord& record = environments_[env].record;
  const int length = world_.step(env);
  record.set_length(length);
  record.set_alive_sum(record.alive_sum() + world_.alive_count(env));
  record.set_reward_sum(record.reward_sum() + mean_reward);
  if (world_.new_deaths(env) == 0) return;
  if (record.first_death_step() == 0) record.set_first_death_step(length);
  if (length == 1) AddStepOneDeaths(world_, env, record.mutable_step_one_deaths());
}

v1::EpisodeRecord::End Shard::EndOfStep(int env) const {
  const Environment& environment = environments_[env];
  const int length = world_.step(env);
  if (world_.alive_count(env) == 0) return v1::EpisodeRecord::END_TERMINATED;
  if (length == kHorizon && settings_.mode == TrainingMode::kBroadcast) {
    return v1::EpisodeRecord::END_TERMINATED;
  }
  if (length >= environment.limit) return v1::EpisodeRecord::END_TRUNCATED;
  const int forced = environment.plan->force_reset_steps();
  if (forced > 0 && length >= forced && environment.velocities_left() > 0) {
    return v1::EpisodeRecord::END_FORCED;
  }
  return v1::EpisodeRecord::END_UNSPECIFIED;
}

void Shard::FinishFishRows(int env, bool cut) {
  RowEnd bootstrap = collector_.bootstraps();
  cut_fish_.clear();
  for (int32_t row = first_collected_[env]; row < first_collected_[env + 1]; ++row) {
    const int fish = collector_.fish(row);
    RowEnd end = kContinues;
    if (!world_.alive(env, fish)) {
      end = kTerminated;
    } else if (cut) {
      end = bootstrap++;
      cut_fish_.push_back(fish);
    }
    collector_.SetOutcome(row, rewards_[fish], end);
  }
  if (cut_fish_.empty()) return;
  const int count = static_cast<int>(cut_fish_.size());
  world_.ObserveFish(env, cut_fish_.data(), count, collector_.AddBootstraps(count));
}

void Shard::FinishBroadcastRow(int env, double mean_reward, v1::EpisodeRecord::End end, bool cut) {
  RowEnd row_end = end == v1::EpisodeRecord::END_TERMINATED ? kTerminated : kContinues;
  if (cut) {
    row_end = collector_.bootstraps();
    const int32_t next = NextLivingFish(world_.alive_mask(env), world_.num_fish(),
                                        environments_[env].broadcast_fish);
    world_.ObserveFish(env, &next, 1, collector_.AddBootstraps(1));
  }
  collector_.SetOutcome(first_collected_[env], static_cast<float>(mean_reward), row_end);
}

}  // namespace shoal
