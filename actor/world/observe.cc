// What a World tells of its fish: observations and rewards.
#include <algorithm>
#include <cstdint>

#include "actor/world/world.h"

namespace shoal {

FishView World::Gather(int env, int count, Gathered* gathered) const {
  const size_t at = Index(env, 0);
  for (int i = 0; i < count; ++i) {
    const size_t from = at + gathered->id[i];
    gathered->x[i] = x_[from];
    gathered->y[i] = y_[from];
    gathered->vx[i] = vx_[from];
    gathered->vy[i] = vy_[from];
  }
  return {gathered->x.data(),  gathered->y.data(),  gathered->vx.data(),
          gathered->vy.data(), gathered->id.data(), count};
}

FishView World::LivingFish(int env) const {
  const size_t at = Index(env, 0);
  if (envs_[env].alive_count == num_fish_) {
    return {&x_[at], &y_[at], &vx_[at], &vy_[at], all_ids_.data(), num_fish_};
  }
  int count = 0;
  for (int fish = 0; fish < num_fish_; ++fish) {
    living_.id[count] = fish;
    count += alive_[at + fish];
  }
  return Gather(env, count, &living_);
}

FishView World::ListedFish(int env, const int32_t* fish, int count) const {
  std::copy(fish, fish + count, listed_.id.begin());
  return Gather(env, count, &listed_);
}

void World::WriteRows(const FishView& fish, int env, float* rows) const {
  const int row_size = obs_dim();
  kernels_->observe(fish, envs_[env].predator, row_size, rows);
  if (!options_.include_neighbor_features) return;
  kernels_->observe_neighbors(fish, LivingFish(env),
                              {options_.neighbor_radius, options_.neighbor_average_count}, row_size,
                              neighbor_scratch_.data(), rows + kBaseObservation);
}

int World::ObserveLiving(int env, float* rows, int32_t* fish_ids) const {
  const FishView living = LivingFish(env);
  std::copy(living.id, living.id + living.count, fish_ids);
  WriteRows(living, env, rows);
  return living.count;
}

void World::ObserveFish(int env, const int32_t* fish, int count, float* rows) const {
  WriteRows(ListedFish(env, fish, count), env, rows);
}

void World::Rewards(int env, RewardKind kind, float density_penalty_coef, float* rewards) const {
  const size_t at = Index(env, 0);
  const Environment& e = envs_[env];
  kernels_->reward(&x_[at], &y_[at], &death_step_[at], stride_, e.predator, e.step, kind, rewards);
  const float divergence = options_.divergence_reward_coef;
  if (density_penalty_coef == 0.0f && divergence == 0.0f) return;

  const FishView living = LivingFish(env);
  kernels_->neighbor_sums(living, living, options_.neighbor_radius, neighbor_counts_.data(),
                          divergence != 0.0f ? neighbor_outflow_.data() : nullptr);
  const float scale = kind == RewardKind::kDeathOnly ? 0.002f : 0.1f;
  const float average_count = static_cast<float>(options_.neighbor_average_count);
  for (int i = 0; i < living.count; ++i) {
    if (neighbor_counts_[i] == 0.0f) continue;
    const float crowding =
        std::max(neighbor_counts_[i] / average_count - options_.density_target, 0.0f);
    float terms = -density_penalty_coef * crowding;
    if (divergence != 0.0f) terms += divergence * neighbor_outflow_[i];
    rewards[living.id[i]] += scale * terms;
  }
}

}  // namespace shoal
