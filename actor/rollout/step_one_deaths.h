// Step-one deaths of a scene, as the records of training and evaluation hold them.
#pragma once

#include "actor/world/world.h"
#include "shoal/v1/items.pb.h"

namespace shoal {

// Appends the fish that died in the first step of `env`, which must be at step 1, by ascending id:
// positions and predator as they are after that step.
void AddStepOneDeaths(const World& world, int env,
                      google::protobuf::RepeatedPtrField<v1::StepOneDeath>* deaths);

}  // namespace shoal
