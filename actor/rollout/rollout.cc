#include "actor/rollout/rollout.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "actor/rollout/environment.h"
#include "actor/rollout/row_collector.h"
#include "actor/rollout/settings.h"
#include "actor/rollout/shard.h"

namespace shoal {
namespace {

absl::Status Refuse(const v1::RolloutItem& item, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrFormat("rollout item of iteration %d, shard %d: %s",
                                                    item.plan().iteration(), item.shard(), what));
}

// The limit of the option density_penalty_coef, and of its phases' targets.
constexpr double kMaxDensityPenalty = 100;

absl::Status CheckVelocities(const v1::EnvironmentPlan& plan) {
  if (plan.tail_velocities_size() % 2 != 0) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%d tail velocity values; pairs of x and y are right", plan.tail_velocities_size()));
  }
  for (float value : plan.tail_velocities()) {
    if (!std::isfinite(value)) {
      return absl::InvalidArgumentError("a tail velocity is not finite");
    }
    if (std::abs(value) > kMaxWorldValue) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "a tail velocity has the value %g; at most %g is right", value, kMaxWorldValue));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckPlan(const v1::RolloutItem& item) {
  const v1::IterationPlan& plan = item.plan();
  // Iterations are a 32-bit word of the random numbers' names.
  if (plan.iteration() < 1 || plan.iteration() > std::numeric_limits<uint32_t>::max()) {
    return Refuse(item, "iterations count from 1 to 4294967295");
  }
  if (plan.num_fish() < 1 || plan.num_fish() > kMaxFish) {
    return Refuse(item,
                  absl::StrFormat("num_fish is %d; 1 to %d are right", plan.num_fish(), kMaxFish));
  }
  for (double value : {plan.density_penalty_coef(), plan.escape_boost_speed(),
                       plan.advantage_mean(), plan.advantage_std()}) {
    if (!std::isfinite(value)) return Refuse(item, "a number of the plan is not finite");
  }
  if (plan.escape_boost_speed() < 0 || plan.escape_boost_speed() > 1 ||
      plan.density_penalty_coef() < 0 || plan.density_penalty_coef() > kMaxDensityPenalty) {
    return Refuse(item, absl::StrFormat("escape_boost_speed is %g and density_penalty_coef %g; 0 to "
                                        "1 and 0 to %g are right",
                                        plan.escape_boost_speed(), plan.density_penalty_coef(),
                                        kMaxDensityPenalty));
  }
  if (item.environments().empty() || item.first_environment() < 0 ||
      item.first_environment() > std::numeric_limits<int32_t>::max() - item.environments_size()) {
    return Refuse(item, absl::StrFormat("it has %d environments from %d; at least one, from 0 on, "
                                        "is right",
                                        item.environments_size(), item.first_environment()));
  }
  for (int i = 0; i < item.environments_size(); ++i) {
    if (absl::Status status = CheckVelocities(item.environments(i)); !status.ok()) {
      return Refuse(
          item, absl::StrCat("environment ", item.first_environment() + i, ": ", status.message()));
    }
  }
  return absl::OkStatus();
}

// The most rows that the item can make. Row numbers are 32 bits wide.
absl::StatusOr<int64_t> MostRows(const RolloutSettings& settings, const v1::RolloutItem& item) {
  int64_t trajectories = 1;
  if (settings.mode == TrainingMode::kPerFish) {
    trajectories = settings.tracked_fish == 0
                       ? item.plan().num_fish()
                       : std::min(settings.tracked_fish, item.plan().num_fish());
  }
  const int64_t rows = trajectories * settings.n_steps * item.environments_size();
  if (rows > std::numeric_limits<int32_t>::max()) {
    return Refuse(item, absl::StrFormat("it could make %d rows; %d are the most, fewer "
                                        "envs_per_shard or n_steps are right",
                                        rows, std::numeric_limits<int32_t>::max()));
  }
  return rows;
}

// The environments as the item's state left them, and what the plan orders done with their
// episodes.
absl::Status TakeUp(const RolloutSettings& settings, const v1::RolloutItem& item, World* world,
                    std::vector<Environment>* environments) {
  const int count = item.environments_size();
  v1::ShardState shard;
  if (!shard.ParseFromString(item.state())) return Refuse(item, "its state cannot be parsed");
  const bool has_state = !item.state().empty();
  if (has_state && shard.environments_size() != count) {
    return Refuse(item, absl::StrFormat("its state has %d environments; %d are right",
                                        shard.environments_size(), count));
  }
  const bool fresh = !has_state || item.plan().fresh_episodes();
  environments->resize(count);
  for (int env = 0; env < count; ++env) {
    Environment& environment = (*environments)[env];
    environment.id = static_cast<uint32_t>(item.first_environment() + env);
    environment.plan = &item.environments(env);
    environment.staggered = fresh;
    if (!has_state) continue;
    v1::EnvironmentState state = shard.environments(env);
    if (fresh) state.set_needs_reset(true);  // Dropped; only the episodes' count goes on.
    absl::Status status = RestoreEnvironment(state, settings, env, world, &environment);
    if (!status.ok()) {
      return Refuse(item,
                    absl::StrCat("state of environment ", environment.id, ": ", status.message()));
    }
    if (environment.plan->force_reset() && !environment.needs_reset) {
      environment.EndEpisode(v1::EpisodeRecord::END_FORCED, world->alive_count(env));
      environment.use.set_forced_resets(1);
    }
  }
  return absl::OkStatus();
}

v1::RolloutRecord MakeRecord(const v1::RolloutItem& item, const RolloutSettings& settings,
                             const CollectedRows& collected, const World& world, int64_t fish_steps,
                             std::vector<Environment>* environments) {
  v1::RolloutRecord record;
  record.set_iteration(item.plan().iteration());
  record.set_shard(item.shard());
  record.set_policy_sha256(item.policy_sha256());
  record.set_rows(collected.rows.size());
  record.set_rows_checksum(RowsChecksum(collected.rows));
  record.set_unfiltered_rows(collected.unfiltered_rows);
  record.set_advantage_sum(collected.advantage_sum);
  record.set_advantage_square_sum(collected.advantage_square_sum);
  record.set_environment_steps(int64_t{settings.n_steps} * item.environments_size());
  record.set_fish_steps(fish_steps);
  v1::ShardState next;
  for (int env = 0; env < item.environments_size(); ++env) {
    Environment& environment = (*environments)[env];
    SaveEnvironment(environment, world, env, next.add_environments());
    *record.add_environments() = environment.use;
    for (v1::EpisodeRecord& episode : environment.ended) {
      *record.add_episodes() = std::move(episode);
    }
  }
  // The messages have no maps, so that their serialization is a function of their fields.
  record.set_next_state(next.SerializeAsString());
  return record;
}

}  // namespace

absl::StatusOr<RolloutResult> ComputeRollout(const v1::RunOptions& options,
                                             const v1::RolloutItem& item, PolicyBackend& backend) {
  absl::StatusOr<RolloutSettings> settings = ReadRolloutSettings(options);
  if (!settings.ok()) return settings.status();
  if (absl::Status status = CheckPlan(item); !status.ok()) return status;
  absl::StatusOr<int64_t> most_rows = MostRows(*settings, item);
  if (!most_rows.ok()) return most_rows.status();

  World world(settings->world, item.environments_size(), item.plan().num_fish());
  std::vector<Environment> environments;
  if (absl::Status status = TakeUp(*settings, item, &world, &environments); !status.ok()) {
    return status;
  }

  RowCollector collector(world.num_envs(), world.num_fish(), world.obs_dim(), *most_rows);
  Shard shard(*settings, item.plan(), &backend, &world, &environments, &collector);
  shard.Run();

  const RowFilter filter(settings->seed, settings->row_filter_keep, item.plan());
  absl::StatusOr<CollectedRows> collected =
      collector.Finish(backend, {settings->gamma, settings->gae_lambda}, filter,
                       static_cast<uint32_t>(item.first_environment()));
  if (!collected.ok()) return collected.status();

  RolloutResult result;
  result.record = MakeRecord(item, *settings, *collected, world, shard.fish_steps(), &environments);
  result.rows = std::move(collected->rows);
  return result;
}

}  // namespace shoal
