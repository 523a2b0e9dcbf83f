#include "actor/rollout/step_one_deaths.h"

#include <array>

namespace shoal {

void AddStepOneDeaths(const World& world, int env,
                      google::protobuf::RepeatedPtrField<v1::StepOneDeath>* deaths) {
  const Predator& predator = world.predator(env);
  for (int fish = 0; fish < world.num_fish(); ++fish) {
    if (world.death_step(env, fish) != 1) continue;
    v1::StepOneDeath* death = deaths->Add();
    death->set_fish_index(fish);
    const std::array<float, 2> position = world.fish_position(env, fish);
    death->mutable_fish_position()->set_x(position[0]);
    death->mutable_fish_position()->set_y(position[1]);
    death->mutable_predator_position()->set_x(predator.x);
    death->mutable_predator_position()->set_y(predator.y);
    death->mutable_predator_velocity()->set_x(predator.vx);
    death->mutable_predator_velocity()->set_y(predator.vy);
  }
}

}  // namespace shoal
